// What the emulator says about wrong uses of clusters, and of launches that start early.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "simt/launch_block.hpp"

namespace vernier::cuda {
namespace {

constexpr unsigned threads = 32;

/// Runs clusters of two blocks in every schedule, or in those that show it; a fault must have these words.
void expect_fault(const char* words, const simt::Kernel& kernel, bool in_every_schedule = true) {
  bool seen = false;
  for (const simt::Options& options : simt::schedules()) {
    SCOPED_TRACE(to_string(options));
    try {
      simt::run({.grid = 4, .block = threads, .shared_bytes = 512, .cluster = 2}, options, kernel);
      if (in_every_schedule) ADD_FAILURE() << "ran to its end";
    } catch (const simt::Fault& fault) {
      const std::string said = fault.what();
      EXPECT_NE(said.find(words), said.npos) << said;
      seen = true;
    }
  }
  EXPECT_TRUE(seen);
}

std::uint64_t* barrier_of(unsigned char* shared) { return reinterpret_cast<std::uint64_t*>(shared + 256); }
unsigned other() { return 1 - cluster_rank(); }

TEST(ClusterFault, ReadsBeforeTheOtherBlockHasBegun) {
  expect_fault("may not have begun: no cluster_sync() has said so", [](unsigned char* shared) {
    std::uint32_t r[1];
    ld_cluster(r, cluster_address(shared, other()));
  });
}

TEST(ClusterFault, ReadsWhenTheOtherBlockHasEnded) {
  expect_fault(
      "ld.shared::cluster: block 0 of the cluster has ended, and its shared memory with it",
      [](unsigned char* shared) {
        cluster_sync();
        std::uint32_t r[1];
        if (cluster_rank() == 1) {
          for (int i = 0; i < 100; ++i) __nanosleep(1);
          ld_cluster(r, cluster_address(shared, 0));
        }
      },
      false);
}

TEST(ClusterFault, AddressesThatAreNone) {
  expect_fault("mapa: block 2 of the cluster, which has 2", [](unsigned char* shared) { (void)cluster_address(shared, 2); });
  expect_fault("ld.shared::cluster: the address is not one of cluster_address()", [](unsigned char* shared) {
    cluster_sync();
    std::uint32_t r[1];
    ld_cluster(r, {shared_address(shared)});
  });
  expect_fault("ld.shared::cluster: shared address 4 is misaligned; it must be a multiple of 16", [](unsigned char* shared) {
    cluster_sync();
    std::uint32_t r[4];
    ld_cluster(r, cluster_address(shared, other()) + 4);
  });
  expect_fault("st.shared::cluster: 16 bytes at offset 512 are outside the shared memory of block", [](unsigned char* shared) {
    cluster_sync();
    const std::uint32_t r[4] = {};
    st_cluster(cluster_address(shared, other()) + 512, r);
  });
}

TEST(ClusterFault, Barrier) {
  expect_fault("barrier.cluster.wait: the thread has not arrived", [](unsigned char*) { cluster_wait(); });
  expect_fault("barrier.cluster.arrive: the thread has arrived before, and not waited", [](unsigned char*) {
    cluster_arrive();
    cluster_arrive();
  });
  expect_fault("waiting in barrier.cluster.wait", [](unsigned char* shared) {  // block 1 never comes
    if (cluster_rank() == 1) {
      if (threadIdx.x == 0) mbarrier_init(barrier_of(shared), 1);
      __syncwarp();
      mbarrier_wait_parity(barrier_of(shared), 0);
    }
    cluster_sync();
  });
  expect_fault("the warp has diverged: barrier.cluster.arrive", [](unsigned char*) {
    if (threadIdx.x < 16)
      cluster_sync();
    else
      cluster_sync();
  });
}

TEST(Cluster, ThreadsThatHaveExitedAreNotWaitedFor) {
  for (const simt::Options& options : simt::schedules())
    simt::run({.grid = 4, .block = 64, .cluster = 2}, options, [](unsigned char*) {
      if (threadIdx.x >= 32) {
        if (cluster_rank() == 0) cluster_arrive();  // and does not wait
        return;
      }
      cluster_sync();
      cluster_sync();
    });
}

TEST(ClusterFault, Multicasts) {
  alignas(16) static unsigned char memory[64];
  expect_fault("cp.async.bulk: a multicast to no block",
               [](unsigned char* shared) { bulk_load_multicast(shared, memory, 32, barrier_of(shared), 0); });
  expect_fault("cp.async.bulk: block 3 of the cluster, which has 2",
               [](unsigned char* shared) { bulk_load_multicast(shared, memory, 32, barrier_of(shared), 0b1000); });
  expect_fault("may not have begun", [](unsigned char* shared) { bulk_load_multicast(shared, memory, 32, barrier_of(shared), 0b11); });
}

TEST(ClusterFault, EndsBeforeACopyFromAnotherBlockHasLanded) {
  alignas(16) static unsigned char memory[64];
  expect_fault(
      "ended while 1 bulk copies were in flight",
      [](unsigned char* shared) {
        if (threadIdx.x == 0) {
          mbarrier_init(barrier_of(shared), 1);
          mbarrier_arrive_expect_tx(barrier_of(shared), 32);
        }
        __syncwarp();
        cluster_sync();
        if (cluster_rank() == 0) {
          if (threadIdx.x == 0) bulk_load_multicast(shared, memory, 32, barrier_of(shared), 0b11);
          mbarrier_try_wait_parity(barrier_of(shared), 0);
        }
      },
      false);
}

TEST(ClusterFault, CopyWhoseBarrierIsElsewhere) {
  expect_fault("the mbarrier is in another block than the target", [](unsigned char* shared) {
    cluster_sync();
    bulk_copy_cluster(cluster_address(shared, other()), shared + 64, 32, cluster_address(barrier_of(shared), cluster_rank()));
  });
}

TEST(ClusterFault, Grid) {
  EXPECT_THROW(simt::run({.grid = 3, .block = threads, .cluster = 2}, {}, [](unsigned char*) {}), simt::Fault);
  EXPECT_THROW(simt::run({.grid = 16, .block = threads, .cluster = 16}, {}, [](unsigned char*) {}), simt::Fault);
}

struct StartsEarly {
  struct Args {
    const int* from;
    int* to;
    bool waits;
  };
  static constexpr Arch arch = Arch::sm90a;
  static constexpr int threads = 32, shared_bytes = 0;
  static constexpr bool starts_early = true;
  static void run(const Args& args, unsigned char*) {
    if (!args.waits) return;
    griddepcontrol_wait();
    args.to[threadIdx.x] = args.from[31 - threadIdx.x] + 1;
    griddepcontrol_launch_dependents();
  }
};

TEST(StartsEarly, WaitsForTheLaunchAheadOfIt) {
  std::vector<int> a(32), b(32);
  for (int i = 0; i < 4; ++i) {
    (void)simt::launch<StartsEarly>({}, {a.data(), b.data(), true});
    (void)simt::launch<StartsEarly>({}, {b.data(), a.data(), true});
  }
  EXPECT_EQ(a[7], 8);
  std::vector<int> c(32);
  EXPECT_THROW((void)simt::launch<StartsEarly>({}, {c.data(), b.data(), false}), simt::Fault);
}

}  // namespace
}  // namespace vernier::cuda
