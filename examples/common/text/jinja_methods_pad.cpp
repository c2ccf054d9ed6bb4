// Methods of str that fill up to a width.
#include <array>

#include "common/text/jinja_eval.hpp"
#include "common/text/jinja_unicode.hpp"

namespace vernier::text::jinja {
namespace {

using Args = const Arguments&;

enum class Side { left, right, both };

template <Side Text_>
Value pad(Evaluator& eval, const Value& self, Args args) {
  const Bound bound(eval.run, "ljust, rjust or center", args, {"width", "fillchar"}, 1);
  const Text& text = *self.text();
  const Text fill = bound.at(1) ? bound.text(1) : Text(" ", true);
  if (count_code_points(fill.bytes) != 1) eval.run.fail("the fill character must be exactly one character long");
  const std::int64_t width = bound.integer(0, 0), size = static_cast<std::int64_t>(count_code_points(text.bytes));
  if (width <= size) return self;
  if (width > static_cast<std::int64_t>(eval.run.limits.output_bytes))
    eval.run.fail("padding to ", width, " exceeds the limit of ", eval.run.limits.output_bytes);
  const std::int64_t marg = width - size, left = Text_ == Side::left ? 0 : Text_ == Side::right ? marg : marg / 2 + (marg & width & 1);
  eval.run.charge(text.bytes.size() + static_cast<std::size_t>(marg) * fill.bytes.size());
  Text out;
  for (std::int64_t i = 0; i < left; ++i) out.append(fill);
  out.append(text);
  for (std::int64_t i = left; i < marg; ++i) out.append(fill);
  return Value(std::move(out));
}

Value zfill(Evaluator& eval, const Value& self, Args args) {
  const std::string& text = self.text()->bytes;
  const bool sign = text.starts_with('-') || text.starts_with('+');
  if (args.positional.size() != 1 || !args.named.empty()) eval.run.fail("zfill takes exactly one argument");
  const Value digits(self.text()->slice(sign ? 1 : 0, text.size()));
  const std::int64_t width = to_integer(eval.run, args.positional[0], "zfill: width");
  const Value padded = pad<Side::right>(eval, digits, {{Value(width > 0 ? width - sign : width), make_string("0", true)}, {}});
  Text out = self.text()->slice(0, sign ? 1 : 0);
  out.append(*padded.text());
  return Value(std::move(out));
}

constexpr std::array methods{
    Builtin{"ljust", pad<Side::left>},
    Builtin{"rjust", pad<Side::right>},
    Builtin{"center", pad<Side::both>},
    Builtin{"zfill", zfill},
};

}  // namespace

std::span<const Builtin> string_pad_methods() { return methods; }

}  // namespace vernier::text::jinja
