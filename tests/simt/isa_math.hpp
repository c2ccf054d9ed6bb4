// The emulator's arithmetic instructions (vernier/cuda/ptx_math.cuh and ptx_convert.cuh), which need no other thread.
#pragma once

#include <cmath>
#include <cstdint>

#include "simt/builtins.hpp"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"
#include "vernier/types/fp8.hpp"

namespace vernier::cuda {

inline std::uint32_t prmt(std::uint32_t a, std::uint32_t b, std::uint32_t selector) {
  const std::uint64_t bytes = static_cast<std::uint64_t>(b) << 32 | a;
  std::uint32_t d = 0;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned nibble = selector >> 4 * i & 15u;
    auto byte = static_cast<std::uint32_t>(bytes >> 8 * (nibble & 7u) & 0xffu);
    if (nibble >= 8) byte = (byte & 0x80u) != 0 ? 0xffu : 0u;  // the fourth bit asks for the sign, eight times
    d |= byte << 8 * i;
  }
  return d;
}

template <int Table>
std::uint32_t lop3(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  static_assert(Table >= 0 && Table <= 255, "vernier::cuda::lop3: Table is a function of 0xf0, 0xcc and 0xaa, 0 to 255");
  std::uint32_t d = 0;
  for (unsigned term = 0; term < 8; ++term)
    if ((Table >> term & 1) != 0) d |= ((term & 4u) != 0 ? a : ~a) & ((term & 2u) != 0 ? b : ~b) & ((term & 1u) != 0 ? c : ~c);
  return d;
}

namespace detail {

template <class T>
double element(std::uint32_t pair, int i) {
  return static_cast<double>(T{static_cast<std::uint16_t>(pair >> 16 * i)}.decode());
}

/// x, which a float may not hold, in T with one rounding: to odd in float first, which has more than two bits more than T.
template <class T>
std::uint32_t round_once(double x) {
  float y = static_cast<float>(x);
  if (static_cast<double>(y) != x && !std::isnan(x) && !std::isinf(y)) {
    if (std::fabs(static_cast<double>(y)) > std::fabs(x)) y = std::nextafter(y, 0.0f);
    if ((float_bits(y) & 1u) == 0) y = bits_float(float_bits(y) | 1u);
  }
  return T::encode(y).bits;
}

template <class T, class F>
std::uint32_t map_pair(F f) {
  return round_once<T>(f(0)) | round_once<T>(f(1)) << 16;
}

}  // namespace detail

inline std::uint32_t in_register(std::uint32_t x) { return x; }

inline std::uint32_t fma_f16x2(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  return detail::map_pair<f16>([&](int i) { return detail::element<f16>(a, i) * detail::element<f16>(b, i) + detail::element<f16>(c, i); });
}
inline std::uint32_t mul_f16x2(std::uint32_t a, std::uint32_t b) {
  return detail::map_pair<f16>([&](int i) { return detail::element<f16>(a, i) * detail::element<f16>(b, i); });
}
inline std::uint32_t sub_f16x2(std::uint32_t a, std::uint32_t b) {
  return detail::map_pair<f16>([&](int i) { return detail::element<f16>(a, i) - detail::element<f16>(b, i); });
}
inline std::uint32_t add_f16x2(std::uint32_t a, std::uint32_t b) {
  return detail::map_pair<f16>([&](int i) { return detail::element<f16>(a, i) + detail::element<f16>(b, i); });
}
inline std::uint32_t max_f16x2(std::uint32_t a, std::uint32_t b) {
  return detail::map_pair<f16>([&](int i) {
    const double x = detail::element<f16>(a, i), y = detail::element<f16>(b, i);
    return x == y ? (std::signbit(x) ? y : x) : std::fmax(x, y);  // +0 is larger than -0
  });
}
inline std::uint32_t fma_bf16x2(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  return detail::map_pair<bf16>(
      [&](int i) { return detail::element<bf16>(a, i) * detail::element<bf16>(b, i) + detail::element<bf16>(c, i); });
}

inline std::uint32_t mul_bf16x2(std::uint32_t a, std::uint32_t b) { return fma_bf16x2(a, b, 0x80008000u); }
inline std::uint32_t add_bf16x2(std::uint32_t a, std::uint32_t b) { return fma_bf16x2(a, 0x3f803f80u, b); }
inline std::uint32_t sub_bf16x2(std::uint32_t a, std::uint32_t b) { return fma_bf16x2(b, 0xbf80bf80u, a); }

inline std::uint32_t cvt_f16x2(float first, float second) {
  return f16::encode(first).bits | static_cast<std::uint32_t>(f16::encode(second).bits) << 16;
}
inline std::uint32_t cvt_bf16x2(float first, float second) {
  return bf16::encode(first).bits | static_cast<std::uint32_t>(bf16::encode(second).bits) << 16;
}

namespace detail {

template <class T>
std::uint16_t pair_of_bytes(float first, float second) {
  return static_cast<std::uint16_t>(T::encode(first).bits | T::encode(second).bits << 8);
}
template <class T>
std::uint16_t pair_of_bytes(std::uint32_t halves) {
  return pair_of_bytes<T>(f16{static_cast<std::uint16_t>(halves)}.decode(), f16{static_cast<std::uint16_t>(halves >> 16)}.decode());
}
template <class T>
std::uint32_t pair_of_halves(std::uint16_t bytes) {
  return cvt_f16x2(T{static_cast<std::uint8_t>(bytes)}.decode(), T{static_cast<std::uint8_t>(bytes >> 8)}.decode());
}

inline float flushed(float x) { return std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }

}  // namespace detail

inline std::uint16_t cvt_e4m3x2(float first, float second) { return detail::pair_of_bytes<e4m3>(first, second); }
inline std::uint16_t cvt_e5m2x2(float first, float second) { return detail::pair_of_bytes<e5m2>(first, second); }
inline std::uint16_t cvt_e4m3x2_f16x2(std::uint32_t pair) { return detail::pair_of_bytes<e4m3>(pair); }
inline std::uint16_t cvt_e5m2x2_f16x2(std::uint32_t pair) { return detail::pair_of_bytes<e5m2>(pair); }
inline std::uint32_t cvt_f16x2_e4m3x2(std::uint16_t pair) { return detail::pair_of_halves<e4m3>(pair); }
inline std::uint32_t cvt_f16x2_e5m2x2(std::uint16_t pair) { return detail::pair_of_halves<e5m2>(pair); }

inline float rcp_approx(float x) { return detail::flushed(1.0f / detail::flushed(x)); }
inline float rsqrt_approx(float x) { return 1.0f / std::sqrt(detail::flushed(x)); }
inline float lg2_approx(float x) { return std::log2(detail::flushed(x)); }
inline float ex2_approx(float x) { return detail::flushed(std::exp2(detail::flushed(x))); }

}  // namespace vernier::cuda
