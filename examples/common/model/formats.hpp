// Which format each matrix of a model gets, from one precision for a whole tier or from a layer plan, and what activations are rounded to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/model/config.hpp"
#include "common/model/weights.hpp"
#include "vernier/layout/packed_matrix.hpp"
#include "vernier/types/precision.hpp"

namespace vernier::model {

/// What linear layers may round their activations to. docs/numerics.md says what each costs.
///   f32   nothing: always multiplied in float
///   i8    int8 for i8 and nf4 weights, bf16 for fp8 weights, whose own rounding hides it: several times, and twice as fast in prefill
///   i16   like i8, and 14 bits beside the largest of 64 for f16 and bf16 weights: twice as fast in prefill, as fast in decode; costs a
///         tenth of what rounding to bf16 does. Needs AVX-512; multiplied in float elsewhere
///   bf16  like i8, and bf16 for bf16 weights too: twice as fast in prefill, but it costs more than the weights' rounding
enum class Activations : unsigned char { f32, i8, i16, bf16 };

/// What costs next to nothing and is fast: on a command line, auto.
inline constexpr Activations default_activations = Activations::i16;

/// The name used in flags and records.
std::string_view name(Activations activations);

/// The one that a name on a command line means; auto is default_activations. Throws Error for any other.
Activations parse_activations(std::string_view text);

/// Linear layers in `precision`, the embedding in f16. Every token passes through the head, so that its rounding costs more than any
/// layer's (e4m3 there doubles the KL of the whole model), and it is large: f16 would be half of what a 1B model reads per token at nf4.
/// Hence its format is the next better one that is no burden: i8 with a scale per row for nf4, i8 with a scale per 32 columns for i8, f16
/// for the others (docs/numerics.md has the figures). Tiers share what has the same format; a tied head in f16 is the embedding.
FormatOf uniform_formats(Precision precision);

/// The layer plan `plan`: a file, or else the name of a built-in plan. The embedding is in f16 unless a rule names it. Throws Error when
/// it cannot be read, and for a rule that decides for no matrix of this model, with its line.
FormatOf plan_formats(const std::string& plan, const ModelConfig& config);

/// The names that formats are asked for: every matrix, the head also where it is tied.
std::vector<std::string> matrix_names(const ModelConfig& config);

}  // namespace vernier::model
