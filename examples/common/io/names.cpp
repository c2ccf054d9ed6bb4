// UTF-8 validation by the table of well-formed byte sequences, and printable quotes.
#include "common/io/names.hpp"

#include <cstddef>
#include <cstdint>

namespace vernier::io {

namespace {

// The length of the well-formed sequence at bytes[i], or 0.
std::size_t sequence_length(std::string_view bytes, std::size_t i) {
  const auto at = [&](std::size_t j) { return j < bytes.size() ? static_cast<std::uint8_t>(bytes[j]) : 0u; };
  const auto continues = [&](std::size_t j) { return at(j) >= 0x80 && at(j) <= 0xbf; };
  const unsigned first = at(i), second = at(i + 1);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4 || !continues(i + 1)) return 0;
  if (first < 0xe0) return 2;
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) || !continues(i + 2)) return 0;
  if (first < 0xf0) return 3;
  if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f) || !continues(i + 3)) return 0;
  return 4;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size();) {
    const std::size_t length = sequence_length(bytes, i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

std::string quoted(std::string_view bytes) {
  constexpr std::size_t limit = 80;
  constexpr char digits[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : bytes.substr(0, limit)) {
    const auto code = static_cast<std::uint8_t>(c);
    if (code >= 0x20 && code < 0x7f && c != '"' && c != '\\') {
      out += c;
    } else {
      out += "\\x";
      out += digits[code >> 4];
      out += digits[code & 15];
    }
  }
  out += bytes.size() > limit ? "...\"" : "\"";
  return out;
}

}  // namespace vernier::io
