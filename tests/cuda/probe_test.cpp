// Every probe on the emulator, in every schedule. On a GPU the same probes are the program `conformance`.
#include "cuda/probe.hpp"

#include <gtest/gtest.h>

#include "cuda/machine_emulated.hpp"
#include "cuda/probes_bulk.cuh"
#include "cuda/probes_gemm.cuh"
#include "cuda/probes_matrix.cuh"
#include "cuda/probes_memory.cuh"
#include "cuda/probes_wgmma.cuh"

namespace vernier::probes {
namespace {

void expect_right(const std::vector<Outcome>& outcomes) {
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(outcome.wrong, 0) << outcome.name << ": " << outcome.example;
    EXPECT_GT(outcome.checked, 0) << outcome.name;
  }
}

class Probes : public testing::TestWithParam<simt::Options> {};

/// Runs one family of probes, of which there are `count`.
template <class Probe>
void expect_right(const simt::Options& options, std::size_t count, const Probe& probe) {
  EmulatedMachine machine(options);
  std::vector<Outcome> outcomes;
  probe(machine, outcomes);
  EXPECT_EQ(outcomes.size(), count);
  expect_right(outcomes);
}

TEST_P(Probes, Matrix) {
  expect_right(GetParam(), 13, [](auto& machine, auto& outcomes) { probe_matrix(machine, outcomes); });
}
TEST_P(Probes, Memory) {
  expect_right(GetParam(), 5, [](auto& machine, auto& outcomes) { probe_memory(machine, outcomes); });
}
TEST_P(Probes, Bulk) {
  expect_right(GetParam(), 7, [](auto& machine, auto& outcomes) { probe_bulk(machine, outcomes); });
}
TEST_P(Probes, Gemm) {
  expect_right(GetParam(), 2, [](auto& machine, auto& outcomes) { probe_gemms(machine, outcomes); });
}
TEST_P(Probes, Wgmma) {
  expect_right(GetParam(), 9, [](auto& machine, auto& outcomes) { probe_wgmmas(machine, outcomes); });
}

INSTANTIATE_TEST_SUITE_P(Schedules, Probes, testing::ValuesIn(simt::schedules()));

}  // namespace
}  // namespace vernier::probes
