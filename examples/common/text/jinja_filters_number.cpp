// Filters on numbers, and from text to numbers.
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "common/text/jinja_eval.hpp"
#include "common/text/jinja_unicode.hpp"

namespace vernier::text::jinja {
namespace {

using Args = const Arguments&;

/// Python's number syntax: white space around it, underscores between digits.
std::string number_text(const Text& text) {
  const std::string_view all = text.bytes;
  const std::size_t begin = skip_space(all);
  std::string out;
  const auto digit = [&](std::size_t i) { return i < all.size() && all[i] >= '0' && all[i] <= '9'; };
  for (std::size_t i = begin; i < std::max(begin, trim_space_end(all)); ++i)
    if (all[i] != '_' || i == 0 || !digit(i - 1) || !digit(i + 1)) out += all[i];
  return out;
}

std::optional<std::int64_t> parse_int(Run& run, std::string text, int base) {
  const bool plus = text.starts_with('+');
  if (plus) text.erase(0, 1);
  if (plus && text.starts_with('-')) return std::nullopt;
  if (base == 16 && (text.starts_with("0x") || text.starts_with("0X"))) text.erase(0, 2);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (end != text.data() + text.size() || text.empty() || error == std::errc::invalid_argument) return std::nullopt;
  if (error != std::errc()) run.fail("the integer ", text.substr(0, 40), " does not fit 64 bits");
  return value;
}

std::optional<double> parse_float(std::string text) {
  if (text.starts_with('+')) text.erase(0, 1);
  if (text.empty() || text.starts_with('+') || text.find_first_of("xXpP(") != std::string::npos) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || error == std::errc::invalid_argument) return std::nullopt;
  if (error == std::errc::result_out_of_range) return std::strtod(text.c_str(), nullptr);  // inf or a denormal, as in Python
  return value;
}

Value integer_of(Run& run, double value) {
  if (!(std::abs(value) < 9.2e18)) run.fail("cannot convert float ", float_repr(value), " to a 64-bit integer");
  return Value(static_cast<std::int64_t>(value));
}

Value filter_int(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "int", args, {"default", "base"});
  const Value fallback = bound.at(0) ? *bound.at(0) : Value(std::int64_t{0});
  if (self.undefined()) eval.run.fail(*self.as<Undefined>().message);
  if (const auto* real = self.get<double>()) return std::isfinite(*real) ? integer_of(eval.run, *real) : fallback;
  if (is_number(self)) return Value(to_integer(eval.run, self, "int"));
  if (!self.text()) return fallback;
  const std::int64_t base = bound.integer(1, 10);
  if (base < 2 || base > 36) eval.run.fail("int: base must be from 2 to 36, not ", base);
  const std::string text = number_text(*self.text());
  if (const auto value = parse_int(eval.run, text, static_cast<int>(base))) return Value(*value);
  const auto real = parse_float(text);
  return real && std::isfinite(*real) ? integer_of(eval.run, *real) : fallback;
}

Value filter_float(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "float", args, {"default"});
  if (self.undefined()) eval.run.fail(*self.as<Undefined>().message);
  if (is_number(self)) return Value(to_double(self));
  if (self.text())
    if (const auto value = parse_float(number_text(*self.text()))) return Value(*value);
  return bound.at(0) ? *bound.at(0) : Value(0.0);
}

Value filter_abs(Evaluator& eval, const Value& self, Args) {
  if (self.undefined()) eval.run.fail(*self.as<Undefined>().message);
  if (!is_number(self)) eval.run.fail("bad operand type for abs(): '", type_name(self), "'");
  if (const auto* real = self.get<double>()) return Value(std::abs(*real));
  const std::int64_t value = to_integer(eval.run, self, "abs");
  return value < 0 ? eval.binary("-", Value(std::int64_t{0}), Value(value)) : Value(value);
}

Value filter_round(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "round", args, {"precision", "method"});
  const std::string method = bound.at(1) ? bound.text(1).bytes : "common";
  const std::int64_t precision = bound.integer(0, 0);
  if (self.undefined()) eval.run.fail(*self.as<Undefined>().message);
  if (!is_number(self)) eval.run.fail("round needs a number, not '", type_name(self), "'");
  if (precision < 0 || precision > 15) eval.run.fail("round: precision must be from 0 to 15, not ", precision);
  if (method == "ceil" || method == "floor") {
    const double scale = std::pow(10.0, static_cast<double>(precision)), scaled = to_double(self) * scale;
    return Value((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
  }
  if (method != "common") eval.run.fail("round: method must be common, ceil or floor, not '", method, "'");
  if (!self.is<double>()) return self.is<bool>() ? Value(to_integer(eval.run, self, "round")) : self;
  const double value = self.as<double>();
  if (!std::isfinite(value) || std::abs(value) > 1e22) return self;
  // Rounds the exact value, half to even, as Python does.
  std::array<char, 64> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, static_cast<int>(precision));
  double rounded = 0;
  std::from_chars(text.data(), end.ptr, rounded);
  return Value(rounded);
}

Value filter_sum(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "sum", args, {"attribute", "start"});
  Value total = bound.at(1) ? *bound.at(1) : Value(std::int64_t{0});
  for (const Value& item : elements(eval.run, self))
    total = eval.binary("+", total, bound.is_none(0) ? item : look_up(eval, item, *bound.at(0)));
  return total;
}

constexpr std::array filters{Builtin{"int", filter_int}, Builtin{"float", filter_float}, Builtin{"abs", filter_abs},
                             Builtin{"round", filter_round}, Builtin{"sum", filter_sum}};

}  // namespace

std::span<const Builtin> number_filters() { return filters; }

}  // namespace vernier::text::jinja
