// What the emulator says about wrong uses of the instruction layer, and what it counts.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "simt/launch_block.hpp"

namespace vernier::cuda {
namespace {

/// Runs the kernel in every schedule; each must fault with these words and name this file.
void expect_fault(unsigned threads, std::size_t shared_bytes, const char* words, const simt::Kernel& kernel) {
  for (const simt::Options& options : simt::schedules()) {
    SCOPED_TRACE(to_string(options));
    try {
      simt::run({.grid = {}, .block = threads, .shared_bytes = shared_bytes}, options, kernel);
      ADD_FAILURE() << "ran to its end";
    } catch (const simt::Fault& fault) {
      const std::string said = fault.what();
      EXPECT_NE(said.find(words), said.npos) << said;
      EXPECT_NE(said.find("instruction_fault_test.cpp:"), said.npos) << said;
    }
  }
}

std::uint64_t* barrier_of(unsigned char* shared) { return reinterpret_cast<std::uint64_t*>(shared); }

TEST(Fault, MisalignedRowOfLdmatrix) {
  expect_fault(32, 4096, "ldmatrix.x4: shared address 2 is misaligned; it must be a multiple of 16", [](unsigned char* shared) {
    std::uint32_t r[4];
    ldmatrix(r, shared + 16 * threadIdx.x + 2 * (threadIdx.x == 0));
  });
}

TEST(Fault, RowOutsideSharedMemory) {
  expect_fault(32, 500, "are outside the block's shared memory of 500 bytes", [](unsigned char* shared) {
    std::uint32_t r[4];
    ldmatrix(r, shared + 16 * threadIdx.x);
  });
}

TEST(Fault, LdmatrixOfTwoLooksAtHalfTheLanes) {
  simt::run({.grid = {}, .block = 32, .shared_bytes = 256}, {}, [](unsigned char* shared) {
    std::uint32_t r[2];
    ldmatrix(r, shared + 16 * threadIdx.x);  // lanes 16 and on point outside, which is allowed
  });
}

TEST(Fault, AlignedInstructionsAtTwoPlaces) {
  expect_fault(32, 0, "the warp has diverged: mma.m16n8k16.f16", [](unsigned char*) {
    float c[4] = {};
    const std::uint32_t a[4] = {}, b[2] = {};
    if (threadIdx.x < 16)
      mma_m16n8k16_f16(c, a, b);
    else
      mma_m16n8k16_f16(c, a, b);
  });
}

TEST(Fault, CpAsyncThatNobodyWaitsFor) {
  const std::vector<float> in(4);
  expect_fault(1, 16, "exited with a cp.async that it never waited for, issued at", [&](unsigned char* shared) {
    cp_async_cg(shared, in.data());
    cp_async_commit();
  });
}

TEST(Fault, MisalignedCpAsync) {
  alignas(16) const unsigned char in[32] = {};
  expect_fault(1, 16, "cp.async: the global address is not a multiple of 8",
               [&](unsigned char* shared) { cp_async_ca<8>(shared, in + 4); });
  expect_fault(1, 32, "cp.async: shared address 4 is misaligned", [&](unsigned char* shared) { cp_async_cg(shared + 4, in); });
}

TEST(Fault, BarrierCounts) {
  expect_fault(64, 0, "bar.sync: barrier 1 for 48 threads; a multiple of 32", [](unsigned char*) { bar_sync(1, 48); });
  expect_fault(64, 0, "bar.sync: barrier 16 does not exist", [](unsigned char*) { bar_sync(16, 64); });
  expect_fault(96, 0, "but others came to it for", [](unsigned char*) { bar_sync(1, threadIdx.x < 32 ? 64 : 96); });
}

TEST(Fault, MbarrierThatIsNotOne) {
  expect_fault(1, 8, "mbarrier.arrive on an mbarrier that was not initialised",
               [](unsigned char* shared) { mbarrier_arrive(barrier_of(shared)); });
}

TEST(Fault, TooManyArrivals) {
  expect_fault(1, 8, "the phase already has its 1 arrivals", [](unsigned char* shared) {
    mbarrier_init(barrier_of(shared), 1);
    mbarrier_arrive_expect_tx(barrier_of(shared), 16);
    mbarrier_arrive(barrier_of(shared));
  });
}

TEST(Fault, WaitThatNeverEndsSaysWhatIsMissing) {
  expect_fault(1, 8, "mbarrier.try_wait.parity at ", [](unsigned char* shared) {
    mbarrier_init(barrier_of(shared), 3);
    mbarrier_arrive(barrier_of(shared));
    mbarrier_try_wait_parity(barrier_of(shared), 0);
  });
  expect_fault(1, 8, "phase parity 0, 2 of 3 arrivals and 0 bytes missing", [](unsigned char* shared) {
    mbarrier_init(barrier_of(shared), 3);
    mbarrier_arrive(barrier_of(shared));
    mbarrier_try_wait_parity(barrier_of(shared), 0);
  });
}

TEST(Fault, BulkCopies) {
  alignas(16) static unsigned char memory[64];
  expect_fault(1, 64, "40 bytes; it must be a positive multiple of 16",
               [](unsigned char* shared) { bulk_load(shared, memory, 40, barrier_of(shared + 48)); });
  expect_fault(1, 64, "the end of a bulk copy on an mbarrier that was not initialised", [](unsigned char* shared) {
    bulk_load(shared, memory, 32, barrier_of(shared + 48));
    for (;;) __nanosleep(1);
  });
  expect_fault(1, 64, "phase parity 0, 0 of 1 arrivals and 16 bytes missing", [](unsigned char* shared) {
    mbarrier_init(barrier_of(shared + 48), 1);
    mbarrier_arrive_expect_tx(barrier_of(shared + 48), 48);
    bulk_load(shared, memory, 32, barrier_of(shared + 48));
    mbarrier_try_wait_parity(barrier_of(shared + 48), 0);
  });
}

TEST(Fault, CopiesThatOutliveTheBlock) {
  alignas(16) static unsigned char memory[64];
  for (const simt::Options& options : {simt::Options{}, simt::Options{.order = simt::Order::descending}})
    EXPECT_THROW(simt::run({.grid = {}, .block = 1, .shared_bytes = 64}, options,
                           [](unsigned char* shared) {
                             mbarrier_init(barrier_of(shared + 48), 1);
                             mbarrier_arrive_expect_tx(barrier_of(shared + 48), 32);
                             bulk_load(shared, memory, 32, barrier_of(shared + 48));
                           }),
                 simt::Fault);
  EXPECT_THROW(simt::run({.grid = {}, .block = 1, .shared_bytes = 64}, {},
                         [](unsigned char* shared) {
                           bulk_store(memory, shared, 32);
                           bulk_commit();
                         }),
               simt::Fault);
}

TEST(Poison, CpAsyncReadsAsNanUntilTheWait) {
  const std::vector<float> in{1, 2, 3, 4};
  for (const simt::Options& options : simt::schedules())
    simt::run({.grid = {}, .block = 1, .shared_bytes = 16}, options, [&](unsigned char* raw) {
      const auto* shared = reinterpret_cast<const float*>(raw);
      cp_async_cg(raw, in.data());
      cp_async_commit();
      cp_async_commit();
      EXPECT_TRUE(std::isnan(shared[2]));
      cp_async_wait<2>();
      EXPECT_TRUE(std::isnan(shared[2]));
      cp_async_wait<1>();
      EXPECT_EQ(shared[2], 3.0f);
    });
}

TEST(Poison, SumsOfWgmmaUntilTheWait) {
  for (const simt::Options& options : simt::schedules(1))
    simt::run({.grid = {}, .block = 128, .shared_bytes = 128 * 32}, options, [](unsigned char* shared) {
      for (unsigned i = threadIdx.x; i < 128 * 32; i += 128) shared[i] = 0;
      __syncthreads();
      const std::uint64_t a = wgmma_descriptor(shared, 256, Swizzle::b32), b = wgmma_descriptor(shared + 64 * 32, 256, Swizzle::b32);
      float first[32] = {1}, second[32] = {2};
      wgmma<f16>(first, a, b);
      wgmma_commit();
      wgmma<f16>(second, a, b);
      wgmma_commit();
      EXPECT_TRUE(std::isnan(first[0]));
      wgmma_wait<1>();
      EXPECT_EQ(first[0], 1.0f);
      EXPECT_TRUE(std::isnan(second[0]));
      wgmma_wait<0>();
      EXPECT_EQ(second[0], 2.0f);
    });
}

TEST(Fault, Wgmma) {
  expect_fault(64, 8192, "wgmma: the warpgroup has fewer than four warps", [](unsigned char* shared) {
    float d[32] = {};
    wgmma<f16>(d, wgmma_descriptor(shared, 256, Swizzle::b32), wgmma_descriptor(shared, 256, Swizzle::b32));
  });
  expect_fault(128, 8192, "wgmma: the threads of the warpgroup name different operands", [](unsigned char* shared) {
    float d[32] = {};
    const std::uint64_t a = wgmma_descriptor(shared + threadIdx.x / 32 * 16, 256, Swizzle::b32);
    wgmma<f16>(d, a, a);
    wgmma_commit();
    wgmma_wait<0>();
  });
  for (const simt::Options& options : simt::schedules(1))
    EXPECT_THROW(simt::run({.grid = {}, .block = 128, .shared_bytes = 8192}, options,
                           [](unsigned char* shared) {
                             float d[32] = {};
                             const std::uint64_t a = wgmma_descriptor(shared, 256, Swizzle::b32);
                             wgmma<f16>(d, a, a);
                             wgmma_commit();
                           }),
                 simt::Fault);
}

TEST(Poison, IntegerSumsOfWgmmaUntilTheWait) {
  simt::run({.grid = {}, .block = 128, .shared_bytes = 8 * 32}, {}, [](unsigned char* shared) {
    for (unsigned i = threadIdx.x; i < 8 * 32; i += 128) shared[i] = 1;
    __syncthreads();
    int d[4] = {5, 5, 5, 5};
    std::uint32_t a[4] = {0x01010101u, 0x01010101u, 0x01010101u, 0x01010101u};
    wgmma<i8>(d, a, wgmma_descriptor(shared, 256, Swizzle::b32));
    wgmma_commit();
    EXPECT_EQ(d[0], -1);
    wgmma_wait<0>();
    EXPECT_EQ(d[0], 5 + 32);
  });
}

TEST(Fault, ElectionOfHalfAWarp) {
  expect_fault(32, 0, "waiting in elect.sync", [](unsigned char*) {
    if (threadIdx.x < 16) (void)elect_one();
    while (threadIdx.x >= 16) __nanosleep(1);
  });
}

TEST(BankConflicts, OfRowsOfMatrices) {
  const auto conflicts = [](unsigned row_bytes) {
    return simt::run({.grid = {}, .block = 32, .shared_bytes = 32 * 256}, {},
                     [=](unsigned char* shared) {
                       std::uint32_t r[4];
                       ldmatrix(r, shared + row_bytes * threadIdx.x);
                     })
        .bank_conflicts;
  };
  EXPECT_EQ(conflicts(16), 0u);       // contiguous
  EXPECT_EQ(conflicts(16 + 64), 0u);  // padded rows of 64 bytes
  EXPECT_EQ(conflicts(64), 12u);      // rows of 64 bytes: each of four matrices takes four wavefronts
  EXPECT_EQ(conflicts(128), 28u);     // of 128: eight
}

TEST(BankConflicts, OfVectorsThatDoNotConverge) {
  const auto conflicts = [](unsigned stride) {
    return simt::run({.grid = {}, .block = 64, .shared_bytes = 32 << 10}, {.order = simt::Order::random},
                     [=](unsigned char* shared) {
                       std::uint32_t r[4] = {};
                       unsigned char* mine = shared + (8 << 10) * (threadIdx.x / 32);  // the warp's own
                       for (unsigned round = 0; round < 2; ++round) st_shared(mine + stride * (threadIdx.x % 32), r);
                       __syncwarp();
                       ld_shared(r, mine);  // all lanes the same address
                     })
        .bank_conflicts;
  };
  EXPECT_EQ(conflicts(16), 0u);
  EXPECT_EQ(conflicts(32), 2u * 2 * 4);       // two rounds, two warps, four quarters of a warp: two wavefronts each
  EXPECT_EQ(conflicts(128), 2u * 2 * 4 * 7);  // eight each
}

#ifdef __SANITIZE_ADDRESS__
TEST(Fault, CopyFromOutsideAnyObject) {
  const std::vector<float> in(6);
  expect_fault(1, 32, "cp.async reads 16 bytes, of which the one at offset 8 is in no live object", [&](unsigned char* shared) {
    cp_async_cg(shared + 16, in.data() + 4);
    cp_async_commit();
    cp_async_wait<0>();
  });
}
#endif

}  // namespace
}  // namespace vernier::cuda
