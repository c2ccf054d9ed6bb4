// Step 3: the same multiplication by the library. cpu::gemm takes the panels, finds the widest instruction set of this machine in its
// routing table, decodes f16 in registers, and splits the panels over the threads of the pool. The caller owns pool and workspace.
#include "ladder/problem.hpp"
#include "vernier/gemm/gemm.hpp"
#include "vernier/quant/quantize.hpp"

int main() {
  ladder::Problem problem;
  vernier::cpu::ThreadPool pool(2);
  vernier::cpu::GemmWorkspace workspace;
  const vernier::PackedMatrix packed = vernier::quantize(problem.w_view(), vernier::default_format(vernier::Precision::f16), &pool);
  vernier::cpu::gemm(pool, problem.x_view(), packed.view(), problem.y_view(), workspace);
  std::printf("running on %s\n", name(vernier::cpu::selected_isa()).data());
  return problem.report("03 cpu::gemm, f16", 0x1p-11);
}
