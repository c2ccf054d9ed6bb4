// The machines that kernels are written for, by name. What a machine is found to have at run time is asked in cpu/features.hpp.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "vernier/core/macros.hpp"

namespace vernier {

/// One value per set of kernels. For CUDA the value is the compute capability times ten, as in the name of the architecture.
enum class Arch : unsigned char { cpu_scalar = 0, cpu_avx2 = 1, cpu_avx512 = 2, sm80 = 80, sm89 = 89, sm90a = 90 };

inline constexpr std::array all_archs{Arch::cpu_scalar, Arch::cpu_avx2, Arch::cpu_avx512, Arch::sm80, Arch::sm89, Arch::sm90a};

VERNIER_HD constexpr bool is_cuda(Arch a) { return static_cast<int>(a) >= 80; }

/// The name used in tables, flags and messages.
constexpr std::string_view name(Arch a) {
  switch (a) {
    case Arch::cpu_scalar: return "cpu_scalar";
    case Arch::cpu_avx2: return "cpu_avx2";
    case Arch::cpu_avx512: return "cpu_avx512";
    case Arch::sm80: return "sm80";
    case Arch::sm89: return "sm89";
    case Arch::sm90a: return "sm90a";
  }
  return "?";
}

/// The architecture called `text`, or nothing.
constexpr std::optional<Arch> parse_arch(std::string_view text) {
  for (const Arch a : all_archs)
    if (name(a) == text) return a;
  return std::nullopt;
}

}  // namespace vernier
