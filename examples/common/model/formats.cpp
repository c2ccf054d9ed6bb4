#include "common/model/formats.hpp"

#include <optional>

#include "vernier/core/error.hpp"

namespace vernier::model {

FormatOf formats_of(const std::string& weights, const std::string& plan) {
  expect(plan.empty(), plan, "layer plans are not read yet");
  const std::optional<Precision> precision = parse_precision(weights);
  expect(precision.has_value(), "weights", "'", weights, "' is no precision; choose f16, bf16, i8, e4m3, e5m2 or nf4");
  return uniform_formats(*precision);
}

}  // namespace vernier::model
