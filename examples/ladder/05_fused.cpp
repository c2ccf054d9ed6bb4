// Step 5: do more while the sum is in a register. An epilogue is a small functor that gets each finished sum: here a bias, then the
// residual that a decoder layer adds. Activations are rounded to int8 per 32 inputs, so that nf4 and i8 weights meet them in the integer
// units.
#include "ladder/problem.hpp"
#include "vernier/gemm/gemm.hpp"
#include "vernier/quant/quantize.hpp"

int main() {
  using namespace vernier;
  ladder::Problem problem;
  const std::vector<float> bias = ladder::numbers(ladder::n, 3), residual = ladder::numbers(ladder::m * ladder::n, 4);
  cpu::ThreadPool pool(2);
  cpu::GemmWorkspace workspace;
  const PackedMatrix packed = quantize(problem.w_view(), default_format(Precision::nf4), &pool);
  const Then<AddBias, AddResidual> epilogue{{bias.data()}, {{residual.data(), ladder::m, ladder::n}}};
  cpu::gemm(pool, problem.x_view(), packed.view(), problem.y_view(), workspace, {.multiply = cpu::Multiply::i8}, epilogue);
  return problem.report("05 nf4 x int8 + bias + residual", 0.12, [&](double sum, int row, int col) {
    const std::size_t at = static_cast<std::size_t>(col);
    return sum + static_cast<double>(bias[at]) + static_cast<double>(residual[static_cast<std::size_t>(row * ladder::n) + at]);
  });
}
