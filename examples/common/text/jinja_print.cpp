// Values as text: Python's str() and repr().
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "common/text/jinja_callable.hpp"
#include "common/text/jinja_unicode.hpp"
#include "common/text/jinja_value.hpp"

namespace vernier::text::jinja {
namespace {

void append_escaped(std::string& out, char32_t c) {
  char text[16];
  std::snprintf(text, sizeof text, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", static_cast<unsigned>(c));
  out += text;
}

void append_quoted(std::string& out, std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos, has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  out += quote;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point(text, at);
    if (c.value == static_cast<unsigned char>(quote) || c.value == '\\')
      (out += '\\') += static_cast<char>(c.value);
    else if (c.value == '\n' || c.value == '\r' || c.value == '\t')
      out += c.value == '\n' ? "\\n" : c.value == '\r' ? "\\r" : "\\t";
    else if (is_printable(c.value))
      out += text.substr(at, c.bytes);
    else
      append_escaped(out, c.value);
    at += c.bytes;
  }
  out += quote;
}

void append_items(Run& run, Text& out, const std::vector<Value>& items) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i != 0) out.append(", ", false);
    append_repr(run, out, items[i]);
  }
}

void append_sequence(Run& run, Text& out, const Sequence& sequence) {
  switch (sequence.kind) {
    case SequenceKind::generator: run.fail("a generator has no text; make it a list first ('| list')");
    case SequenceKind::range: return out.append(sequence.label, false);
    case SequenceKind::tuple: out.append("(", false); break;
    case SequenceKind::list: out.append("[", false); break;
    case SequenceKind::keys: out.append("dict_keys([", false); break;
    case SequenceKind::values: out.append("dict_values([", false); break;
    case SequenceKind::items: out.append("dict_items([", false); break;
  }
  append_items(run, out, sequence.items);
  if (sequence.kind == SequenceKind::tuple)
    out.append(sequence.items.size() == 1 ? ",)" : ")", false);
  else
    out.append(sequence.kind == SequenceKind::list ? "]" : "])", false);
}

}  // namespace

std::string quoted(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 64> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  const std::size_t e = text.find('e');
  const int exponent = std::atoi(std::string(text.substr(e + 1)).c_str());
  if (exponent < -4 || exponent >= 16) return std::string(text);  // two digits of exponent at least, as in Python
  const auto fixed_end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed).ptr;
  std::string fixed(buffer.data(), static_cast<std::size_t>(fixed_end - buffer.data()));
  if (fixed.find('.') == std::string::npos) fixed += ".0";
  return fixed;
}

void append_str(Run& run, Text& out, const Value& value) {
  if (const Text* text = value.text()) {
    run.charge(out.bytes.size() + text->bytes.size() <= run.limits.output_bytes ? text->bytes.size()
                                                                                : out.bytes.size() + text->bytes.size());
    return out.append(*text);
  }
  if (value.undefined()) return;
  append_repr(run, out, value);
}

void append_repr(Run& run, Text& out, const Value& value) {
  run.step();
  const std::size_t before = out.bytes.size();
  if (const Text* text = value.text()) {
    std::string quoted_text;
    append_quoted(quoted_text, text->bytes);
    out.append(text->markup ? "Markup(" + quoted_text + ")" : quoted_text, false);
  } else if (value.undefined()) {
    out.append("Undefined", false);
  } else if (value.none()) {
    out.append("None", true);
  } else if (const auto* b = value.get<bool>()) {
    out.append(*b ? "True" : "False", true);
  } else if (const auto* i = value.get<std::int64_t>()) {
    out.append(std::to_string(*i), true);  // digits cannot spell a control token unless the template puts them into one
  } else if (const auto* big = value.get<BigInteger>()) {
    out.append(*big->digits, false);
  } else if (const auto* real = value.get<double>()) {
    out.append(float_repr(*real), false);
  } else if (const Sequence* sequence = value.sequence()) {
    const Depth depth(run);
    append_sequence(run, out, *sequence);
  } else if (const Dict* dict = value.dict()) {
    const Depth depth(run);
    out.append("{", false);
    for (std::size_t k = 0; k < dict->entries.size(); ++k) {
      if (k != 0) out.append(", ", false);
      append_repr(run, out, dict->entries[k].first);
      out.append(": ", false);
      append_repr(run, out, dict->entries[k].second);
    }
    out.append("}", false);
  } else if (const auto* callable = value.get<CallablePtr>(); callable && (*callable)->is_macro()) {
    out.append("<Macro " + quoted((*callable)->name) + ">", false);
  } else {
    run.fail("a ", type_name(value), " has no text");
  }
  run.charge(out.bytes.size() - before);
  if (out.bytes.size() > run.limits.output_bytes) run.charge(out.bytes.size());
}

Text to_text(Run& run, const Value& value) {
  if (const Text* text = value.text()) return *text;
  Text out;
  append_str(run, out, value);
  return out;
}

}  // namespace vernier::text::jinja
