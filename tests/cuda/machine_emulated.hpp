// The emulator as a machine for probes.
#pragma once

#include <vector>

#include "simt/launch_block.hpp"

namespace vernier::probes {

/// Has every instruction of the newest architecture. Arrays are the vectors themselves.
class EmulatedMachine {
 public:
  explicit EmulatedMachine(const simt::Options& options) : options_(options) {}
  static constexpr Arch arch() { return Arch::sm90a; }

  template <class T>
  T* array(std::vector<T>& values) {
    return values.data();
  }
  template <template <Arch> class Probe, Arch = Arch::sm80, class Args>
  void launch(cuda::Grid grid, const Args& args) {
    (void)simt::launch<Probe<Arch::sm90a>>(grid, args, options_);
  }

 private:
  simt::Options options_;
};

}  // namespace vernier::probes
