// Every instruction's probe on the emulator, in every schedule. On a GPU the same probes are the program `conformance`.
#include "cuda/probe_families.hpp"
#include "cuda/probes_instructions.cuh"

namespace vernier::probes {
namespace {

TEST_P(Probes, AgreeWithThePtxIsa) { expect_right(); }

INSTANTIATE_TEST_SUITE_P(Instructions, Probes,
                         testing::Combine(testing::ValuesIn(instruction_families<EmulatedMachine>()), testing::ValuesIn(simt::schedules())),
                         name_of);

}  // namespace
}  // namespace vernier::probes
