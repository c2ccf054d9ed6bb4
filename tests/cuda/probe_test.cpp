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

TEST_P(Probes, Matrix) {
  EmulatedMachine machine(GetParam());
  std::vector<Outcome> outcomes;
  probe_matrix(machine, outcomes);
  EXPECT_EQ(outcomes.size(), 13u);
  expect_right(outcomes);
}

TEST_P(Probes, Memory) {
  EmulatedMachine machine(GetParam());
  std::vector<Outcome> outcomes;
  probe_memory(machine, outcomes);
  EXPECT_EQ(outcomes.size(), 5u);
  expect_right(outcomes);
}

TEST_P(Probes, Bulk) {
  EmulatedMachine machine(GetParam());
  std::vector<Outcome> outcomes;
  probe_bulk(machine, outcomes);
  EXPECT_EQ(outcomes.size(), 7u);
  expect_right(outcomes);
}

TEST_P(Probes, Gemm) {
  EmulatedMachine machine(GetParam());
  std::vector<Outcome> outcomes;
  probe_gemms(machine, outcomes);
  EXPECT_EQ(outcomes.size(), 2u);
  expect_right(outcomes);
}

TEST_P(Probes, Wgmma) {
  EmulatedMachine machine(GetParam());
  std::vector<Outcome> outcomes;
  probe_wgmmas(machine, outcomes);
  EXPECT_EQ(outcomes.size(), 9u);
  expect_right(outcomes);
}

INSTANTIATE_TEST_SUITE_P(Schedules, Probes, testing::ValuesIn(simt::schedules()));

}  // namespace
}  // namespace vernier::probes
