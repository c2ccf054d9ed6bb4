// UTF-8 and character classes. ICU supplies the properties; what Unicode 15.1 and 16 added after Debian's ICU is listed here.
#include "common/text/unicode.hpp"

#include <unicode/uchar.h>

#include <algorithm>
#include <array>

namespace vernier::text {
namespace {

struct CodeRange {
  char32_t first, last;
};

// Assigned after Unicode 15.0, which is what ICU 72 knows; made by comparing it with the `tokenizers` package (Unicode 16).
constexpr CodeRange newer_letters[] = {{0x1c89, 0x1c8a},   {0xa7cb, 0xa7cd},   {0xa7da, 0xa7dc},   {0x105c0, 0x105f3}, {0x10d4a, 0x10d65},
                                       {0x10d6f, 0x10d85}, {0x10ec2, 0x10ec4}, {0x11380, 0x11389}, {0x1138b, 0x1138b}, {0x1138e, 0x1138e},
                                       {0x11390, 0x113b5}, {0x113b7, 0x113b7}, {0x113d1, 0x113d1}, {0x113d3, 0x113d3}, {0x11bc0, 0x11be0},
                                       {0x13460, 0x143fa}, {0x16100, 0x1611d}, {0x16d40, 0x16d6c}, {0x18cff, 0x18cff}, {0x1e5d0, 0x1e5ed},
                                       {0x1e5f0, 0x1e5f0}, {0x2ebf0, 0x2ee5d}};
constexpr CodeRange newer_numbers[] = {{0x10d40, 0x10d49}, {0x116d0, 0x116e3}, {0x11bf0, 0x11bf9}, {0x16130, 0x16139},
                                       {0x16d70, 0x16d79}, {0x1ccf0, 0x1ccf9}, {0x1e5f1, 0x1e5fa}};

template <std::size_t Count>
bool contains(const CodeRange (&ranges)[Count], char32_t c) {
  return std::any_of(std::begin(ranges), std::end(ranges), [c](CodeRange range) { return range.first <= c && c <= range.last; });
}

CharClass class_by_icu(char32_t c) {
  const auto code = static_cast<UChar32>(c);
  const std::uint32_t mask = U_MASK(u_charType(code));
  if (mask & U_GC_L_MASK) return CharClass::letter;
  if (mask & U_GC_N_MASK) return CharClass::number;
  if (mask & U_GC_CN_MASK) {
    if (contains(newer_letters, c)) return CharClass::letter;
    if (contains(newer_numbers, c)) return CharClass::number;
  }
  return u_hasBinaryProperty(code, UCHAR_WHITE_SPACE) ? CharClass::space : CharClass::other;
}

constexpr std::array<CharClass, 128> ascii_classes = [] {
  std::array<CharClass, 128> classes{};
  for (int c = 0; c < 128; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    classes[static_cast<std::size_t>(c)] = letter                 ? CharClass::letter
                                           : c >= '0' && c <= '9' ? CharClass::number
                                           : space                ? CharClass::space
                                                                  : CharClass::other;
  }
  return classes;
}();

}  // namespace

Utf8Char utf8_at(std::string_view text, std::size_t at) {
  constexpr char32_t replacement = 0xFFFD;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return {lead, 1, Utf8Char::State::valid};
  if (lead < 0xC2 || lead > 0xF4) return {replacement, 1, Utf8Char::State::invalid};
  const int more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  // The second byte is where overlong forms, surrogates and values beyond U+10FFFF show.
  unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  char32_t value = lead & (0x3Fu >> more);
  for (int i = 1; i <= more; ++i) {
    const auto length = static_cast<std::uint8_t>(i);
    if (at + length >= text.size()) return {replacement, length, Utf8Char::State::truncated};
    const unsigned char next = byte(at + length);
    if (next < low || next > high) return {replacement, length, Utf8Char::State::invalid};
    value = value << 6 | (next & 0x3Fu);
    low = 0x80, high = 0xBF;
  }
  return {value, static_cast<std::uint8_t>(more + 1), Utf8Char::State::valid};
}

std::size_t utf8_before(std::string_view text, std::size_t end) {
  for (std::size_t length = 1; length <= 4 && length <= end; ++length) {
    const Utf8Char c = utf8_at(text, end - length);
    if (c.state == Utf8Char::State::valid) return c.bytes == length ? end - length : end - 1;
  }
  return end - 1;
}

void append_utf8_char(std::string& out, char32_t value) {
  const auto put = [&out](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  const auto tail = [&put, value](int shift) { put(0x80 | (value >> shift & 0x3F)); };
  if (value < 0x80) return put(value);
  if (value < 0x800) return put(0xC0 | value >> 6), tail(0);
  if (value < 0x10000) return put(0xE0 | value >> 12), tail(6), tail(0);
  put(0xF0 | value >> 18), tail(12), tail(6), tail(0);
}

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    if (c.state != Utf8Char::State::valid) return false;
    at += c.bytes;
  }
  return true;
}

CharClass char_class(char32_t c) { return c < 128 ? ascii_classes[c] : class_by_icu(c); }

bool is_word_char(char32_t c) {
  if (contains(newer_letters, c) || contains(newer_numbers, c)) return true;
  const auto code = static_cast<UChar32>(c);
  const std::uint32_t mask = U_MASK(u_charType(code));
  return (mask & (U_GC_L_MASK | U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 || u_hasBinaryProperty(code, UCHAR_ALPHABETIC) ||
         u_hasBinaryProperty(code, UCHAR_JOIN_CONTROL);
}

}  // namespace vernier::text
