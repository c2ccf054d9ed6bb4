// str % arguments and str.format: the conversions that templates use; others are refused by name.
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "common/text/jinja_eval.hpp"
#include "common/text/jinja_unicode.hpp"

namespace vernier::text::jinja {
namespace {

/// [[fill]align][sign][0][width][,][.precision][type], the format specification of both kinds of formatting.
struct Spec {
  std::string fill = " ";
  char align = 0, sign = '-', type = 0;
  bool comma = false;
  std::int64_t width = 0, precision = -1;
};

constexpr std::int64_t max_width = 10'000;

std::int64_t read_number(Run& run, std::string_view text, std::size_t& at) {
  std::int64_t value = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    value = value * 10 + (text[at] - '0');
    if (value > max_width) run.fail("a width or precision in a format exceeds ", max_width);
  }
  return value;
}

Spec parse_spec(Run& run, std::string_view text) {
  Spec spec;
  std::size_t at = 0;
  constexpr std::string_view aligns = "<>^=";
  const std::size_t first = text.empty() ? 0 : code_point(text, 0).bytes;
  if (first < text.size() && first != 0 && aligns.find(text[first]) != std::string_view::npos) {
    spec.fill = text.substr(0, first);
    spec.align = text[first];
    at = first + 1;
  } else if (!text.empty() && aligns.find(text[0]) != std::string_view::npos) {
    spec.align = text[at++];
  }
  if (at < text.size() && (text[at] == '+' || text[at] == '-' || text[at] == ' ')) spec.sign = text[at++];
  if (at < text.size() && text[at] == '0') {
    ++at;
    if (spec.align == 0) {
      spec.fill = "0";
      spec.align = '=';
    }
  }
  spec.width = read_number(run, text, at);
  if (at < text.size() && text[at] == ',') {
    spec.comma = true;
    ++at;
  }
  if (at < text.size() && text[at] == '.') spec.precision = read_number(run, text, ++at);
  if (at < text.size()) spec.type = text[at++];
  if (at != text.size()) run.fail("the format specification ", quoted(text), " is not supported");
  return spec;
}

std::string with_commas(std::string digits) {
  const std::size_t whole = std::min(digits.find_first_not_of("0123456789"), digits.size());
  for (std::size_t at = whole; at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

/// Sign and digits of a number.
std::pair<std::string, std::string> number_parts(Run& run, const Value& value, const Spec& spec) {
  const bool negative = value.is<double>() ? std::signbit(value.as<double>()) : to_integer(run, value, "format") < 0;
  const std::string sign = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  const char type = spec.type == 0 ? (value.is<double>() ? 'r' : 'd') : spec.type;
  std::array<char, 512> buffer;
  std::string digits;
  if (type == 'd' || type == 'x' || type == 'X' || type == 'o' || type == 'b') {
    if (value.is<double>()) run.fail("the format '", type, "' needs an integer");
    const std::int64_t integer = to_integer(run, value, "format");
    const auto magnitude = negative ? ~static_cast<std::uint64_t>(integer) + 1 : static_cast<std::uint64_t>(integer);
    const int base = type == 'd' ? 10 : type == 'o' ? 8 : type == 'b' ? 2 : 16;
    digits.assign(buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), magnitude, base).ptr);
    if (type == 'X')
      for (char& c : digits) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  } else if (type == 'r' && spec.precision < 0) {
    digits = float_repr(std::abs(value.as<double>()));
  } else if (type == 'f' || type == 'F' || type == 'e' || type == 'g' || type == '%' || type == 'r') {
    if (spec.precision > 60) run.fail("a precision of ", spec.precision, " exceeds 60");
    const double magnitude = std::abs(to_double(value)) * (type == '%' ? 100 : 1);
    const char format[] = {'%', '.', '*', type == '%' ? 'f' : type == 'r' ? 'g' : type, 0};
    const int size =
        std::snprintf(buffer.data(), buffer.size(), format, static_cast<int>(spec.precision < 0 ? 6 : spec.precision), magnitude);
    digits.assign(buffer.data(), static_cast<std::size_t>(size));
    if (type == '%') digits += '%';
  } else {
    run.fail("the format type '", type, "' is not supported for numbers");
  }
  return {sign, spec.comma ? with_commas(std::move(digits)) : digits};
}

Text apply_spec(Run& run, const Value& value, const Spec& spec) {
  Text body;
  std::string sign;
  const bool number = is_number(value) && !(value.is<bool>() && spec.type == 0);
  if (number) {
    auto parts = number_parts(run, value, spec);
    sign = std::move(parts.first);
    body.append(parts.second, false);
  } else {
    if (spec.type != 0 && spec.type != 's') run.fail("the format type '", spec.type, "' needs a number, not ", type_name(value));
    body = to_text(run, value);
    if (spec.precision >= 0) body = body.slice(0, byte_offset(body.bytes, static_cast<std::size_t>(spec.precision)));
  }
  const auto size = static_cast<std::int64_t>(count_code_points(body.bytes) + sign.size());
  const std::int64_t space = std::max<std::int64_t>(spec.width - size, 0);
  const char align = spec.align != 0 ? spec.align : number ? '>' : '<';
  const std::int64_t left = align == '<' ? 0 : align == '^' ? space / 2 : space;
  Text out;
  if (align == '=') out.append(sign, false);
  for (std::int64_t i = 0; i < left; ++i) out.append(spec.fill, false);
  if (align != '=') out.append(sign, false);
  out.append(body);
  for (std::int64_t i = left; i < space; ++i) out.append(spec.fill, false);
  run.charge(out.bytes.size());
  return out;
}

/// Values for %: a tuple in order, a dict by %(name), anything else as the only one.
class PercentArguments {
 public:
  PercentArguments(Run& run, const Value& value) : run_(run), value_(value) {
    const Sequence* sequence = value.sequence();
    tuple_ = sequence && sequence->kind == SequenceKind::tuple ? sequence : nullptr;
  }
  const Value& next() {
    if (tuple_ ? used_ >= tuple_->items.size() : used_ >= 1) run_.fail("not enough arguments for format string");
    return tuple_ ? tuple_->items[used_++] : (++used_, value_);
  }
  const Value& named(std::string_view name) {
    if (!value_.dict()) run_.fail("format requires a mapping");
    const Value* found = value_.dict()->find(name);
    if (found == nullptr) run_.fail("the format names ", quoted(name), ", which is not in the mapping");
    return *found;
  }
  void finish() const {
    if (tuple_ ? used_ < tuple_->items.size() : used_ == 0 && !value_.dict() && !value_.sequence() && !value_.undefined())
      run_.fail("not all arguments converted during string formatting");
  }

 private:
  Run& run_;
  const Value& value_;
  const Sequence* tuple_;
  std::size_t used_ = 0;
};

/// One conversion; `at` stands behind the %.
void percent_conversion(Run& run, Text& out, const Text& format, std::size_t& at, PercentArguments& arguments) {
  const std::string_view text = format.bytes;
  const Value* value = nullptr;
  Spec spec;
  spec.align = '>';
  if (at < text.size() && text[at] == '(') {
    const std::size_t close = text.find(')', at);
    if (close == std::string_view::npos) run.fail("incomplete format key");
    value = &arguments.named(text.substr(at + 1, close - at - 1));
    at = close + 1;
  }
  bool zero = false;
  for (; at < text.size() && std::string_view("-+ 0").find(text[at]) != std::string_view::npos; ++at) {
    if (text[at] == '-') spec.align = '<';
    if (text[at] == '+' || (text[at] == ' ' && spec.sign != '+')) spec.sign = text[at];
    zero |= text[at] == '0';
  }
  spec.width = read_number(run, text, at);
  if (at < text.size() && text[at] == '.') spec.precision = read_number(run, text, ++at);
  if (at == text.size()) run.fail("incomplete format");
  const char type = text[at++];
  if (type == '%') return out.append("%", format.all_trusted());
  if (value == nullptr) value = &arguments.next();
  if (type == 's' || type == 'r') {
    Text shown;
    type == 's' ? append_str(run, shown, *value) : append_repr(run, shown, *value);
    spec.type = 's';
    return out.append(apply_spec(run, Value(std::move(shown)), spec));
  }
  if (std::string_view("diufFegxXo").find(type) == std::string_view::npos) run.fail("the conversion %", type, " is not supported");
  if (value->undefined()) run.fail(*value->as<Undefined>().message);
  if (!is_number(*value)) run.fail("%", type, " format: a number is required, not ", type_name(*value));
  spec.type = type == 'i' || type == 'u' ? 'd' : type;
  if (zero && spec.align == '>') {
    spec.fill = "0";
    spec.align = '=';
  }
  const bool truncates = spec.type == 'd' && value->is<double>();
  out.append(apply_spec(run, truncates ? Value(static_cast<std::int64_t>(value->as<double>())) : *value, spec));
}

}  // namespace

Value format_percent(Evaluator& eval, const Text& format, const Value& arguments) {
  Text out;
  PercentArguments source(eval.run, arguments);
  for (std::size_t at = 0; at < format.bytes.size();) {
    const std::size_t percent = std::min(format.bytes.find('%', at), format.bytes.size());
    out.append(format, at, percent);
    at = percent + 1;
    if (percent == format.bytes.size()) break;
    percent_conversion(eval.run, out, format, at, source);
    eval.run.step();
  }
  source.finish();
  eval.run.charge(out.bytes.size());
  return Value(std::move(out));
}

namespace {

/// The value that "name.attribute[key]" of a replacement field means; `automatic` counts fields without a name.
Value field_value(Evaluator& eval, std::string_view field, const Arguments& args, std::size_t& automatic) {
  Run& run = eval.run;
  std::size_t at = std::min(field.find_first_of(".["), field.size());
  const std::string_view first = field.substr(0, at);
  const bool numeric = first.find_first_not_of("0123456789") == std::string_view::npos;
  Value value;
  if (numeric) {
    std::size_t digits = 0;
    const std::size_t index = first.empty() ? automatic++ : static_cast<std::size_t>(read_number(run, first, digits));
    if (index >= args.positional.size()) run.fail("replacement index ", index, " out of range for positional arguments");
    value = args.positional[index];
  } else {
    const Value* found = nullptr;
    for (const auto& [name, argument] : args.named)
      if (name == first) found = &argument;
    if (found == nullptr) run.fail("the format names '", first, "', which is no argument");
    value = *found;
  }
  while (at < field.size()) {
    const bool attribute = field[at] == '.';
    const std::size_t end = attribute ? std::min(field.find_first_of(".[", at + 1), field.size()) : field.find(']', at);
    if (end == std::string_view::npos || end == at + 1) run.fail("malformed replacement field ", quoted(field));
    const std::string_view key = field.substr(at + 1, end - at - 1);
    std::size_t digits = 0;
    const bool index = key.find_first_not_of("0123456789") == std::string_view::npos;
    value = attribute ? eval.attribute(value, key) : eval.item(value, index ? Value(read_number(run, key, digits)) : make_string(key));
    at = attribute ? end : end + 1;
  }
  return value;
}

}  // namespace

Value format_braces(Evaluator& eval, const Value& self, const Arguments& args) {
  Run& run = eval.run;
  const Text& format = *self.text();
  const std::string_view text = format.bytes;
  Text out;
  std::size_t automatic = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t brace = std::min(text.find_first_of("{}", at), text.size());
    out.append(format, at, brace);
    if (brace == text.size()) break;
    if (brace + 1 < text.size() && text[brace + 1] == text[brace]) {
      out.append(format, brace, brace + 1);
      at = brace + 2;
      continue;
    }
    const std::size_t close = text.find('}', brace);
    if (text[brace] == '}' || close == std::string_view::npos) run.fail("single '", text[brace], "' encountered in format string");
    std::string_view field = text.substr(brace + 1, close - brace - 1);
    if (field.find('{') != std::string_view::npos) run.fail("a field inside a format specification is not supported");
    const std::size_t colon = std::min(field.find(':'), field.size());
    const std::string_view spec = colon < field.size() ? field.substr(colon + 1) : std::string_view();
    field = field.substr(0, colon);
    const std::size_t bang = std::min(field.find('!'), field.size());
    const std::string_view conversion = field.substr(bang);
    Value value = field_value(eval, field.substr(0, bang), args, automatic);
    if (!conversion.empty() && conversion != "!r" && conversion != "!s")
      run.fail("the conversion ", quoted(conversion), " is not supported");
    if (!conversion.empty()) {
      Text shown;
      conversion == "!r" ? append_repr(run, shown, value) : append_str(run, shown, value);
      value = Value(std::move(shown));
    }
    if (spec.empty())
      append_str(run, out, value);
    else
      out.append(apply_spec(run, value, parse_spec(run, spec)));
    run.step();
    at = close + 1;
  }
  run.charge(out.bytes.size());
  out.markup = format.markup;
  return Value(std::move(out));
}

}  // namespace vernier::text::jinja
