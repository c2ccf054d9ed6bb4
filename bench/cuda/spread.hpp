// Several measurements of one thing as three numbers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace vernier::bench {

struct Spread {
  double median = 0, min = 0, max = 0;

  static Spread of(std::vector<double> values) {
    if (values.empty()) return {};
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    const double median = values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    return {median, values.front(), values.back()};
  }
};

}  // namespace vernier::bench
