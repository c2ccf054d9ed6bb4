// Kernels with one classic bug each: what the emulator says about them.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "simt/launch.hpp"

namespace {

/// Runs the kernel in every schedule; what the fault says, which must be the same words in each.
std::string fault_of(const simt::Launch& launch, const simt::Kernel& kernel, const char* words) {
  std::string said;
  for (const simt::Options& options : simt::schedules()) {
    SCOPED_TRACE(to_string(options));
    try {
      simt::run(launch, options, kernel);
      ADD_FAILURE() << "ran to its end";
    } catch (const simt::Fault& fault) {
      said = fault.what();
      EXPECT_NE(said.find(words), said.npos) << said;
      EXPECT_NE(said.find("fault_test.cpp:"), said.npos) << said;
    }
  }
  return said;
}

TEST(Fault, BarrierThatSomeThreadsSkip) {
  const std::string said = fault_of(
      {.grid = {}, .block = 64},
      [](unsigned char*) {
        if (threadIdx.x < 32) __syncthreads();
      },
      "deadlock: no thread can go on");
  EXPECT_NE(said.find("threads 0..31: waiting in __syncthreads at "), said.npos) << said;
  EXPECT_NE(said.find("threads 32..63: exited"), said.npos) << said;
  EXPECT_NE(said.find("barrier 0: 32 of 64 threads have arrived"), said.npos) << said;
}

TEST(Fault, DivergentBarrierWithinAWarp) {
  fault_of(
      {.grid = {}, .block = 32},
      [](unsigned char*) {
        if (threadIdx.x < 16)
          __syncthreads();
        else
          __syncthreads();
      },
      "__syncthreads: barrier 0: the warp has diverged");
}

TEST(Fault, DivergentCollectives) {
  fault_of(
      {.grid = {}, .block = 32},
      [](unsigned char*) {
        if (threadIdx.x < 16)
          (void)__shfl_xor_sync(0xffffffffu, 1.0f, 1);
        else
          __syncwarp();
      },
      "the warp has diverged");
}

TEST(Fault, CollectivesOfOverlappingMasks) {
  fault_of(
      {.grid = {}, .block = 32}, [](unsigned char*) { (void)__ballot_sync(threadIdx.x < 16 ? 0x0000ffffu : 0xffffffffu, 1); },
      "__ballot_sync");
}

TEST(Fault, MaskWithoutTheCaller) {
  fault_of(
      {.grid = {}, .block = 32}, [](unsigned char*) { (void)__any_sync(0x0000ffffu, 1); }, "lacks the calling lane");
}

TEST(Fault, ExitedLaneInMask) {
  fault_of(
      {.grid = {}, .block = 32},
      [](unsigned char*) {
        if (threadIdx.x == 5) return;
        (void)__ballot_sync(0xffffffffu, 1);
      },
      "__ballot_sync");
}

TEST(Fault, LanesThatDoNotExist) {
  fault_of(
      {.grid = {}, .block = 48}, [](unsigned char*) { (void)__shfl_sync(0xffffffffu, threadIdx.x, 0); },
      "names lanes that have exited or do not exist, 0xffff0000");
}

TEST(Fault, ShuffleWidth) {
  fault_of(
      {.grid = {}, .block = 32}, [](unsigned char*) { (void)__shfl_sync(0xffffffffu, 1, 0, 12); }, "width 12 is not a power of two");
}

TEST(Fault, WaitingForABlockThatHasNotStarted) {
  std::vector<int> flag(1);
  const simt::Kernel kernel = [&](unsigned char*) {
    if (blockIdx.x == 0) {
      while (atomicAdd(&flag[0], 0) == 0) {
      }
    } else {
      atomicExch(&flag[0], 1);
    }
  };
  try {
    simt::run({.grid = 2, .block = 1}, {.resident_blocks = 1}, kernel);
    FAIL() << "ran to its end";
  } catch (const simt::Fault& fault) {
    const std::string said = fault.what();
    EXPECT_NE(said.find("no thread makes progress"), said.npos) << said;
    EXPECT_NE(said.find("spinning, last in atomicAdd at "), said.npos) << said;
    EXPECT_NE(said.find("1 blocks have not started; 1 run at once"), said.npos) << said;
  }
  simt::run({.grid = 2, .block = 1}, {.resident_blocks = 2}, kernel);
}

TEST(Fault, MisalignedAtomic) {
  alignas(8) unsigned char bytes[8] = {};
  fault_of(
      {.grid = {}, .block = 1}, [&](unsigned char*) { atomicAdd(reinterpret_cast<int*>(bytes + 2), 1); }, "not a multiple of 4");
}

TEST(Fault, ExceptionsOfAKernelComeOut) {
  std::vector<int> unwound(64);
  struct Mark {
    int* unwound;
    ~Mark() { *unwound = 1; }
  };
  const simt::Kernel kernel = [&](unsigned char*) {
    const Mark mark{&unwound[threadIdx.x]};
    if (threadIdx.x == 40) throw std::runtime_error("thread 40");
    __syncthreads();
  };
  EXPECT_THROW(simt::run({.grid = {}, .block = 64}, {}, kernel), std::runtime_error);
  for (int i = 0; i < 64; ++i) EXPECT_EQ(unwound[static_cast<std::size_t>(i)], i <= 40);  // 0..39 were waiting; those behind had not begun
}

TEST(Fault, LaunchLimits) {
  const simt::Kernel nothing = [](unsigned char*) {};
  EXPECT_THROW(simt::run({.grid = {}, .block = 1025}, {}, nothing), simt::Fault);
  EXPECT_THROW(simt::run({.grid = {}, .block = 0}, {}, nothing), simt::Fault);
  EXPECT_THROW(simt::run({.grid = 0, .block = 32}, {}, nothing), simt::Fault);
  EXPECT_THROW(simt::run({.grid = {}, .block = 32, .shared_bytes = 300 << 10}, {}, nothing), simt::Fault);
  EXPECT_THROW(__syncthreads(), simt::Fault);
}

}  // namespace
