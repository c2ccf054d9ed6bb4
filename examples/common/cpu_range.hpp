// --cpu-range LO-HI: the processors that a program keeps its workers on.
#pragma once

#include <algorithm>
#include <charconv>
#include <numeric>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include "vernier/core/error.hpp"

namespace vernier {

inline constexpr const char* cpu_range_help = "processors LO-HI to keep the workers on, one each (default: the system places them)";

/// "2-5", or "3" for one. Throws Error on anything else.
inline std::vector<int> parse_cpu_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto number = [&](std::string_view part) {
    int value = -1;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    return error == std::errc() && end == part.data() + part.size() && value < 1024 ? value : -1;
  };
  const int first = number(text.substr(0, dash)), last = dash == text.npos ? first : number(text.substr(dash + 1));
  expect(first >= 0 && last >= first, "--cpu-range", "'", text, "', expected LO-HI with 0 <= LO <= HI < 1024, as in 0-3");
  std::vector<int> all(static_cast<std::size_t>(last - first + 1));
  std::iota(all.begin(), all.end(), first);
  return all;
}

/// How many workers there are when nobody says: one for each processor that they may have.
inline int default_threads(std::span<const int> processors) {
  if (!processors.empty()) return static_cast<int>(processors.size());
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

/// Those for a pool of `threads`: the first of them, or none if none were asked for. Throws Error when there are too few.
inline std::span<const int> processors_for(int threads, std::span<const int> processors) {
  const auto count = static_cast<std::size_t>(threads);
  expect(processors.empty() || processors.size() >= count, "--cpu-range", "has ", processors.size(), " processors, too few for --threads ",
         threads);
  return processors.empty() ? processors : processors.first(count);
}

}  // namespace vernier
