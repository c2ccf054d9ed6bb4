// The filter tojson as transformers defines it: json.dumps, which keeps key order, prints 10.0 as 10.0 and escapes nothing for HTML.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "common/text/jinja_unicode.hpp"
#include "common/text/jinja_value.hpp"

namespace vernier::text::jinja {
namespace {

void append_unicode_escape(std::string& out, char32_t c) {
  char text[16];
  if (c >= 0x10000) {
    c -= 0x10000;
    std::snprintf(text, sizeof text, "\\u%04x\\u%04x", static_cast<unsigned>(0xD800 + (c >> 10)),
                  static_cast<unsigned>(0xDC00 + (c & 0x3FF)));
  } else {
    std::snprintf(text, sizeof text, "\\u%04x", static_cast<unsigned>(c));
  }
  out += text;
}

std::string escaped(std::string_view text, bool ensure_ascii) {
  constexpr std::string_view special = "\"\\\n\r\t\f\b", names = "\"\\nrtfb";
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point(text, at);
    const std::size_t i = c.value < 0x80 ? special.find(static_cast<char>(c.value)) : std::string_view::npos;
    if (i != std::string_view::npos)
      (out += '\\') += names[i];
    else if (c.value < 0x20 || (ensure_ascii && c.value > 0x7E))
      append_unicode_escape(out, c.value);
    else
      out += text.substr(at, c.bytes);
    at += c.bytes;
  }
  return out;
}

void append_json_string(Run& run, Text& out, const Text& text, bool ensure_ascii) {
  run.charge(text.bytes.size());
  out.append("\"", false);
  text.for_each_run([&](std::string_view part, bool trusted) { out.append(escaped(part, ensure_ascii), trusted); });
  out.append("\"", false);
}

std::string json_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return float_repr(value);
}

void append_break(Run& run, Text& out, const JsonStyle& style, int level) {
  if (!style.indented) return;
  run.charge(style.indent.size() * static_cast<std::size_t>(level));
  out.append("\n", false);
  for (int i = 0; i < level; ++i) out.append(style.indent, false);
}

void append_json_list(Run& run, Text& out, const Sequence& sequence, const JsonStyle& style, int level) {
  if (sequence.items.empty()) return out.append("[]", false);
  out.append("[", false);
  for (std::size_t i = 0; i < sequence.items.size(); ++i) {
    if (i != 0) out.append(style.item_separator, false);
    append_break(run, out, style, level + 1);
    append_json(run, out, sequence.items[i], style, level + 1);
  }
  append_break(run, out, style, level);
  out.append("]", false);
}

Text json_key(Run& run, const Value& key) {
  if (const Text* text = key.text()) return *text;
  if (key.none()) return Text("null", false);
  if (const auto* b = key.get<bool>()) return Text(*b ? "true" : "false", false);
  if (const auto* d = key.get<double>()) return Text(json_number(*d), false);
  if (is_number(key) || key.is<BigInteger>()) return to_text(run, key);
  run.fail("keys must be str, int, float, bool or None, not ", type_name(key));
}

void append_json_dict(Run& run, Text& out, const Dict& dict, const JsonStyle& style, int level) {
  if (dict.entries.empty()) return out.append("{}", false);
  std::vector<const std::pair<Value, Value>*> entries;
  for (const auto& entry : dict.entries) entries.push_back(&entry);
  if (style.sort_keys)
    std::stable_sort(entries.begin(), entries.end(), [&](const auto* a, const auto* b) { return less(run, a->first, b->first); });
  out.append("{", false);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i != 0) out.append(style.item_separator, false);
    append_break(run, out, style, level + 1);
    append_json_string(run, out, json_key(run, entries[i]->first), style.ensure_ascii);
    out.append(style.key_separator, false);
    append_json(run, out, entries[i]->second, style, level + 1);
  }
  append_break(run, out, style, level);
  out.append("}", false);
}

}  // namespace

void append_json(Run& run, Text& out, const Value& value, const JsonStyle& style, int level) {
  const Depth depth(run);
  run.step();
  const std::size_t before = out.bytes.size();
  if (const Text* text = value.text())
    append_json_string(run, out, *text, style.ensure_ascii);
  else if (value.none())
    out.append("null", false);
  else if (const auto* b = value.get<bool>())
    out.append(*b ? "true" : "false", false);
  else if (const auto* real = value.get<double>())
    out.append(json_number(*real), false);
  else if (is_number(value) || value.is<BigInteger>())
    append_str(run, out, value);
  else if (const Sequence* sequence = value.sequence(); sequence && sequence->kind <= SequenceKind::tuple)
    append_json_list(run, out, *sequence, style, level);
  else if (const Dict* dict = value.dict())
    append_json_dict(run, out, *dict, style, level);
  else
    run.fail("Object of type ", type_name(value), " is not JSON serializable");
  run.charge(out.bytes.size() - before);
  if (out.bytes.size() > run.limits.output_bytes) run.charge(out.bytes.size());
}

}  // namespace vernier::text::jinja
