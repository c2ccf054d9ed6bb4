// Step 4: fewer bits. The only change is the format that the quantiser is asked for; the routing table finds a kernel that decodes it on
// the fly. The bound of each is the format's own rounding: its mantissa, or for nf4 the gaps between its 16 values.
#include "ladder/problem.hpp"
#include "vernier/gemm/gemm.hpp"
#include "vernier/quant/quantize.hpp"

int main() {
  using vernier::Precision;
  ladder::Problem problem;
  vernier::cpu::ThreadPool pool(2);
  vernier::cpu::GemmWorkspace workspace;
  int failed = 0;
  const std::pair<Precision, double> formats[] = {
      {Precision::bf16, 0x1p-8}, {Precision::i8, 0.01}, {Precision::e4m3, 0x1p-4}, {Precision::e5m2, 0x1p-3}, {Precision::nf4, 0.12}};
  for (const auto& [precision, bound] : formats) {
    const vernier::PackedMatrix packed = vernier::quantize(problem.w_view(), vernier::default_format(precision), &pool);
    vernier::cpu::gemm(pool, problem.x_view(), packed.view(), problem.y_view(), workspace);
    std::printf("%5.2f bits per weight: ", 8.0 * static_cast<double>(packed.bytes()) / (ladder::n * ladder::k));
    failed += problem.report(vernier::name(precision).data(), bound);
  }
  return failed;
}
