// A probe runs one instruction and compares what it did with the PTX ISA's description of it. The same probes run on the emulator, in every
// test run, and on a GPU, in the program `conformance`: where both agree with the description, kernels tested on the emulator hold on the
// GPU.
//
// A probe's Block is a template over the architecture. A machine (machine_emulated.hpp, machine_device.cuh) has
//   arch()                         what it is
//   array(vector)                  the vector's address for a kernel; launch() writes results back to the vector
//   launch<Probe, Least>(grid, args)   runs Probe<arch()>, and waits for it; Least is the oldest architecture that can
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "vernier/cuda/isa.cuh"
#include "vernier/cuda/launch.cuh"

namespace vernier::probes {

/// What a probe found.
struct Outcome {
  std::string name;
  int checked = 0, wrong = 0;
  double worst = 0;       // largest error in units of what rounding explains; above 1 is wrong
  std::string example{};  // the first wrong element

  void expect_equal(double want, double got, const std::string& what) { expect_near(want, got, 0, what); }
  /// `bound` is what rounding explains.
  void expect_near(double want, double got, double bound, const std::string& what) {
    ++checked;
    const double error = std::fabs(want - got);
    if (bound > 0 && error <= bound) worst = std::fmax(worst, error / bound);
    if (error <= bound) return;
    if (wrong++ == 0) example = what + ": want " + std::to_string(want) + ", got " + std::to_string(got);
  }
};

/// Probes of one kind, which add what they find to `outcomes`.
template <class Machine>
struct Family {
  const char* name;
  void (*probe)(Machine& machine, std::vector<Outcome>& outcomes);
};

/// Numbers that are not equal and not in order: the same on every machine.
inline std::uint32_t scramble(std::uint32_t i) {
  i = (i ^ i >> 16) * 0x7feb352du;
  i = (i ^ i >> 15) * 0x846ca68bu;
  return i ^ i >> 16;
}

inline std::string at(int lane, int i) { return "lane " + std::to_string(lane) + ", element " + std::to_string(i); }

}  // namespace vernier::probes
