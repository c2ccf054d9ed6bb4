// The polynomial behind the vector versions of 2^x in attention. Not a function by itself: each instruction set evaluates it with its own
// registers, see vector_avx2.hpp and vector_avx512.hpp.
#pragma once

namespace vernier::detail {

/// 2^r = 1 + c[0] r + c[1] r^2 + ... for |r| <= 1/2, within 0.04 * 2^-24 before rounding; evaluated in float with fused multiply-adds the
/// relative error is below 1.4 * 2^-24 (found over two million points). Then 2^x = 2^round(x) * 2^(x - round(x)), both steps exact;
/// the constant term is exactly 1, so that 2^0 is. Coefficients: a weighted least-squares fit, driven towards equal errors.
inline constexpr float exp2_coefficients[] = {0x1.62e430p-1f, 0x1.ebfbdcp-3f,  0x1.c6aee8p-5f,
                                              0x1.3b2d4cp-7f, 0x1.5f3e54p-10f, 0x1.41fbbap-13f};

}  // namespace vernier::detail
