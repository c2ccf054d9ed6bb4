// Tests: what may follow `is`.
#include <algorithm>
#include <array>
#include <cmath>

#include "common/text/jinja_eval.hpp"
#include "common/text/jinja_unicode.hpp"

namespace vernier::text::jinja {
namespace {

using Args = const Arguments&;

Value one_argument(Evaluator& eval, std::string_view test, Args args) { return *Bound(eval.run, test, args, {"other"}, 1).at(0); }

bool is_integer(const Value& v) { return v.is<std::int64_t>() || v.is<BigInteger>(); }

/// str.isupper() and islower(): some cased character, and none of the other case.
bool has_only_case(const Text& text, bool upper) {
  bool cased = false;
  for (std::size_t at = 0; at < text.bytes.size();) {
    const CodePoint c = code_point(text.bytes, at);
    if (upper ? is_lower(c.value) : is_upper(c.value)) return false;
    cased |= upper ? is_upper(c.value) : is_lower(c.value);
    at += c.bytes;
  }
  return cased;
}

Value divisible(Evaluator& eval, const Value& self, const Value& by, const Value& rest) {
  return Value(equal(eval.run, eval.binary("%", self, by), rest));
}

constexpr std::array tests{
    Builtin{"defined", [](Evaluator&, const Value& self, Args) { return Value(!self.undefined()); }},
    Builtin{"undefined", [](Evaluator&, const Value& self, Args) { return Value(self.undefined()); }},
    Builtin{"none", [](Evaluator&, const Value& self, Args) { return Value(self.none()); }},
    Builtin{"string", [](Evaluator&, const Value& self, Args) { return Value(self.text() != nullptr); }},
    Builtin{"mapping", [](Evaluator&, const Value& self, Args) { return Value(self.dict() != nullptr); }},
    Builtin{"boolean", [](Evaluator&, const Value& self, Args) { return Value(self.is<bool>()); }},
    Builtin{"true", [](Evaluator&, const Value& self, Args) { return Value(self.is<bool>() && self.as<bool>()); }},
    Builtin{"false", [](Evaluator&, const Value& self, Args) { return Value(self.is<bool>() && !self.as<bool>()); }},
    Builtin{"integer", [](Evaluator&, const Value& self, Args) { return Value(is_integer(self)); }},
    Builtin{"float", [](Evaluator&, const Value& self, Args) { return Value(self.is<double>()); }},
    Builtin{"number", [](Evaluator&, const Value& self, Args) { return Value(is_number(self) || is_integer(self)); }},
    Builtin{"sequence",
            [](Evaluator&, const Value& self, Args) {
              const Sequence* sequence = self.sequence();
              return Value(self.undefined() || self.text() || self.dict() || (sequence && sequence->kind <= SequenceKind::range));
            }},
    Builtin{"iterable",
            [](Evaluator&, const Value& self, Args) {
              return Value(self.text() || self.dict() || self.sequence() || self.undefined() || self.is<LoopPtr>());
            }},
    Builtin{"callable",
            [](Evaluator&, const Value& self, Args) { return Value(self.is<CallablePtr>() || self.is<LoopPtr>() || self.undefined()); }},
    Builtin{"sameas",
            [](Evaluator& eval, const Value& self, Args args) {
              const Value other = one_argument(eval, "sameas", args);
              if (self.data.index() != other.data.index()) return Value(false);
              if (self.sequence()) return Value(self.sequence() == other.sequence());
              if (self.dict()) return Value(self.dict() == other.dict());
              return Value(equal(eval.run, self, other));
            }},
    Builtin{"escaped", [](Evaluator&, const Value& self, Args) { return Value(self.text() && self.text()->markup); }},
    Builtin{"lower", [](Evaluator& eval, const Value& self, Args) { return Value(has_only_case(to_text(eval.run, self), false)); }},
    Builtin{"upper", [](Evaluator& eval, const Value& self, Args) { return Value(has_only_case(to_text(eval.run, self), true)); }},
    Builtin{"odd",
            [](Evaluator& eval, const Value& self, Args) { return divisible(eval, self, Value(std::int64_t{2}), Value(std::int64_t{1})); }},
    Builtin{"even",
            [](Evaluator& eval, const Value& self, Args) { return divisible(eval, self, Value(std::int64_t{2}), Value(std::int64_t{0})); }},
    Builtin{"divisibleby",
            [](Evaluator& eval, const Value& self, Args args) {
              return divisible(eval, self, one_argument(eval, "divisibleby", args), Value(std::int64_t{0}));
            }},
    Builtin{"in", [](Evaluator& eval, const Value& self, Args args) { return Value(eval.contains(one_argument(eval, "in", args), self)); }},
    Builtin{"filter",
            [](Evaluator& eval, const Value& self, Args) { return Value(find_filter(to_text(eval.run, self).bytes) != nullptr); }},
    Builtin{"test", [](Evaluator& eval, const Value& self, Args) { return Value(find_test(to_text(eval.run, self).bytes) != nullptr); }},
};

template <bool Negated>
Value test_equal(Evaluator& eval, const Value& self, Args args) {
  return Value(equal(eval.run, self, one_argument(eval, "eq", args)) != Negated);
}

template <bool Swapped, bool OrEqual>
Value test_order(Evaluator& eval, const Value& self, Args args) {
  const Value other = one_argument(eval, "comparison", args);
  return Value((Swapped ? less(eval.run, other, self) : less(eval.run, self, other)) || (OrEqual && equal(eval.run, self, other)));
}

constexpr std::array comparisons{
    Builtin{"eq", test_equal<false>},
    Builtin{"==", test_equal<false>},
    Builtin{"equalto", test_equal<false>},
    Builtin{"ne", test_equal<true>},
    Builtin{"!=", test_equal<true>},
    Builtin{"lt", test_order<false, false>},
    Builtin{"<", test_order<false, false>},
    Builtin{"lessthan", test_order<false, false>},
    Builtin{"le", test_order<false, true>},
    Builtin{"<=", test_order<false, true>},
    Builtin{"gt", test_order<true, false>},
    Builtin{">", test_order<true, false>},
    Builtin{"greaterthan", test_order<true, false>},
    Builtin{"ge", test_order<true, true>},
    Builtin{">=", test_order<true, true>},
};

}  // namespace

const Builtin* find_test(std::string_view name) {
  for (std::span<const Builtin> list : {std::span<const Builtin>(tests), std::span<const Builtin>(comparisons)})
    for (const Builtin& entry : list)
      if (entry.name == name) return &entry;
  return nullptr;
}

}  // namespace vernier::text::jinja
