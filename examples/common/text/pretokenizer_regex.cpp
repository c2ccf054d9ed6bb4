// Split patterns that are not written by hand: plain strings, and regular expressions over PCRE2.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <utility>

#include "common/text/pretokenizer.hpp"
#include "vernier/core/error.hpp"

namespace vernier::text {
namespace {

constexpr TextRange not_found{std::string_view::npos, std::string_view::npos};

class LiteralPattern final : public SplitPattern {
 public:
  explicit LiteralPattern(std::string literal) : literal_(std::move(literal)) {}
  TextRange find(std::string_view text, std::size_t from) const override {
    const std::size_t at = text.find(literal_, from);
    return at == std::string_view::npos ? not_found : TextRange{at, at + literal_.size()};
  }

 private:
  std::string literal_;
};

/// PCRE2's \s has U+180E and lacks nothing else; Unicode's White_Space, which tokenizers mean, lacks it. So \s and \S are spelt out.
std::string spell_out_space(const std::string& pattern) {
  static constexpr std::string_view space =
      R"(\x{9}-\x{D}\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char next = pattern[++i];
      if (next == 's') {
        out += in_class ? std::string(space) : concat("[", space, "]");
      } else if (next == 'S') {
        expect(!in_class, "vernier::text::make_regex_pattern", "\\S inside [...] is not supported");
        out += concat("[^", space, "]");
      } else {
        out += c;
        out += next;
      }
      continue;
    }
    if (c == '[' && in_class) {  // Oniguruma nests classes, PCRE2 takes the bracket for itself
      expect(i + 1 < pattern.size() && pattern[i + 1] == ':', "vernier::text::make_regex_pattern",
             "a class inside a class is not supported");
      out += "[";
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    out += c;
  }
  return out;
}

class RegexPattern final : public SplitPattern {
 public:
  explicit RegexPattern(const std::string& pattern) {
    const std::string spelled = spell_out_space(pattern);
    int error = 0;
    PCRE2_SIZE offset = 0;
    code_ = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(spelled.data()), spelled.size(), PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF,
                          &error, &offset, nullptr);
    if (!code_) fail("vernier::text::make_regex_pattern", message(error), " (near byte ", offset, ")");
    pcre2_jit_compile(code_, PCRE2_JIT_COMPLETE);  // without JIT the same pattern is interpreted, only slower
  }
  ~RegexPattern() override { pcre2_code_free(code_); }
  RegexPattern(const RegexPattern&) = delete;
  RegexPattern& operator=(const RegexPattern&) = delete;

  TextRange find(std::string_view text, std::size_t from) const override {
    const Match match(code_);
    while (from < text.size()) {
      const int found = pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, 0, match.data, nullptr);
      if (found == PCRE2_ERROR_NOMATCH) return not_found;
      if (found < 0)
        fail("vernier::text::Tokenizer::encode", "the split pattern gave up at byte ", from, " of ", text.size(), ": ", message(found));
      const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match.data);
      if (range[1] > range[0]) return {range[0], range[1]};
      from = range[0] + 1;  // an empty match splits nothing
      while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80) ++from;
    }
    return not_found;
  }

 private:
  struct Match {
    explicit Match(const pcre2_code* code) : data(pcre2_match_data_create_from_pattern(code, nullptr)) {
      expect(data != nullptr, "vernier::text::Tokenizer::encode", "no memory for a match of the split pattern");
    }
    ~Match() { pcre2_match_data_free(data); }
    Match(const Match&) = delete;
    Match& operator=(const Match&) = delete;
    pcre2_match_data* data;
  };

  static std::string message(int code) {
    PCRE2_UCHAR text[160];
    pcre2_get_error_message(code, text, sizeof text);
    return reinterpret_cast<const char*>(text);
  }

  pcre2_code* code_ = nullptr;
};

}  // namespace

std::shared_ptr<const SplitPattern> make_regex_pattern(const std::string& pattern) { return std::make_shared<RegexPattern>(pattern); }

std::shared_ptr<const SplitPattern> make_literal_pattern(std::string literal) {
  expect(!literal.empty(), "vernier::text::make_literal_pattern", "the string to split at is empty");
  return std::make_shared<LiteralPattern>(std::move(literal));
}

}  // namespace vernier::text
