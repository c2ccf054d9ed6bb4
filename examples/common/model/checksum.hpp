// A checksum that keeps up with memory, and the same arithmetic for keys made of names and numbers. Finds damage, not malice.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace vernier::model {

/// One word into a running value. For a given word it is a bijection of the value, so a change of a single word always changes the end.
constexpr std::uint64_t mix(std::uint64_t value, std::uint64_t word) {
  return std::rotl((value ^ word) * 0x9e3779b97f4a7c15u, 29);  // 2^64 over the golden ratio: odd, with bits all over
}

/// Four chains of words, since one waits four cycles for each multiplication: 8 bytes a cycle.
inline std::uint64_t checksum(const std::uint8_t* bytes, std::size_t count, std::uint64_t seed = 0) {
  std::uint64_t chain[4] = {mix(seed, 1), mix(seed, 2), mix(seed, 3), mix(seed, count)};
  std::uint64_t words[4];
  for (; count >= sizeof words; bytes += sizeof words, count -= sizeof words) {
    std::memcpy(words, bytes, sizeof words);
    for (int i = 0; i < 4; ++i) chain[i] = mix(chain[i], words[i]);
  }
  std::uint64_t rest[4] = {};
  std::memcpy(rest, bytes, count);
  std::uint64_t all = 0;
  for (int i = 0; i < 4; ++i) all = mix(all, mix(chain[i], rest[i]));
  return all;
}

/// A key over values of any kind, in order.
class Key {
 public:
  void add(std::uint64_t number) { value_ = mix(value_, number); }
  void add(std::string_view text) { value_ = mix(value_, checksum(reinterpret_cast<const std::uint8_t*>(text.data()), text.size())); }
  std::uint64_t value() const { return mix(value_, 0); }

 private:
  std::uint64_t value_ = 0;
};

}  // namespace vernier::model
