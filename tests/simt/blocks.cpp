// How blocks and their threads begin and end.
#include <cstdlib>
#include <cstring>

#include "simt/scheduler.hpp"

namespace simt::detail {

void Machine::start_cluster(Cluster& cluster) {
  const uint3 first = unflatten(to_start_.back(), dim3(launch.grid.x / launch.cluster, launch.grid.y, launch.grid.z));
  to_start_.pop_back();
  cluster.live = static_cast<int>(volume(launch.block) * launch.cluster);
  cluster.arrived = 0;
  cluster.generation = 0;
  for (Block* slot : cluster.blocks) start_block(*slot, {first.x * launch.cluster + slot->cluster_rank, first.y, first.z});
}

void Machine::start_block(Block& slot, uint3 index) {
  const unsigned threads = volume(launch.block);
  slot.index = index;
  slot.shared_bytes = launch.shared_bytes;
  void* memory = nullptr;  // of the exact size, so that what lies behind it is ASan's
  if (posix_memalign(&memory, 1024, std::max<std::size_t>(launch.shared_bytes, 1)) != 0) throw std::bad_alloc();
  slot.shared = static_cast<std::byte*>(memory);
  std::memset(slot.shared, 0xff, launch.shared_bytes);  // NaN in every float format: nothing was written yet
  slot.barriers = {};
  slot.wgmmas.clear();
  slot.warps.assign((threads + 31) / 32, Warp{});
  slot.waited_for_previous = false;
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
  lane.at_cluster_barrier = false;
  lane.fenced = false;
  lane.flags_read = {};
  lane.fiber.start(lane_main, &lane);
  lane.fiber.acquire(begins_after_);
  make_ready(lane);
}

/// A thread must not leave anything under way.
void Machine::expect_all_waited_for(const Lane& lane) const {
  const auto thread = [&lane] { return "thread " + std::to_string(lane.rank) + " of block " + to_string(lane.block->index); };
  if (const auto& copies = lane.copies.copies; !copies.empty())
    throw Fault(thread() + " exited with a cp.async that it never waited for, issued at " + to_string(copies.front().where));
  if (!lane.bulk_open.empty() || !lane.bulk_groups.empty()) throw Fault(thread() + " exited without bulk_wait() behind its bulk stores");
  if (!lane.wgmma_sums.empty()) throw Fault(thread() + " exited without wgmma_wait() behind its wgmma");
  for (const Meeting& meeting : lane.warp->meetings)
    if (meeting.arrived != 0 && (meeting.mask & lane.bit()) != 0)
      throw Fault(thread() + " exited, but " + meeting.instruction + " at " + to_string(meeting.where) + " waits for it");
}

void Machine::retire(Lane& lane) {
  lane.state = State::exited;
  lane.fiber.release(&ended_);
  expect_all_waited_for(lane);
  lane.warp->alive &= ~lane.bit();
  progress();
  Cluster& cluster = *lane.block->cluster;
  if (lane.at_cluster_barrier && lane.cluster_generation == cluster.generation) --cluster.arrived;
  --cluster.live;
  complete_cluster_barrier(cluster);
  if (--lane.block->live == 0) finish_block(*lane.block);
}

void Machine::finish_block(Block& slot) {
  if (slot.copies_in_flight != 0)
    throw Fault("block " + to_string(slot.index) + " ended while " + std::to_string(slot.copies_in_flight) +
                " bulk copies were in flight: nobody waited for them");
  if (launch.starts_early && !slot.waited_for_previous)
    throw Fault("block " + to_string(slot.index) + " starts early, and ended without griddepcontrol_wait()");
  for (const Warp& warp : slot.warps) counters.bank_conflicts += static_cast<unsigned>(warp.accesses.conflicts());
  std::free(slot.shared);
  slot.shared = nullptr;
  --live_blocks_;
  if (slot.cluster->live == 0 && !to_start_.empty()) start_cluster(*slot.cluster);
}

}  // namespace simt::detail
