// Methods of str that change, cut or join text.
#include <algorithm>
#include <array>

#include "common/text/jinja_eval.hpp"
#include "common/text/jinja_unicode.hpp"

namespace vernier::text::jinja {
namespace {

using Args = const Arguments&;

bool holds(std::string_view chars, char32_t c) {
  for (std::size_t at = 0; at < chars.size();) {
    const CodePoint one = code_point(chars, at);
    if (one.value == c) return true;
    at += one.bytes;
  }
  return false;
}

template <bool Left, bool Right>
Value strip(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "strip", args, {"chars"});
  const Text& text = *self.text();
  const std::string_view chars = bound.is_none(0) ? std::string_view() : std::string_view(bound.text(0).bytes);
  const auto drops = [&](char32_t c) { return bound.is_none(0) ? is_space(c) : holds(chars, c); };
  std::size_t begin = 0, end = text.bytes.size();
  eval.run.charge(end);
  while (Left && begin < end) {
    const CodePoint c = code_point(text.bytes, begin);
    if (!drops(c.value)) break;
    begin += c.bytes;
    eval.run.step(1 + chars.size() / 16);
  }
  while (Right && end > begin) {
    std::size_t last = end - 1;
    while (last > begin && (static_cast<unsigned char>(text.bytes[last]) & 0xC0) == 0x80) --last;
    if (!drops(code_point(text.bytes, last).value)) break;
    end = last;
    eval.run.step(1 + chars.size() / 16);
  }
  return Value(text.slice(begin, end));
}

template <Case To>
Value change_case(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "case method", args, {});
  eval.run.charge(3 * self.text()->bytes.size());
  return Value(map_case(*self.text(), To));
}

Value capitalize(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "capitalize", args, {});
  const Text& text = *self.text();
  eval.run.charge(3 * text.bytes.size());
  if (text.bytes.empty()) return self;
  const std::size_t first = code_point(text.bytes, 0).bytes;
  Text out = map_case(text.slice(0, first), Case::title);
  out.append(map_case(text.slice(first, text.bytes.size()), Case::lower));
  return Value(std::move(out));
}

/// str.title(): a word is a run of letters.
Value title(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "title", args, {});
  const Text& text = *self.text();
  eval.run.charge(3 * text.bytes.size());
  Text out;
  bool in_word = false;
  for (std::size_t at = 0; at < text.bytes.size();) {
    const CodePoint c = code_point(text.bytes, at);
    out.append(map_case(text.slice(at, at + c.bytes), in_word ? Case::lower : Case::title));
    in_word = is_upper(c.value) || is_lower(c.value);
    at += c.bytes;
  }
  return Value(std::move(out));
}

/// Pieces between white space; the rest stays whole after `limit` cuts. From the right for rsplit.
std::vector<Text::Range> split_space(std::string_view text, std::int64_t limit, bool from_right) {
  std::vector<Text::Range> out;
  if (from_right) {
    std::size_t end = trim_space_end(text);
    while (end > 0 && limit-- != 0) {
      std::size_t begin = end;
      while (begin > 0) {
        std::size_t last = begin - 1;
        while (last > 0 && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
        if (is_space(code_point(text, last).value)) break;
        begin = last;
      }
      out.push_back({begin, end});
      end = trim_space_end(text.substr(0, begin));
    }
    if (end > 0) out.push_back({0, end});  // all of it, with the white space at its start
    std::reverse(out.begin(), out.end());
    return out;
  }
  std::size_t at = skip_space(text);
  while (at < text.size() && limit-- != 0) {
    std::size_t end = at;
    while (end < text.size()) {
      const CodePoint c = code_point(text, end);
      if (is_space(c.value)) break;
      end += c.bytes;
    }
    out.push_back({at, end});
    at = skip_space(text, end);
  }
  if (at < text.size()) out.push_back({at, text.size()});  // all of it, with the white space at its end
  return out;
}

std::vector<Text::Range> split_on(std::string_view text, std::string_view separator, std::int64_t limit, bool from_right) {
  std::vector<Text::Range> out;
  if (from_right) {
    std::size_t end = text.size();
    while (limit-- != 0) {
      const std::size_t at = end < separator.size() ? std::string_view::npos : text.rfind(separator, end - separator.size());
      if (at == std::string_view::npos) break;
      out.push_back({at + separator.size(), end});
      end = at;
    }
    out.push_back({0, end});
    std::reverse(out.begin(), out.end());
    return out;
  }
  std::size_t begin = 0;
  while (limit-- != 0) {
    const std::size_t at = find_text(text, separator, begin);
    if (at == std::string_view::npos) break;
    out.push_back({begin, at});
    begin = at + separator.size();
  }
  out.push_back({begin, text.size()});
  return out;
}

Value slices(Run& run, const Text& text, const std::vector<Text::Range>& ranges) {
  run.charge(text.bytes.size() + ranges.size() * (sizeof(Text) + sizeof(Text::Range)));
  run.step(text.bytes.size() / 64 + ranges.size());
  std::vector<Value> out;
  for (const Text::Range& range : ranges) out.emplace_back(text.slice(range.begin, range.end));
  return make_sequence(run, std::move(out));
}

template <bool FromRight>
Value split(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "split", args, {"sep", "maxsplit"});
  const Text& text = *self.text();
  const std::int64_t limit = bound.integer(1, -1);
  if (bound.is_none(0)) return slices(eval.run, text, split_space(text.bytes, limit, FromRight));
  const std::string& separator = bound.text(0).bytes;
  if (separator.empty()) eval.run.fail("split: empty separator");
  if (FromRight && separator.size() > 1024) eval.run.fail("rsplit: a separator of more than 1024 bytes is not supported");
  return slices(eval.run, text, split_on(text.bytes, separator, limit, FromRight));
}

Value splitlines(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "splitlines", args, {"keepends"});
  return slices(eval.run, *self.text(), split_lines(self.text()->bytes, bound.flag(0, false)));
}

template <bool FromRight>
Value partition(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "partition", args, {"sep"}, 1);
  const Text& text = *self.text();
  const std::string& separator = bound.text(0).bytes;
  if (separator.empty() || separator.size() > 1024) eval.run.fail("partition: the separator must have 1 to 1024 bytes");
  const std::size_t size = text.bytes.size(), found = FromRight ? text.bytes.rfind(separator) : find_text(text.bytes, separator);
  eval.run.charge(size);
  const bool absent = found == std::string::npos;
  const std::size_t begin = absent ? (FromRight ? 0 : size) : found, end = absent ? begin : begin + separator.size();
  return make_sequence(eval.run, {Value(text.slice(0, begin)), Value(text.slice(begin, end)), Value(text.slice(end, size))},
                       SequenceKind::tuple);
}

Value replace(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "replace", args, {"old", "new", "count"}, 2);
  const Text &text = *self.text(), &old_text = bound.text(0), &new_text = bound.text(1);
  std::int64_t limit = bound.integer(2, -1);
  Text out;
  const auto put = [&](std::size_t begin, std::size_t end) {
    eval.run.charge(end - begin);
    out.append(text, begin, end);
  };
  std::size_t at = 0;
  for (bool first = true; limit-- != 0; first = false) {
    // An empty `old` is found before each character and at the end.
    const std::size_t step = old_text.bytes.empty() && !first ? (at < text.bytes.size() ? code_point(text.bytes, at).bytes : 1) : 0;
    if (at + step > text.bytes.size()) break;
    const std::size_t hit = find_text(text.bytes, old_text.bytes, at + step);
    if (hit == std::string_view::npos) break;
    put(at, hit);
    eval.run.step();
    append_str(eval.run, out, Value(new_text));
    at = hit + old_text.bytes.size();
  }
  put(at, text.bytes.size());
  out.markup = text.markup;
  return Value(std::move(out));
}

Value join(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "join", args, {"iterable"}, 1);
  if (bound.at(0)->undefined()) return make_string("");
  Text out;
  std::size_t i = 0;
  for (const Value& item : elements(eval.run, *bound.at(0))) {
    if (!item.text()) eval.run.fail("sequence item ", i, ": expected str instance, ", type_name(item), " found");
    if (i++ != 0) append_str(eval.run, out, self);
    append_str(eval.run, out, item);
  }
  return Value(std::move(out));
}

template <bool Prefix>
Value remove_affix(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "removeprefix", args, {"affix"}, 1);
  const Text& text = *self.text();
  const std::string& affix = bound.text(0).bytes;
  eval.run.charge(text.bytes.size());
  const bool has = Prefix ? text.bytes.starts_with(affix) : text.bytes.ends_with(affix);
  if (!has) return self;
  return Value(Prefix ? text.slice(affix.size(), text.bytes.size()) : text.slice(0, text.bytes.size() - affix.size()));
}

Value swapcase(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "swapcase", args, {});
  const Text& text = *self.text();
  eval.run.charge(3 * text.bytes.size());
  Text out;
  for (std::size_t at = 0; at < text.bytes.size();) {
    const CodePoint c = code_point(text.bytes, at);
    out.append(map_case(text.slice(at, at + c.bytes), is_upper(c.value) ? Case::lower : Case::upper));
    at += c.bytes;
  }
  return Value(std::move(out));
}

constexpr std::array methods{
    Builtin{"strip", strip<true, true>},
    Builtin{"lstrip", strip<true, false>},
    Builtin{"rstrip", strip<false, true>},
    Builtin{"upper", change_case<Case::upper>},
    Builtin{"lower", change_case<Case::lower>},
    Builtin{"casefold", change_case<Case::lower>},
    Builtin{"capitalize", capitalize},
    Builtin{"title", title},
    Builtin{"split", split<false>},
    Builtin{"rsplit", split<true>},
    Builtin{"splitlines", splitlines},
    Builtin{"partition", partition<false>},
    Builtin{"rpartition", partition<true>},
    Builtin{"replace", replace},
    Builtin{"join", join},
    Builtin{"removeprefix", remove_affix<true>},
    Builtin{"removesuffix", remove_affix<false>},
    Builtin{"swapcase", swapcase},
    Builtin{"format", [](Evaluator& eval, const Value& self, Args args) { return format_braces(eval, self, args); }},
};

}  // namespace

std::span<const Builtin> string_methods() { return methods; }

}  // namespace vernier::text::jinja
