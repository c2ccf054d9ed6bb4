// Step 6: let the request decide. The request router scores a prompt and climbs a ladder of three tiers; the tier names the format of the
// weights, whose three copies are held at once; the kernel router then picks a kernel by format, instruction set and number of tokens.
#include "ladder/problem.hpp"
#include "vernier/gemm/gemm.hpp"
#include "vernier/quant/quantize.hpp"
#include "vernier/router/ladder.hpp"

int main() {
  using namespace vernier;
  using Router = RequestRouter<production>;
  ladder::Problem problem;
  cpu::ThreadPool pool(2);
  cpu::GemmWorkspace workspace;
  std::vector<PackedMatrix> held;
  for (const Rung& rung : Router::ladder.rungs) held.push_back(quantize(problem.w_view(), default_format(rung.tier.weights), &pool));

  int failed = 0;
  for (const char* prompt :
       {"hi", "Name three colours that go well with a grey sofa in a small room.",
        "Prove that sum_{i=1}^{n} i^2 = n(n+1)(2n+1)/6 and give the O(n) loop `for (int i = 0; i < n; ++i)` in C++."}) {
    const Decision decision = Router::route(prompt);
    cpu::gemm(pool, problem.x_view(), held[decision.rung].view(), problem.y_view(), workspace);
    std::printf("\"%.40s\" scores %.2f, so %s (%s)\n", prompt, static_cast<double>(decision.score.value), name(decision.tier).data(),
                name(decision.reason).data());
    failed += problem.report("06 the tier of this prompt", 0.12);
  }
  return failed;
}
