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

unsigned volume(dim3 d) { return d.x * d.y * d.z; }
uint3 unflatten(unsigned i, dim3 d) { return {i % d.x, i / d.x % d.y, i / d.x / d.y}; }

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
  const unsigned threads = volume(launch.block), blocks = volume(launch.grid);
  if (running_machine != nullptr) throw Fault("simt::launch: a kernel cannot launch a kernel");
  if (threads < 1 || threads > 1024 || launch.block.z > 64)
    throw Fault("simt::launch: a block of " + std::to_string(threads) + " threads; 1 to 1024 are possible");
  if (blocks < 1) throw Fault("simt::launch: the grid is empty");
  if (launch.shared_bytes > largest_shared_bytes)
    throw Fault("simt::launch: " + std::to_string(launch.shared_bytes) + " bytes of shared memory; a block has at most " +
                std::to_string(largest_shared_bytes));
  to_start_.resize(blocks);
  std::iota(to_start_.rbegin(), to_start_.rend(), 0u);
  if (options.order == Order::descending) std::reverse(to_start_.begin(), to_start_.end());
  if (options.order == Order::random) std::shuffle(to_start_.begin(), to_start_.end(), random);

  Pool& p = pool();
  if (p.stack_bytes != options.stack_bytes) p.blocks.clear();
  p.stack_bytes = options.stack_bytes;
  const std::size_t slots = std::min<std::size_t>(blocks, static_cast<std::size_t>(std::max(options.resident_blocks, 1)));
  while (p.blocks.size() < slots) p.blocks.push_back(std::make_unique<Block>());
  for (std::size_t i = 0; i < slots; ++i) {
    Block& slot = *p.blocks[i];
    while (slot.lanes.size() < threads) slot.lanes.push_back(std::make_unique<Lane>(options.stack_bytes));
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
  release(&began_);
  const Quiet quiet;
  try {
    for (Block* slot : resident_) start_block(*slot);
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

void Machine::start_block(Block& slot) {
  const unsigned threads = volume(launch.block);
  slot.index = unflatten(to_start_.back(), launch.grid);
  to_start_.pop_back();
  slot.shared_bytes = launch.shared_bytes;
  void* memory = nullptr;  // of the exact size, so that what lies behind it is ASan's
  if (posix_memalign(&memory, 1024, std::max<std::size_t>(launch.shared_bytes, 1)) != 0) throw std::bad_alloc();
  slot.shared = static_cast<std::byte*>(memory);
  std::memset(slot.shared, 0xff, launch.shared_bytes);  // NaN in every float format: nothing was written yet
  slot.barriers = {};
  slot.wgmmas.clear();
  slot.warps.assign((threads + 31) / 32, Warp{});
  slot.live = static_cast<int>(threads);
  ++live_blocks_;
  for (unsigned i = 0; i < threads; ++i) start_lane(slot, static_cast<int>(i));
}

void Machine::start_lane(Block& slot, int rank) {
  Lane& lane = *slot.lanes[static_cast<std::size_t>(rank)];
  lane.block = &slot;
  lane.warp = &slot.warps[static_cast<std::size_t>(rank / 32)];
  lane.rank = rank;
  lane.index = unflatten(static_cast<unsigned>(rank), launch.block);
  lane.warp->alive |= lane.bit();
  lane.copies.clear();
  lane.bulk_open.clear();
  lane.bulk_groups.clear();
  lane.wgmma_open.clear();
  lane.wgmma_groups.clear();
  lane.wgmma_sums.clear();
  lane.wgmmas_issued = 0;
  lane.fenced = false;
  lane.flags_read = {};
  lane.fiber.start(lane_main, &lane);
  lane.fiber.acquire(&began_);
  make_ready(lane);
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

void Machine::retire(Lane& lane) {
  lane.state = State::exited;
  lane.fiber.release(&ended_);
  const auto thread = [&lane] { return "thread " + std::to_string(lane.rank) + " of block " + to_string(lane.block->index); };
  if (const auto& copies = lane.copies.copies; !copies.empty())
    throw Fault(thread() + " exited with a cp.async that it never waited for, issued at " + to_string(copies.front().where));
  if (!lane.bulk_open.empty() || !lane.bulk_groups.empty()) throw Fault(thread() + " exited without bulk_wait() behind its bulk stores");
  if (!lane.wgmma_sums.empty()) throw Fault(thread() + " exited without wgmma_wait() behind its wgmma");
  for (const Meeting& meeting : lane.warp->meetings)
    if (meeting.arrived != 0 && (meeting.mask & lane.bit()) != 0)
      throw Fault(thread() + " exited, but " + meeting.instruction + " at " + to_string(meeting.where) + " waits for it");
  lane.warp->alive &= ~lane.bit();
  progress();
  if (--lane.block->live == 0) finish_block(*lane.block);
}

void Machine::finish_block(Block& slot) {
  if (slot.copies_in_flight != 0)
    throw Fault("block " + to_string(slot.index) + " ended while " + std::to_string(slot.copies_in_flight) +
                " bulk copies were in flight: nobody waited for them");
  for (const Warp& warp : slot.warps) counters.bank_conflicts += static_cast<unsigned>(warp.accesses.conflicts());
  std::free(slot.shared);
  slot.shared = nullptr;
  --live_blocks_;
  if (!to_start_.empty()) start_block(slot);
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
