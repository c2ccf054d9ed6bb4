// Several measurements of one thing as three numbers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace vernier::bench {

/// The middle one, or the mean of the two in the middle; 0 of none.
inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

struct Spread {
  double median = 0, min = 0, max = 0;

  static Spread of(const std::vector<double>& values) {
    if (values.empty()) return {};
    const auto [min, max] = std::minmax_element(values.begin(), values.end());
    return {bench::median(values), *min, *max};
  }
};

}  // namespace vernier::bench
