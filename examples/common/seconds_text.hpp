// How long something took, for people.
#pragma once

#include <array>
#include <cstdio>
#include <string>

namespace vernier {

/// "0.91 s".
inline std::string seconds_text(double seconds) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f s", seconds);
  return text.data();
}

}  // namespace vernier
