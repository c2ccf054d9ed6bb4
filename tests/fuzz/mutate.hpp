// Random changes to an input, for compilers without libFuzzer: no feedback, but aimed at what breaks parsers, which is lengths, counts and
// nesting near the beginning.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace vernier::fuzz {

class Mutator {
 public:
  Mutator(const std::vector<std::string>& seeds, std::uint64_t number)
      : seeds_(seeds), bits_(static_cast<std::uint32_t>(number * 2654435761u + 1)) {}

  /// The input of this number: always the same for the same seeds.
  std::string make() {
    std::string input = seeds_[below(seeds_.size())];
    for (std::size_t rounds = 1 + below(6); rounds > 0; --rounds) change(input);
    if (input.size() > max_size) input.resize(max_size);
    return input;
  }

 private:
  static constexpr std::size_t max_size = 1 << 16;

  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : bits_() % limit; }

  // Half of the time in the first kilobyte, where headers are.
  std::size_t position(const std::string& input) {
    return below(bits_() % 2 == 0 ? std::min<std::size_t>(input.size(), 1024) : input.size());
  }

  std::uint64_t awkward_number() {
    static constexpr std::uint64_t numbers[] = {0,          1,          2,          7,          127,        128,
                                                255,        256,        32767,      65535,      0x7fffffff, 0x80000000,
                                                0xffffffff, 1ull << 32, 1ull << 40, 1ull << 62, 1ull << 63, ~0ull};
    return numbers[below(std::size(numbers))] + (bits_() % 4 == 0 ? below(64) : 0);
  }

  void overwrite(std::string& input) {
    const std::uint64_t value = awkward_number();
    const std::size_t at = position(input), width = std::size_t{1} << below(4);
    std::memcpy(input.data() + at, &value, std::min(width, input.size() - at));
  }

  void insert_text_number(std::string& input) {
    input.insert(position(input), std::to_string(static_cast<std::int64_t>(awkward_number())));
  }

  void repeat(std::string& input) {
    const std::size_t at = position(input), length = 1 + below(std::min<std::size_t>(input.size() - at, 64));
    const std::string part = input.substr(at, length);
    const std::size_t times = std::size_t{1} << below(10);
    std::string run;
    for (std::size_t i = 0; i < times && run.size() < max_size; ++i) run += part;
    input.insert(at, run);
  }

  void splice(std::string& input) {
    const std::string& other = seeds_[below(seeds_.size())];
    const std::size_t from = position(other), length = below(other.size() - from);
    input.insert(position(input), other, from, std::min<std::size_t>(length, 256));
  }

  void change(std::string& input) {
    if (input.empty()) input = "\n";
    switch (below(8)) {
      case 0: input[position(input)] ^= static_cast<char>(1u << below(8)); return;
      case 1: input[position(input)] = static_cast<char>(bits_()); return;
      case 2:
      case 3: return overwrite(input);
      case 4: return insert_text_number(input);
      case 5: return repeat(input);
      case 6: return splice(input);
      default: {
        const std::size_t at = position(input);
        input.erase(at, bits_() % 4 == 0 ? input.npos : 1 + below(16));
      }
    }
  }

  const std::vector<std::string>& seeds_;
  std::mt19937 bits_;
};

}  // namespace vernier::fuzz
