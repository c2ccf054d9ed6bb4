// From a precision's name to its type, at compile time and at run time. A new precision is added to both lists here.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "vernier/core/error.hpp"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"
#include "vernier/types/fp8.hpp"
#include "vernier/types/int8.hpp"
#include "vernier/types/nf4.hpp"
#include "vernier/types/precision.hpp"

namespace vernier {

namespace detail {

/// Returns a value, not a type, so that a missing precision can say where to add it.
template <Precision P>
constexpr auto type_of() {
  if constexpr (P == Precision::f16)
    return f16{};
  else if constexpr (P == Precision::bf16)
    return bf16{};
  else if constexpr (P == Precision::i8)
    return i8{};
  else if constexpr (P == Precision::e4m3)
    return e4m3{};
  else if constexpr (P == Precision::e5m2)
    return e5m2{};
  else if constexpr (P == Precision::nf4)
    return nf4{};
  else
    static_assert(P == Precision::f16, "vernier::TypeOf: this precision has no code type; add it to types/type_of.hpp");
}

}  // namespace detail

/// The type with encode() and decode(): TypeOf<Precision::i8> is i8. Not for f32, which has no code.
template <Precision P>
using TypeOf = decltype(detail::type_of<P>());

/// One code by itself, as an unsigned number: std::uint16_t for 16-bit formats, else std::uint8_t (an nf4 code takes the low four bits).
template <Precision P>
using CodeOf = std::conditional_t<bits(P) == 16, std::uint16_t, std::uint8_t>;

/// The step from a precision that is known at run time to one that is known at compile time, taken once at the entry of an operation:
/// calls f.template operator()<P>() for the P that equals p and returns its result. Throws Error for f32, which has no code type.
///
///     visit_precision(w.format.precision, [&]<Precision P>() { run<P>(w); });
template <class F>
decltype(auto) visit_precision(Precision p, F&& f) {
  switch (p) {
    case Precision::f16: return f.template operator()<Precision::f16>();
    case Precision::bf16: return f.template operator()<Precision::bf16>();
    case Precision::i8: return f.template operator()<Precision::i8>();
    case Precision::e4m3: return f.template operator()<Precision::e4m3>();
    case Precision::e5m2: return f.template operator()<Precision::e5m2>();
    case Precision::nf4: return f.template operator()<Precision::nf4>();
    case Precision::f32: break;
  }
  fail("vernier::visit_precision", name(p), " has no code type, expected f16, bf16, i8, e4m3, e5m2 or nf4");
}

}  // namespace vernier
