// Step 1: the definition. Three loops, no library: y(row, col) is the dot product of row `row` of x and row `col` of W.
// It reads W once per token, in an order that no vector unit likes, and 4 bytes per weight. Each later step mends one thing.
#include "ladder/problem.hpp"

int main() {
  ladder::Problem problem;
  for (int row = 0; row < ladder::m; ++row)
    for (int col = 0; col < ladder::n; ++col) {
      float sum = 0;
      for (int i = 0; i < ladder::k; ++i) sum += problem.x_view()(row, i) * problem.w_view()(col, i);
      problem.y_view()(row, col) = sum;
    }
  return problem.report("01 three loops, float", ladder::float_error);
}
