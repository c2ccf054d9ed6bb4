// The flag of every program that runs a model: what its linear layers may round activations to.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace vernier {

/// --activations, into the text that model::parse_activations() takes.
inline void add_activations_flag(CLI::App& app, std::string& activations) {
  app.add_option("--activations", activations,
                 "f32: never rounded; i8: int8 for i8 and nf4 weights, bf16 for fp8; i16 (auto): also 14 bits for f16 and bf16 weights; "
                 "bf16: like i8, and bf16 for bf16 weights")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "f32", "i8", "i16", "bf16"}));
}

}  // namespace vernier
