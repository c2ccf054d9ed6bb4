// A bug for TSan to find: a launch that starts early reads what the launch ahead of it writes, and waits only then.
#include <vector>

#include "simt/launch_block.hpp"

struct Reverse {
  struct Args {
    const int* from;
    int* to;
  };
  static constexpr vernier::Arch arch = vernier::Arch::sm90a;
  static constexpr int threads = 64, shared_bytes = 0;
  static constexpr bool starts_early = true;
  static void run(const Args& args, unsigned char*) {
    args.to[threadIdx.x] = args.from[63 - threadIdx.x];
    vernier::cuda::griddepcontrol_wait();
  }
};

int main() {
  std::vector<int> a(64), b(64), c(64);
  (void)simt::launch<Reverse>({}, {a.data(), b.data()});
  (void)simt::launch<Reverse>({}, {b.data(), c.data()});
}
