// Filters that make text.
#include <algorithm>
#include <array>

#include "common/text/jinja_escape.hpp"
#include "common/text/jinja_eval.hpp"
#include "common/text/jinja_unicode.hpp"

namespace vernier::text::jinja {
namespace {

using Args = const Arguments&;

/// The method of this name, applied to the subject's text.
Value as_method(Evaluator& eval, std::string_view method, const Value& self, Args args) {
  const Value text = self.text() ? self : Value(to_text(eval.run, self));
  return find_method(text, method)->call(eval, text, args);
}

Value filter_trim(Evaluator& eval, const Value& self, Args args) { return as_method(eval, "strip", self, args); }
Value filter_upper(Evaluator& eval, const Value& self, Args args) { return as_method(eval, "upper", self, args); }
Value filter_lower(Evaluator& eval, const Value& self, Args args) { return as_method(eval, "lower", self, args); }
Value filter_capitalize(Evaluator& eval, const Value& self, Args args) { return as_method(eval, "capitalize", self, args); }

Value filter_replace(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "replace", args, {"old", "new", "count"}, 2);
  Arguments method{{Value(to_text(eval.run, *bound.at(0))), Value(to_text(eval.run, *bound.at(1)))}, {}};
  if (!bound.is_none(2)) method.positional.push_back(*bound.at(2));
  Text plain = to_text(eval.run, self);
  plain.markup = false;
  return as_method(eval, "replace", Value(std::move(plain)), method);
}

Value filter_title(Evaluator& eval, const Value& self, Args) {
  const Text text = to_text(eval.run, self);
  eval.run.charge(2 * text.bytes.size());
  Text out;
  bool begins = true;  // a word begins behind white space and - ( { [ <
  for (std::size_t at = 0; at < text.bytes.size();) {
    const CodePoint c = code_point(text.bytes, at);
    const bool between = is_space(c.value) || std::u32string_view(U"-({[<").find(c.value) != std::u32string_view::npos;
    out.append(map_case(text.slice(at, at + c.bytes), begins ? Case::upper : Case::lower));
    begins = between;
    at += c.bytes;
  }
  return Value(std::move(out));
}

Value filter_string(Evaluator& eval, const Value& self, Args) { return self.text() ? self : Value(to_text(eval.run, self)); }

Value filter_safe(Evaluator& eval, const Value& self, Args) {
  Text text = to_text(eval.run, self);
  text.markup = true;
  return Value(std::move(text));
}

Value filter_escape(Evaluator& eval, const Value& self, Args) {
  const Text text = to_text(eval.run, self);
  eval.run.charge(6 * text.bytes.size());
  return Value(text.markup ? text : escape_html(text));
}

Value filter_indent(Evaluator& eval, const Value& self, Args args) {
  Run& run = eval.run;
  const Bound bound(run, "indent", args, {"width", "first", "blank"});
  if (self.undefined()) run.fail(*self.as<Undefined>().message);
  if (!self.text()) run.fail("indent needs a string, not '", type_name(self), "'");
  const bool by_text = bound.at(0) && bound.at(0)->text();
  const std::int64_t width = by_text ? 0 : bound.integer(0, 4);
  if (width > static_cast<std::int64_t>(run.limits.output_bytes))
    run.fail("indent by ", width, " exceeds the limit of ", run.limits.output_bytes);
  const Text prefix = by_text ? bound.text(0) : Text(std::string(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)), ' '), true);
  const bool blank = bound.flag(2, false);
  Text with_newline = *self.text();
  with_newline.append("\n", true);
  const std::vector<Text::Range> lines = split_lines(with_newline.bytes, false);
  run.charge(with_newline.bytes.size() + lines.size() * sizeof(Text::Range));
  Text out;
  if (bound.flag(1, false)) out.append(prefix);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i != 0) out.append("\n", true);
    if (i != 0 && (blank || lines[i].begin != lines[i].end)) {
      run.charge(prefix.bytes.size());
      out.append(prefix);
    }
    out.append(with_newline, lines[i].begin, lines[i].end);
  }
  return Value(std::move(out));
}

Value filter_join(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "join", args, {"d", "attribute"});
  const Text separator = bound.at(0) ? to_text(eval.run, *bound.at(0)) : Text();
  Text out;
  bool first = true;
  for (const Value& item : elements(eval.run, self)) {
    if (!first) append_str(eval.run, out, Value(separator));
    first = false;
    append_str(eval.run, out, bound.is_none(1) ? item : look_up(eval, item, *bound.at(1)));
  }
  return Value(std::move(out));
}

Value filter_tojson(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "tojson", args, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style{.ensure_ascii = bound.flag(0, false), .sort_keys = bound.flag(3, false)};
  if (!bound.is_none(1)) {
    style.indented = true;
    style.item_separator = ",";
    if (bound.at(1)->text())
      style.indent = bound.at(1)->text()->bytes;
    else
      style.indent.assign(static_cast<std::size_t>(std::clamp<std::int64_t>(bound.integer(1, 0), 0, 1000)), ' ');
  }
  if (!bound.is_none(2)) {
    const std::vector<Value> two = elements(eval.run, *bound.at(2));
    if (two.size() != 2 || !two[0].text() || !two[1].text()) eval.run.fail("tojson: separators must be two strings");
    style.item_separator = two[0].text()->bytes;
    style.key_separator = two[1].text()->bytes;
  }
  Text out;
  append_json(eval.run, out, self, style);
  return Value(std::move(out));
}

Value filter_format(Evaluator& eval, const Value& self, Args args) {
  if (!args.named.empty() && !args.positional.empty())
    eval.run.fail("format cannot take positional and keyword arguments at the same time");
  const Text text = to_text(eval.run, self);
  if (args.named.empty()) return format_percent(eval, text, make_sequence(eval.run, args.positional, SequenceKind::tuple));
  auto dict = std::make_shared<Dict>();
  for (const auto& [name, value] : args.named) dict->set(eval.run, make_string(name), value);
  return format_percent(eval, text, Value(std::move(dict)));
}

Value filter_truncate(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "truncate", args, {"length", "killwords", "end", "leeway"});
  if (!self.text()) {  // what is short enough comes back as it is
    const std::int64_t size = to_integer(eval.run, find_filter("length")->call(eval, self, {}), "length");
    if (size - (bound.is_none(3) ? 5 : bound.integer(3, 5)) <= bound.integer(0, 255)) return self;
    eval.run.fail("truncate needs a string, not '", type_name(self), "'");
  }
  const Text text = to_text(eval.run, self);
  const Text end = bound.at(2) ? bound.text(2) : Text("...", true);
  const std::int64_t length = bound.integer(0, 255), leeway = bound.is_none(3) ? 5 : bound.integer(3, 5);
  const auto end_length = static_cast<std::int64_t>(count_code_points(end.bytes));
  if (length < end_length || leeway < 0)
    eval.run.fail("truncate: length ", length, " is below that of its end, or leeway ", leeway, " is negative");
  eval.run.charge(text.bytes.size());
  if (static_cast<std::int64_t>(count_code_points(text.bytes)) - leeway <= length) return Value(text);
  std::size_t cut = byte_offset(text.bytes, static_cast<std::size_t>(length - end_length));
  if (!bound.flag(1, false))
    if (const std::size_t space = text.bytes.substr(0, cut).rfind(' '); space != std::string::npos) cut = space;
  Text out = text.slice(0, cut);
  out.append(end);
  return Value(std::move(out));
}

constexpr std::array filters{
    Builtin{"trim", filter_trim},     Builtin{"upper", filter_upper},     Builtin{"lower", filter_lower},
    Builtin{"title", filter_title},   Builtin{"replace", filter_replace}, Builtin{"capitalize", filter_capitalize},
    Builtin{"string", filter_string}, Builtin{"safe", filter_safe},       Builtin{"escape", filter_escape},
    Builtin{"e", filter_escape},      Builtin{"indent", filter_indent},   Builtin{"join", filter_join},
    Builtin{"tojson", filter_tojson}, Builtin{"format", filter_format},   Builtin{"truncate", filter_truncate},
};

}  // namespace

std::span<const Builtin> text_filters() { return filters; }

Text escape_html(const Text& text) {
  Text out;
  text.for_each_run([&](std::string_view run, bool trusted) {
    std::string escaped;
    for (char c : run) {
      if (c == '&')
        escaped += "&amp;";
      else if (c == '<')
        escaped += "&lt;";
      else if (c == '>')
        escaped += "&gt;";
      else if (c == '"')
        escaped += "&#34;";
      else if (c == '\'')
        escaped += "&#39;";
      else
        escaped += c;
    }
    out.append(escaped, trusted);
  });
  out.markup = true;
  return out;
}

}  // namespace vernier::text::jinja
