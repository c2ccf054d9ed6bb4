#include "simt/scheduler.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "simt/builtins.hpp"

constinit thread_local uint3 threadIdx{}, blockIdx{};
constinit thread_local dim3 blockDim{}, gridDim{};

namespace simt::detail {

namespace {

/// Thrown through the threads that are left when another has failed, so that their stacks are cleaned up.
struct Unwinding {};

constexpr std::size_t largest_shared_bytes = 227 << 10;  // of sm_90, the most that a block may ask for
constexpr unsigned largest_cluster = 8;                  // that every sm_90 can run
constexpr std::size_t patience = 200;                    // turns without progress for each thread that is ready

thread_local Machine* running_machine = nullptr;
thread_local Lane* running_lane = nullptr;

/// Blocks with their threads' stacks, kept from launch to launch: making a thousand fibers takes TSan seconds.
struct Pool {
  std::vector<std::unique_ptr<Block>> blocks;
  std::size_t stack_bytes = 0;
};
Pool& pool() {
  static thread_local Pool instance;
  return instance;
}

}  // namespace

Machine& machine() {
  if (running_machine == nullptr) throw Fault("an instruction of a kernel was called outside simt::launch");
  return *running_machine;
}

Lane& self() {
  (void)machine();
  return *running_lane;
}

Machine::Machine(const Launch& launch_, const Options& options_, const Kernel& kernel)
    : launch(launch_), options(options_), random(options_.seed), kernel_(kernel) {
  const Quiet quiet;
  const unsigned threads = volume(launch.block), cluster = launch.cluster;
  if (running_machine != nullptr) throw Fault("simt::launch: a kernel cannot launch a kernel");
  if (threads < 1 || threads > 1024 || launch.block.z > 64)
    throw Fault("simt::launch: a block of " + std::to_string(threads) + " threads; 1 to 1024 are possible");
  if (volume(launch.grid) < 1) throw Fault("simt::launch: the grid is empty");
  if (cluster < 1 || cluster > largest_cluster || launch.grid.x % cluster != 0)
    throw Fault("simt::launch: clusters of " + std::to_string(cluster) + " blocks in a grid of " + std::to_string(launch.grid.x) +
                " along x; they have 1 to 8, and the grid is a multiple");
  if (launch.shared_bytes > largest_shared_bytes)
    throw Fault("simt::launch: " + std::to_string(launch.shared_bytes) + " bytes of shared memory; a block has at most " +
                std::to_string(largest_shared_bytes));
  to_start_.resize(volume(launch.grid) / cluster);
  std::iota(to_start_.rbegin(), to_start_.rend(), 0u);
  if (options.order == Order::descending) std::reverse(to_start_.begin(), to_start_.end());
  if (options.order == Order::random) std::shuffle(to_start_.begin(), to_start_.end(), random);

  Pool& p = pool();
  if (p.stack_bytes != options.stack_bytes) p.blocks.clear();
  p.stack_bytes = options.stack_bytes;
  const std::size_t at_once = static_cast<std::size_t>(std::max(options.resident_blocks, 1)) / cluster;
  clusters_.resize(std::min(to_start_.size(), std::max<std::size_t>(at_once, 1)));
  while (p.blocks.size() < clusters_.size() * cluster) p.blocks.push_back(std::make_unique<Block>());
  for (std::size_t i = 0; i < clusters_.size() * cluster; ++i) {
    Block& slot = *p.blocks[i];
    while (slot.lanes.size() < threads) slot.lanes.push_back(std::make_unique<Lane>(options.stack_bytes));
    slot.cluster = &clusters_[i / cluster];
    slot.cluster_rank = static_cast<unsigned>(i % cluster);
    slot.cluster->blocks.push_back(&slot);
    slot.live = 0;
    resident_.push_back(&slot);
  }
  running_machine = this;
  blockDim = launch.block;
  gridDim = launch.grid;
}

Machine::~Machine() {
  const Quiet quiet;
  for (Block* slot : resident_) {
    std::free(slot->shared);
    slot->shared = nullptr;
  }
  running_machine = nullptr;
  running_lane = nullptr;
}

void Machine::run() {
  static thread_local char began[2];
  static thread_local unsigned launches = 0;
  launched_after_ = &began[launches % 2];
  begins_after_ = launch.starts_early && launches > 0 ? &began[(launches + 1) % 2] : launched_after_;
  ++launches;
  release(launched_after_);
  const Quiet quiet;
  try {
    for (Cluster& cluster : clusters_) start_cluster(cluster);
    while (live_blocks_ > 0) {
      Lane* next = pick();
      if (next == nullptr) throw Fault(report("deadlock: no thread can go on"));
      run_lane(*next);
      if (error_) std::rethrow_exception(error_);
      if (next->fiber.ended()) retire(*next);
    }
  } catch (...) {
    unwind();
    acquire(&ended_);
    throw;
  }
  acquire(&ended_);
}

void Machine::lane_main(void* argument) {
  Lane& lane = *static_cast<Lane*>(argument);
  Machine& m = *running_machine;
  if (m.unwinding_) return;
  try {
    m.kernel_(reinterpret_cast<unsigned char*>(lane.block->shared));
  } catch (const Unwinding&) {
  } catch (...) {
    const Quiet quiet;
    if (!m.error_) m.error_ = std::current_exception();
  }
}

void Machine::unwind() {
  unwinding_ = true;
  for (Block* slot : resident_)
    for (const auto& lane : slot->lanes)
      if (lane->state != State::exited && lane->block == slot) {
        if (!lane->fiber.ended()) run_lane(*lane);
        lane->state = State::exited;
        lane->fiber.release(&ended_);
      }
  for (Block* slot : resident_) slot->copies_in_flight = 0;
}

void Machine::run_lane(Lane& lane) {
  ++counters.switches;
  running_lane = &lane;
  threadIdx = lane.index;
  blockIdx = lane.block->index;
  lane.fiber.resume();
  running_lane = nullptr;
}

void Machine::switch_away() {
  Lane& lane = self();
  lane.fiber.suspend();
  if (unwinding_) throw Unwinding{};
}

void Machine::make_ready(Lane& lane) {
  lane.state = State::ready;
  lane.waits_for = nullptr;
  ready_.push_back(&lane);
}

void Machine::wait(const void* waits_for, const char* instruction, Where where) {
  const Quiet quiet;
  Lane& lane = self();
  lane.state = State::waiting;
  lane.waits_for = waits_for;
  lane.instruction = instruction;
  lane.where = where;
  progress();
  switch_away();
}

void Machine::wake_all(Block& block, const void* waits_for) {
  progress();
  const std::size_t threads = volume(launch.block);
  for (std::size_t i = 0; i < threads; ++i)
    if (Lane& lane = *block.lanes[i]; lane.state == State::waiting && lane.waits_for == waits_for) make_ready(lane);
}

void Machine::yield(const char* instruction, Where where) {
  const Quiet quiet;
  Lane& lane = self();
  lane.instruction = instruction;
  lane.where = where;
  ++idle_turns_;
  if (options.order == Order::descending)  // behind all others, whichever end that is
    ready_.push_front(&lane);
  else
    ready_.push_back(&lane);
  switch_away();
}

void Machine::wait_for_previous() {
  self().block->waited_for_previous = true;
  acquire(launched_after_);
}

void Machine::later(Block& block, std::function<void()> work) {
  ++block.copies_in_flight;
  Pending entry{&block, std::make_unique<char>(), std::move(work)};
  release(entry.issued.get());
  pending_.push_back(std::move(entry));
}

bool Machine::land_one() {
  if (pending_.empty()) return false;
  const std::size_t i = options.order == Order::random       ? random() % pending_.size()
                        : options.order == Order::descending ? pending_.size() - 1
                                                             : 0;
  Pending entry = std::move(pending_[i]);
  pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(i));
  --entry.block->copies_in_flight;
  const AsAgent as_copy_engine(copy_engine_);
  acquire(entry.issued.get());
  const Quiet quiet;
  entry.work();
  entry.issued.reset();
  entry.work = nullptr;
  progress();
  return true;
}

Lane* Machine::pick() {
  // Copies land as late as they can, so that whoever does not wait reads poison; in random order, now and then earlier.
  if (options.order == Order::random && random() % 8 == 0) (void)land_one();
  while (ready_.empty() || idle_turns_ > ready_.size())
    if (!land_one()) break;
  if (ready_.empty()) return nullptr;
  if (idle_turns_ > patience * ready_.size()) throw Fault(report("no thread makes progress: those that do not wait spin"));
  Lane* next = nullptr;
  if (options.order == Order::descending) {
    next = ready_.back();
    ready_.pop_back();
  } else {
    if (options.order == Order::random) std::swap(ready_.front(), ready_[random() % ready_.size()]);
    next = ready_.front();
    ready_.pop_front();
  }
  return next;
}

}  // namespace simt::detail
