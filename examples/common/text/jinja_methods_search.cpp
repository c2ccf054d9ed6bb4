// Methods of str that ask about text: searches and character classes.
#include <algorithm>
#include <array>

#include "common/text/jinja_eval.hpp"
#include "common/text/jinja_unicode.hpp"

namespace vernier::text::jinja {
namespace {

using Args = const Arguments&;

/// The part of the text that start and end (code points, negative from the end) leave, as bytes; false if start lies behind the text.
struct Window {
  std::size_t begin, end;
  bool valid;
};

Window window(Evaluator& eval, const Text& text, const Bound& bound) {
  eval.run.step(text.bytes.size() / 64);
  if (bound.is_none(1) && bound.is_none(2)) return {0, text.bytes.size(), true};
  const auto size = static_cast<std::int64_t>(count_code_points(text.bytes));
  const auto clamp = [&](std::size_t i, std::int64_t fallback) {
    if (bound.is_none(i)) return fallback;
    const std::int64_t at = bound.integer(i, 0);
    return at < 0 ? std::max<std::int64_t>(at + size, 0) : at;
  };
  const std::int64_t start = clamp(1, 0), end = std::min(clamp(2, size), size);
  if (start > size || start > end) return {0, 0, false};
  return {byte_offset(text.bytes, static_cast<std::size_t>(start)), byte_offset(text.bytes, static_cast<std::size_t>(end)), true};
}

template <bool Start>
Value has_affix(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, Start ? "startswith" : "endswith", args, {"affix", "start", "end"}, 1);
  const Window range = window(eval, *self.text(), bound);
  const std::string_view text = std::string_view(self.text()->bytes).substr(range.begin, range.end - range.begin);
  const auto matches = [&](std::string_view affix) { return range.valid && (Start ? text.starts_with(affix) : text.ends_with(affix)); };
  const Sequence* options = bound.at(0)->sequence();
  if (!options || options->kind != SequenceKind::tuple) return Value(matches(bound.text(0).bytes));
  for (const Value& option : options->items) {
    if (!option.text()) eval.run.fail("the tuple for startswith or endswith must hold strings, not ", type_name(option));
    if (matches(option.text()->bytes)) return Value(true);
  }
  return Value(false);
}

/// Index in code points, -1 if absent.
template <bool FromRight, bool MustFind>
Value search(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "find or index", args, {"sub", "start", "end"}, 1);
  const Window range = window(eval, *self.text(), bound);
  const std::string_view text = std::string_view(self.text()->bytes).substr(0, range.end), needle = bound.text(0).bytes;
  if (FromRight && needle.size() > 1024) eval.run.fail("rfind: a text of more than 1024 bytes is not supported");
  std::size_t at = FromRight ? text.rfind(needle) : find_text(text, needle, range.begin);
  if (!range.valid || at == std::string_view::npos || at < range.begin) at = std::string_view::npos;
  if (at != std::string_view::npos) return Value(static_cast<std::int64_t>(count_code_points(text.substr(0, at))));
  if (MustFind) eval.run.fail("substring not found");
  return Value(std::int64_t{-1});
}

Value count(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "count", args, {"sub", "start", "end"}, 1);
  const Window range = window(eval, *self.text(), bound);
  if (!range.valid) return Value(std::int64_t{0});
  const std::string_view text = std::string_view(self.text()->bytes).substr(range.begin, range.end - range.begin);
  const std::string& needle = bound.text(0).bytes;
  if (needle.empty()) return Value(static_cast<std::int64_t>(count_code_points(text)) + 1);
  std::int64_t hits = 0;
  for (std::size_t at = find_text(text, needle); at != std::string_view::npos; at = find_text(text, needle, at + needle.size())) ++hits;
  return Value(hits);
}

/// True if there is a character and all pass.
template <bool (*Passes)(char32_t)>
Value all_characters(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "character test", args, {});
  const std::string& text = self.text()->bytes;
  eval.run.step(text.size() / 64);
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point(text, at);
    if (!Passes(c.value)) return Value(false);
    at += c.bytes;
  }
  return Value(!text.empty());
}

bool is_alnum(char32_t c) { return is_alpha(c) || is_digit(c); }

template <bool Upper>
Value has_only_case(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "case test", args, {});
  return find_test(Upper ? "upper" : "lower")->call(eval, self, {});
}

constexpr std::array methods{
    Builtin{"startswith", has_affix<true>},
    Builtin{"endswith", has_affix<false>},
    Builtin{"find", search<false, false>},
    Builtin{"rfind", search<true, false>},
    Builtin{"index", search<false, true>},
    Builtin{"rindex", search<true, true>},
    Builtin{"count", count},
    Builtin{"isspace", all_characters<is_space>},
    Builtin{"isalpha", all_characters<is_alpha>},
    Builtin{"isdigit", all_characters<is_digit>},
    Builtin{"isdecimal", all_characters<is_digit>},
    Builtin{"isnumeric", all_characters<is_digit>},
    Builtin{"isalnum", all_characters<is_alnum>},
    Builtin{"isupper", has_only_case<true>},
    Builtin{"islower", has_only_case<false>},
};

}  // namespace

std::span<const Builtin> string_search_methods() { return methods; }

}  // namespace vernier::text::jinja
