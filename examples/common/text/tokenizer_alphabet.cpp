// The byte-level alphabet: printable Latin-1 stands for itself, the other 68 bytes are U+0100 and up, in order of their value.
#include <array>

#include "common/text/tokenizer_spec.hpp"

namespace vernier::text {
namespace {

constexpr bool stands_for_itself(int byte) { return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE; }

constexpr std::array<char32_t, 256> alphabet = [] {
  std::array<char32_t, 256> table{};
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte)
    table[static_cast<std::size_t>(byte)] = stands_for_itself(byte) ? static_cast<char32_t>(byte) : next++;
  return table;
}();

constexpr char32_t alphabet_end = 0x144;  // 256 + 68

constexpr std::array<int, alphabet_end> byte_of = [] {
  std::array<int, alphabet_end> table{};
  table.fill(-1);
  for (int byte = 0; byte < 256; ++byte) table[alphabet[static_cast<std::size_t>(byte)]] = byte;
  return table;
}();

}  // namespace

char32_t byte_alphabet(unsigned char byte) { return alphabet[byte]; }

bool from_byte_alphabet(std::string_view text, std::string& bytes) {
  bytes.clear();
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    const int byte = c.value < alphabet_end ? byte_of[c.value] : -1;
    if (byte < 0) return false;
    bytes += static_cast<char>(static_cast<unsigned char>(byte));
    at += c.bytes;
  }
  return true;
}

}  // namespace vernier::text
