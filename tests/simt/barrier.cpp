// The sixteen barriers of a block: __syncthreads, bar.sync and bar.arrive; and the wait for the launch before this one.
#include "simt/isa.hpp"
#include "simt/scheduler.hpp"

namespace simt::detail {

void spin(const char* instruction, Where where) { machine().yield(instruction, where); }

void block_barrier(int id, int threads, bool waits, const char* instruction, Where where) {
  const Quiet quiet;
  Machine& m = machine();
  Lane& lane = self();
  Block& block = *lane.block;
  const std::string name = std::string(instruction) + ": barrier " + std::to_string(id);
  if (id < 0 || id >= static_cast<int>(block.barriers.size())) fault(name + " does not exist; a block has 0 to 15", where);
  Barrier& barrier = block.barriers[static_cast<std::size_t>(id)];
  const int block_threads = static_cast<int>(m.launch.block.x * m.launch.block.y * m.launch.block.z);
  if (threads == whole_block) {
    threads = block_threads;
  } else if (threads < 32 || threads % 32 != 0 || threads > block_threads) {
    fault(name + " for " + std::to_string(threads) + " threads; a multiple of 32 up to the block's " + std::to_string(block_threads) +
              " is possible",
          where);
  }
  if (barrier.arrived == 0) {
    barrier.expected = threads;
    barrier.warp_where.assign(block.warps.size(), Where{});
  }
  if (barrier.expected != threads)
    fault(name + " for " + std::to_string(threads) + " threads, but others came to it for " + std::to_string(barrier.expected), where);
  Where& warp_where = barrier.warp_where[static_cast<std::size_t>(lane.rank / 32)];
  if (warp_where == Where{}) warp_where = where;
  if (!(warp_where == where))
    fault(name + ": the warp has diverged, its other threads came to this barrier at " + to_string(warp_where), where);

  const unsigned generation = barrier.generation;
  const void* sync = &barrier.sync[generation % 2];
  release(sync);
  if (++barrier.arrived == barrier.expected) {
    barrier.arrived = 0;
    ++barrier.generation;
    ++m.counters.barriers;
    m.wake_all(block, &barrier);
    if (waits) {  // the last one to arrive takes its turn among the others, so that the order decides who goes first
      m.make_ready(lane);
      m.switch_away();
    }
  } else if (waits) {
    m.wait(&barrier, instruction, where);
  }
  if (waits) acquire(sync);
}

}  // namespace simt::detail

namespace vernier::cuda {

void griddepcontrol_wait() { simt::detail::machine().wait_for_previous(); }

}  // namespace vernier::cuda
