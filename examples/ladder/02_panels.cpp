// Step 2: half the bytes, in the order of use. W becomes f16 in panels of 32 rows, so that the inner loop runs along 32 sums at once and
// memory is read front to back. CpuPanel is the one place that knows where a weight lies.
#include "ladder/problem.hpp"
#include "vernier/quant/quantize.hpp"

int main() {
  using vernier::CpuPanel;
  ladder::Problem problem;
  const vernier::PackedMatrix packed = vernier::quantize(problem.w_view(), vernier::default_format(vernier::Precision::f16));
  const CpuPanel panel = packed.panel();
  const std::uint8_t* codes = packed.view().codes;
  for (int first = 0; first < ladder::n; first += CpuPanel::rows)
    for (int row = 0; row < ladder::m; ++row) {
      float sums[CpuPanel::rows] = {};
      for (int i = 0; i < ladder::k; ++i)
        for (int lane = 0; lane < CpuPanel::rows; ++lane) {
          vernier::f16 weight;
          std::memcpy(&weight, codes + panel.byte_offset(first + lane, i), sizeof weight);
          sums[lane] += problem.x_view()(row, i) * weight.decode();
        }
      for (int lane = 0; lane < CpuPanel::rows; ++lane) problem.y_view()(row, first + lane) = sums[lane];
    }
  return problem.report("02 panels of f16", 0x1p-11);  // f16 keeps 11 bits
}
