// Operators on values, with Python's rules for signs and types. Integers have 64 bits: what does not fit is an error.
#include <cmath>

#include "common/text/jinja_escape.hpp"
#include "common/text/jinja_eval.hpp"

namespace vernier::text::jinja {
namespace {

[[noreturn]] void overflow(Run& run, const std::string& op) { run.fail("the result of '", op, "' does not fit a 64-bit integer"); }

std::int64_t power(Run& run, std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) overflow(run, "**");
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) overflow(run, "**");
  }
  return result;
}

double floor_mod(double a, double b) {
  const double m = std::fmod(a, b);
  return m != 0 && (m < 0) != (b < 0) ? m + b : (m == 0 ? std::copysign(0.0, b) : m);
}

Value integers(Run& run, const std::string& op, std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  if (op == "+" || op == "-" || op == "*") {
    const bool bad = op == "+"   ? __builtin_add_overflow(a, b, &out)
                     : op == "-" ? __builtin_sub_overflow(a, b, &out)
                                 : __builtin_mul_overflow(a, b, &out);
    if (bad) overflow(run, op);
    return Value(out);
  }
  if (op == "**") {
    if (b >= 0) return Value(power(run, a, b));
    if (a == 0) run.fail("0 cannot be raised to a negative power");
    return Value(std::pow(static_cast<double>(a), static_cast<double>(b)));
  }
  if (b == 0) run.fail("division by zero");
  if (op == "/") return Value(static_cast<double>(a) / static_cast<double>(b));
  if (a == INT64_MIN && b == -1) {
    if (op == "//") overflow(run, op);
    return Value(std::int64_t{0});
  }
  const std::int64_t quotient = a / b, rest = a % b;
  const bool adjust = rest != 0 && (rest < 0) != (b < 0);
  return op == "//" ? Value(quotient - adjust) : Value(adjust ? rest + b : rest);
}

Value doubles(Run& run, const std::string& op, double a, double b) {
  if (op == "+") return Value(a + b);
  if (op == "-") return Value(a - b);
  if (op == "*") return Value(a * b);
  if (op == "**") {
    if (a == 0 && b < 0) run.fail("0.0 cannot be raised to a negative power");
    const double out = std::pow(a, b);
    if (std::isnan(out) && !std::isnan(a) && !std::isnan(b)) run.fail("complex numbers are not supported");
    return Value(out);
  }
  if (b == 0) run.fail("float division by zero");
  if (op == "/") return Value(a / b);
  const double mod = floor_mod(a, b);
  return op == "%" ? Value(mod) : Value(std::floor((a - mod) / b + 0.5));
}

Value repeat(Run& run, const Value& value, std::int64_t count) {
  const std::size_t times = count > 0 ? static_cast<std::size_t>(count) : 0;
  const Text* text = value.text();
  const std::size_t size = text ? text->bytes.size() : value.sequence()->items.size() * sizeof(Value);
  if (size != 0 && times > run.limits.output_bytes / size)
    run.fail("repeating ", size, " bytes ", count, " times exceeds the limit of ", run.limits.output_bytes, " bytes");
  if (text) {
    run.charge(size * times);
    Text out;
    for (std::size_t i = 0; size != 0 && i < times; ++i) out.append(*text);
    return Value(std::move(out));
  }
  std::vector<Value> items;
  for (std::size_t i = 0; size != 0 && i < times; ++i)
    items.insert(items.end(), value.sequence()->items.begin(), value.sequence()->items.end());
  return make_sequence(run, std::move(items), value.sequence()->kind);
}

bool repeatable(const Value& value) { return value.text() || (value.sequence() && value.sequence()->kind <= SequenceKind::tuple); }

}  // namespace

Value Evaluator::binary(const std::string& op, const Value& a, const Value& b) {
  if (a.undefined()) run.fail(*a.as<Undefined>().message);
  if (op == "%" && a.text()) return format_percent(*this, *a.text(), b);
  if (b.undefined()) run.fail(*b.as<Undefined>().message);
  if (is_number(a) && is_number(b)) {
    if (a.is<double>() || b.is<double>()) return doubles(run, op, to_double(a), to_double(b));
    return integers(run, op, to_integer(run, a, op), to_integer(run, b, op));
  }
  if (op == "+" && a.text() && b.text()) {
    Text out;
    const bool markup = a.text()->markup || b.text()->markup;
    append_str(run, out, markup && !a.text()->markup ? Value(escape_html(*a.text())) : a);
    append_str(run, out, markup && !b.text()->markup ? Value(escape_html(*b.text())) : b);
    out.markup = markup;
    return Value(std::move(out));
  }
  if (op == "+" && a.sequence() && b.sequence() && a.sequence()->kind == b.sequence()->kind && repeatable(a)) {
    std::vector<Value> items = a.sequence()->items;
    items.insert(items.end(), b.sequence()->items.begin(), b.sequence()->items.end());
    return make_sequence(run, std::move(items), a.sequence()->kind);
  }
  const auto whole = [](const Value& v) { return v.is<bool>() || v.is<std::int64_t>(); };
  if (op == "*" && repeatable(a) && whole(b)) return repeat(run, a, to_integer(run, b, op));
  if (op == "*" && repeatable(b) && whole(a)) return repeat(run, b, to_integer(run, a, op));
  run.fail("unsupported operand type(s) for ", op, ": '", type_name(a), "' and '", type_name(b), "'");
}

Value Evaluator::eval_unary(const Expr& expr) {
  const Value value = eval(*expr.items[0]);
  if (value.undefined()) run.fail(*value.as<Undefined>().message);
  if (!is_number(value)) run.fail("bad operand type for unary ", expr.ops[0], ": '", type_name(value), "'");
  if (const auto* real = value.get<double>()) return Value(expr.ops[0] == "-" ? -*real : *real);
  const std::int64_t integer = to_integer(run, value, "operand");
  if (expr.ops[0] == "+") return Value(integer);
  if (integer == INT64_MIN) overflow(run, "-");
  return Value(-integer);
}

}  // namespace vernier::text::jinja
