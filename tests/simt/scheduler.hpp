// The emulated machine: the threads of the resident blocks, and which of them runs. For the emulator's own sources; kernels see
// builtins.hpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "simt/fiber.hpp"
#include "simt/index.hpp"
#include "simt/isa_wgmma.hpp"
#include "simt/options.hpp"
#include "simt/sanitizers.hpp"
#include "simt/where.hpp"

namespace simt::detail {

struct Block;
struct Warp;

enum class State : std::uint8_t { ready, waiting, exited };

/// One cp.async that has not landed.
struct ThreadCopy {
  std::byte* to = nullptr;
  const std::byte* from = nullptr;
  std::size_t bytes = 0, from_bytes = 0;  // what from lacks is zero
  Where where;
};

/// The cp.async of one thread that have not landed, oldest first: those of committed groups, then those since the last commit.
struct CopyQueue {
  std::vector<ThreadCopy> copies;
  std::deque<std::size_t> groups;  // how many of them each committed group has
  std::size_t committed = 0;       // in all groups
  void clear();
};

/// One thread of a kernel.
struct Lane {
  explicit Lane(std::size_t stack_bytes) : fiber(stack_bytes) {}
  Fiber fiber;
  Block* block = nullptr;
  Warp* warp = nullptr;
  int rank = 0;  // within the block
  uint3 index{};
  State state = State::exited;
  const void* waits_for = nullptr;  // what wake_all() names
  const char* instruction = "";     // where it waits, for reports
  Where where;
  CopyQueue copies;
  std::vector<std::function<void()>> bulk_open;  // bulk stores since the last commit, and committed groups
  std::deque<std::vector<std::function<void()>>> bulk_groups;
  std::vector<Wgmma> wgmma_open;  // since the last commit, committed groups, and the sums of both
  std::deque<std::vector<Wgmma>> wgmma_groups;
  std::map<void*, std::vector<std::uint32_t>> wgmma_sums;  // as bits
  std::size_t wgmmas_issued = 0;
  bool at_cluster_barrier = false;  // has arrived and not waited
  unsigned cluster_generation = 0;  // of the cluster's barrier, when it arrived
  bool fenced = false;              // for TSan: atomics behind a fence release, and a fence acquires what was read last
  std::array<const void*, 4> flags_read{};
  std::size_t next_flag = 0;
  int id() const { return rank % 32; }
  unsigned bit() const { return 1u << id(); }
};

/// Lanes of a warp coming together for one instruction.
struct Meeting {
  unsigned mask = 0, arrived = 0, generation = 0;
  const char* instruction = "";
  Where where{};
  std::array<void*, 32> operands{};
  char sync[2] = {};  // one for even, one for odd generations: an early arrival at the next must not order this one
};

/// Vector accesses to shared memory, which need not converge: the n-th time that each lane comes to one place is taken for one request.
class SharedAccesses {
 public:
  void add(Lane& lane, std::uint32_t offset, int bytes, Where where);
  int conflicts() const;

 private:
  struct Request {
    std::array<std::uint32_t, 32> offsets{};
    unsigned lanes = 0;
  };
  struct Site {
    std::array<std::size_t, 32> turns{};
    std::vector<Request> requests;
  };
  std::map<std::tuple<const char*, unsigned, int>, Site> sites_;  // by file, line and bytes
};

struct Warp {
  unsigned alive = 0;
  SharedAccesses accesses;
  std::deque<Meeting> meetings;  // by mask; addresses stay
};

/// One of the sixteen barriers of a block.
struct Barrier {
  int arrived = 0, expected = 0;
  unsigned generation = 0;
  std::vector<Where> warp_where;  // where each warp arrived: all its lanes must do so at one place
  char sync[2] = {};
};

struct Cluster;

/// A block that runs. Slots are reused for the blocks that follow, and from launch to launch.
struct Block {
  uint3 index{};
  Cluster* cluster = nullptr;
  unsigned cluster_rank = 0;
  std::vector<std::unique_ptr<Lane>> lanes;
  std::vector<Warp> warps;
  std::array<Barrier, 16> barriers;
  std::vector<std::vector<std::array<std::uint64_t, 2>>> wgmmas;  // the operands of what each warpgroup has issued
  std::byte* shared = nullptr;                                    // exactly as many bytes as the launch asked for
  std::size_t shared_bytes = 0;
  int live = 0;                      // threads that have not exited
  int copies_in_flight = 0;          // bulk copies
  bool waited_for_previous = false;  // griddepcontrol.wait
};

/// Blocks that run at the same time and see each other's shared memory, with a barrier of all their threads. One block, where the launch
/// has no clusters.
struct Cluster {
  std::vector<Block*> blocks;
  int live = 0;  // threads that have not exited
  int arrived = 0;
  unsigned generation = 0;
  char sync[2] = {};
};

struct Launch {
  dim3 grid, block;
  std::size_t shared_bytes = 0;
  unsigned cluster = 1;       // blocks, neighbours in x
  bool starts_early = false;  // before the launch ahead of it has finished
};

using Kernel = std::function<void(unsigned char* shared)>;

/// One launch while it runs.
class Machine {
 public:
  Machine(const Launch& launch, const Options& options, const Kernel& kernel);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  void run();

  const Launch launch;
  const Options options;
  Counters counters;
  std::mt19937_64 random;

  void make_ready(Lane& lane);
  /// The running thread stops until wake_all(waits_for) or make_ready().
  void wait(const void* waits_for, const char* instruction, Where where);
  /// All threads of `block` that wait for this.
  void wake_all(Block& block, const void* waits_for);
  /// The running thread lets others go first. A launch in which threads do nothing but this is stuck.
  void yield(const char* instruction, Where where);
  /// The running thread, which is ready, lets the others run.
  void switch_away();
  /// Something changed that a spinning thread may be looking for.
  void progress() { idle_turns_ = 0; }
  /// griddepcontrol.wait of the running thread.
  void wait_for_previous();
  /// `work` happens later, in any order, as if done by a copy engine that has seen what the running thread has done.
  void later(Block& block, std::function<void()> work);

 private:
  struct Pending {
    Block* block;
    std::unique_ptr<char> issued;  // for TSan
    std::function<void()> work;
  };
  void start_cluster(Cluster& cluster);
  void start_block(Block& slot, uint3 index);
  void finish_block(Block& slot);
  void start_lane(Block& slot, int rank);
  void expect_all_waited_for(const Lane& lane) const;
  void retire(Lane& lane);
  Lane* pick();
  bool land_one();
  void run_lane(Lane& lane);
  void unwind();
  static void lane_main(void* lane);
  std::string report(const char* headline) const;

  const Kernel& kernel_;
  std::vector<Block*> resident_;
  std::deque<Cluster> clusters_;    // of resident blocks
  std::vector<unsigned> to_start_;  // linear indices of clusters, the next one last
  std::deque<Lane*> ready_;
  std::vector<Pending> pending_;
  Agent copy_engine_;
  std::size_t idle_turns_ = 0;
  int live_blocks_ = 0;
  bool unwinding_ = false;
  std::exception_ptr error_;
  // For TSan: the launch happens after what the host did, and before what it does next. One that starts early happens, until it waits,
  // after what the host did before the launch ahead of it.
  const void* begins_after_ = nullptr;
  const void* launched_after_ = nullptr;
  char ended_ = 0;
};

/// The launch that runs on this OS thread, and its running thread.
Machine& machine();
Lane& self();

/// A copy engine has completed `bytes` bytes, or the cp.async of a thread, on an mbarrier of the block (mbarrier.cpp).
void complete_bytes(Block& block, std::uint64_t* barrier, std::size_t bytes, Where where);
void complete_arrival(Block& block, std::uint64_t* barrier, Where where);
std::string describe_mbarrier(const void* barrier);

/// A thread that has arrived, or that has exited, may be the last that the cluster's barrier waits for (cluster.cpp).
void complete_cluster_barrier(Cluster& cluster);

inline unsigned volume(dim3 d) { return d.x * d.y * d.z; }
inline uint3 unflatten(unsigned i, dim3 d) { return {i % d.x, i / d.x % d.y, i / d.x / d.y}; }

/// Throws a Fault that names the running thread and the source line.
[[noreturn]] void fault(const std::string& what, Where where);

/// "f.cu:12".
std::string to_string(Where where);
std::string to_string(uint3 index);

/// The address within the block's shared memory. Faults if [p, p + bytes) is not inside, or p not aligned.
std::uint32_t shared_offset(const void* p, std::size_t bytes, std::size_t alignment, const char* instruction, Where where);
/// The reverse.
std::byte* shared_pointer(const Block& block, std::uint32_t offset, std::size_t bytes, const char* instruction, Where where);

}  // namespace simt::detail
