// A tier: the precisions at which a request is served. Routers choose among tiers; which layers follow it in which format is the business
// of a layer plan (router/plan.hpp).
#pragma once

#include <optional>
#include <string_view>

#include "vernier/layout/weight_format.hpp"
#include "vernier/types/precision.hpp"

namespace vernier {

/// Structural, so that a ladder of tiers can be a template argument. New fields go last, with a default.
struct Tier {
  Precision weights = Precision::f16;      // of the linear layers
  Precision activations = Precision::f32;  // what the multiplications see; f32: they are not rounded to a format
  Precision kv = Precision::f16;           // of cached keys and values; part of the key of a shared prefix

  friend constexpr bool operator==(const Tier&, const Tier&) = default;
};

/// A tier goes by its weights in flags, headers and metrics: "nf4", "i8", "f16".
constexpr std::string_view name(const Tier& t) { return name(t.weights); }

/// The tier that weights of precision p get when nobody says otherwise: int8 weights multiply int8 activations, all others see floats.
constexpr Tier default_tier(Precision p) { return {.weights = p, .activations = p == Precision::i8 ? Precision::i8 : Precision::f32}; }

/// default_tier() of the precision called `text`, or nothing where there is none or weights are not stored in it.
constexpr std::optional<Tier> parse_tier(std::string_view text) {
  const std::optional<Precision> p = parse_precision(text);
  if (!p || !why_unsupported(default_format(*p)).empty()) return std::nullopt;
  return default_tier(*p);
}

/// Whether products of weights in w and activations in a are computed. Rounding activations below 16 bits pays only where the weights
/// multiply in that format too: int8 products for i8 and nf4, fp8 products for fp8.
constexpr bool is_product(Precision w, Precision a) {
  switch (a) {
    case Precision::f32: return true;
    case Precision::f16: return w == Precision::f16;
    case Precision::bf16: return w != Precision::f16 && w != Precision::f32;  // the f16 tier is never rounded to 8 bits of precision
    case Precision::i8: return w == Precision::i8 || w == Precision::nf4;
    case Precision::e4m3:
    case Precision::e5m2: return is_fp8(w);
    case Precision::nf4: return false;
  }
  return false;
}

/// Refuses, while compiling, a tier that no kernel serves. Precisions print by name beside the text.
template <Tier T>
constexpr bool check() {
  static_assert(why_unsupported(default_format(T.weights)).empty(), "vernier::Tier: weights must be f16, bf16, i8, e4m3, e5m2 or nf4");
  static_assert(is_kv_precision(T.kv), "vernier::Tier: kv must be f16, bf16, i8, e4m3 or e5m2");
  static_assert(is_product(T.weights, T.activations),
                "vernier::Tier: activations must be f32, or match the weights: f16 with f16; bf16 with any but f16; i8 with i8 or nf4; fp8 "
                "with fp8");
  return true;
}

}  // namespace vernier
