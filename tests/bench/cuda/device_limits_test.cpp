// The loops that measure a GPU's limits, on the emulator: they run, and touch what they should.
#include "cuda/device_limits.cuh"

#include <gtest/gtest.h>

namespace vernier::bench {
namespace {

TEST(DeviceProbe, ReadsAndMultiplies) {
  DeviceProbe<Arch::sm80> probe(1, 1 << 16);
  EXPECT_EQ(probe.bytes(), std::size_t{1} << 16);
  EXPECT_GT(probe.read(probe.bytes(), 2 * probe.bytes(), 1), 0);
  EXPECT_GT(probe.read(1000 * 16, 1000 * 16, 1), 0) << "whole chunks, not whole blocks";
  EXPECT_GT(probe.mma_peak<f16>(1), 0);
  EXPECT_GT(probe.mma_peak<i8>(1), 0);
  EXPECT_EQ(probe.mma_peak<e4m3>(1), 0) << "sm80 has none";
  EXPECT_GT(DeviceProbe<Arch::sm89>(1, 4096).mma_peak<e4m3>(1), 0);
}

TEST(DeviceProbe, KeepsAWarpgroupBusy) {
  DeviceProbe<Arch::sm90a> probe(1, 4096);
  EXPECT_GT(probe.tensor_peak<f16>(1), 0);
  EXPECT_GT(probe.tensor_peak<i8>(1), 0);
}

}  // namespace
}  // namespace vernier::bench
