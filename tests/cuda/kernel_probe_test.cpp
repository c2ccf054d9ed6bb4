// Every kernel's probe on the emulator: that what `conformance` runs on a GPU is right. The kernels' own tests go further.
#include "cuda/probe_families.hpp"
#include "cuda/probes_kernels.cuh"

namespace vernier::probes {
namespace {

TEST_P(Probes, AgreeWithTheReference) { expect_right(); }

INSTANTIATE_TEST_SUITE_P(Kernels, Probes,
                         testing::Combine(testing::ValuesIn(kernel_families<EmulatedMachine>()), testing::ValuesIn(simt::schedules(1))),
                         name_of);

}  // namespace
}  // namespace vernier::probes
