// Which instruction set the kernels use: what the processor and the operating system offer, and the VERNIER_CPU override.
// Not a dispatcher: callers ask once, keep the answer, and pick a kernel by it.
#pragma once

#include <cstdlib>
#include <string_view>

#include "vernier/core/error.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace vernier::cpu {

/// Kernel families in ascending order of what they need; a machine that runs one runs those before it.
/// avx2 means AVX2, FMA and F16C; avx512 means F, BW, VL, DQ and VNNI on top of that.
enum class Isa : unsigned char { scalar, avx2, avx512 };

inline constexpr Isa all_isas[] = {Isa::scalar, Isa::avx2, Isa::avx512};

/// The name used by VERNIER_CPU and in messages.
constexpr std::string_view name(Isa isa) {
  switch (isa) {
    case Isa::scalar: return "scalar";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
  }
  return "?";
}

/// What this machine offers.
struct Features {
  Isa isa = Isa::scalar;     // the highest family
  bool avx512_bf16 = false;  // vdpbf16ps, and vpermi2b of VBMI: extras of some AVX-512 machines
  int amd_family = 0;        // of the processor, if it is AMD's: 25 is Zen 3 and 4, 26 Zen 5
};

/// Asks the processor (CPUID) and whether the operating system saves the vector registers (XCR0). A CPUID costs microseconds
/// in a virtual machine; see features().
inline Features detect_features() {
  Features found;
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  const auto bit = [](unsigned word, int i) { return ((word >> i) & 1u) != 0; };
  const bool amd = __get_cpuid(0, &a, &b, &c, &d) != 0 && b == signature_AMD_ebx && c == signature_AMD_ecx && d == signature_AMD_edx;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || !bit(c, 27)) return found;             // OSXSAVE
  if (amd) found.amd_family = static_cast<int>((a >> 8 & 15u) + (a >> 20 & 255u));  // the second counts where the first is 15, as it is
  const bool fma = bit(c, 12), avx = bit(c, 28), f16c = bit(c, 29);
  unsigned low = 0;
  __asm__("xgetbv" : "=a"(low) : "c"(0) : "edx");
  const bool saves_ymm = (low & 0x06u) == 0x06u, saves_zmm = (low & 0xe6u) == 0xe6u;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return found;
  if (!(fma && avx && f16c && bit(b, 5) && saves_ymm)) return found;
  found.isa = Isa::avx2;
  const bool vbmi = bit(c, 1);
  const bool f = bit(b, 16), dq = bit(b, 17), bw = bit(b, 30), vl = bit(b, 31), vnni = bit(c, 11);
  if (!(f && dq && bw && vl && vnni && saves_zmm)) return found;
  found.isa = Isa::avx512;
  if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) found.avx512_bf16 = bit(a, 5) && vbmi;
#endif
  return found;
}

/// The features of this machine, asked once.
inline Features features() {
  static const Features found = detect_features();
  return found;
}

/// The family to use on a machine that offers `machine` when the user asks for `forced` (empty: the best).
/// Throws Error when `forced` is no family, or one that the machine lacks.
inline Isa choose_isa(Isa machine, std::string_view forced) {
  if (forced.empty()) return machine;
  for (Isa isa : all_isas) {
    if (name(isa) != forced) continue;
    expect(isa <= machine, "VERNIER_CPU", "this machine has no ", forced, "; the most it runs is ", name(machine));
    return isa;
  }
  fail("VERNIER_CPU", "'", forced, "' is no instruction set; expected scalar, avx2 or avx512");
}

/// The family for this process: the best of the machine, or what the environment variable VERNIER_CPU forces. Read once.
/// Throws Error as choose_isa() does.
inline Isa selected_isa() {
  static const Isa isa = [] {
    const char* forced = std::getenv("VERNIER_CPU");
    return choose_isa(features().isa, forced != nullptr ? forced : "");
  }();
  return isa;
}

}  // namespace vernier::cpu
