// Clusters: their barrier, and loads and stores in another block's shared memory. An address is the rank, from 1, in the upper byte, and
// the offset below.
#include "simt/cluster.hpp"

#include <cstring>

#include "simt/isa.hpp"
#include "simt/warp.hpp"

namespace simt::detail {
namespace {

constexpr unsigned rank_shift = 24;

/// The whole warp is at this place, as .aligned demands.
void expect_whole_warp(const char* instruction, Where where) {
  int nothing = 0;
  meet(
      {.name = instruction, .aligned = true}, self().warp->alive, nothing, [](const std::array<int*, 32>&) {}, where);
}

}  // namespace

void complete_cluster_barrier(Cluster& cluster) {
  if (cluster.arrived == 0 || cluster.arrived != cluster.live) return;
  cluster.arrived = 0;
  ++cluster.generation;
  ++machine().counters.barriers;
  for (Block* block : cluster.blocks) machine().wake_all(*block, &cluster);
}

Block& block_of_cluster(unsigned rank, const char* instruction, Where where) {
  Block& own = *self().block;
  const Cluster& cluster = *own.cluster;
  const std::string name = std::string(instruction) + ": block " + std::to_string(rank) + " of the cluster";
  if (rank >= cluster.blocks.size()) fault(name + ", which has " + std::to_string(cluster.blocks.size()), where);
  Block& block = *cluster.blocks[rank];
  if (&block == &own) return block;
  if (cluster.generation == 0) fault(name + " may not have begun: no cluster_sync() has said so", where);
  if (block.live == 0) fault(name + " has ended, and its shared memory with it", where);
  return block;
}

Remote remote(vernier::cuda::ClusterAddress address, std::size_t bytes, std::size_t alignment, const char* instruction, Where where) {
  const std::uint32_t rank = address.bits >> rank_shift, offset = address.bits & ((1u << rank_shift) - 1);
  if (rank == 0) fault(std::string(instruction) + ": the address is not one of cluster_address()", where);
  Block& block = block_of_cluster(rank - 1, instruction, where);
  if (offset % alignment != 0)
    fault(std::string(instruction) + ": shared address " + std::to_string(offset) + " is misaligned; it must be a multiple of " +
              std::to_string(alignment),
          where);
  return {&block, shared_pointer(block, offset, bytes, instruction, where)};
}

}  // namespace simt::detail

namespace vernier::cuda {

namespace impl = simt::detail;

unsigned cluster_rank() { return impl::self().block->cluster_rank; }
unsigned cluster_size() { return static_cast<unsigned>(impl::self().block->cluster->blocks.size()); }

void cluster_arrive(Where where) {
  const impl::Quiet quiet;
  impl::expect_whole_warp("barrier.cluster.arrive", where);
  impl::Lane& lane = impl::self();
  impl::Cluster& cluster = *lane.block->cluster;
  if (lane.at_cluster_barrier) impl::fault("barrier.cluster.arrive: the thread has arrived before, and not waited", where);
  lane.at_cluster_barrier = true;
  lane.cluster_generation = cluster.generation;
  impl::release(&cluster.sync[cluster.generation % 2]);
  ++cluster.arrived;
  impl::complete_cluster_barrier(cluster);
}

void cluster_wait(Where where) {
  const impl::Quiet quiet;
  impl::expect_whole_warp("barrier.cluster.wait", where);
  impl::Lane& lane = impl::self();
  impl::Cluster& cluster = *lane.block->cluster;
  if (!lane.at_cluster_barrier) impl::fault("barrier.cluster.wait: the thread has not arrived", where);
  if (cluster.generation == lane.cluster_generation) impl::machine().wait(&cluster, "barrier.cluster.wait", where);
  lane.at_cluster_barrier = false;
  impl::acquire(&cluster.sync[lane.cluster_generation % 2]);
}

ClusterAddress cluster_address(const void* shared, unsigned rank, Where where) {
  const impl::Quiet quiet;
  const std::size_t blocks = impl::self().block->cluster->blocks.size();
  if (rank >= blocks) impl::fault("mapa: block " + std::to_string(rank) + " of the cluster, which has " + std::to_string(blocks), where);
  return {(rank + 1) << impl::rank_shift | impl::shared_offset(shared, 0, 1, "mapa", where)};
}

namespace {

template <std::size_t N>
void load(std::uint32_t (&r)[N], ClusterAddress from, Where where) {
  const impl::Quiet quiet;
  const impl::Remote place = impl::remote(from, sizeof r, sizeof r, "ld.shared::cluster", where);
  impl::note_read(place.at, sizeof r, "ld.shared::cluster", where);
  std::memcpy(r, place.at, sizeof r);
}

template <std::size_t N>
void store(ClusterAddress to, const std::uint32_t (&r)[N], Where where) {
  const impl::Quiet quiet;
  const impl::Remote place = impl::remote(to, sizeof r, sizeof r, "st.shared::cluster", where);
  impl::note_write(place.at, sizeof r, "st.shared::cluster", where);
  std::memcpy(place.at, r, sizeof r);
}

}  // namespace

void ld_cluster(std::uint32_t (&r)[1], ClusterAddress from, Where where) { load(r, from, where); }
void ld_cluster(std::uint32_t (&r)[4], ClusterAddress from, Where where) { load(r, from, where); }
void st_cluster(ClusterAddress to, const std::uint32_t (&r)[1], Where where) { store(to, r, where); }
void st_cluster(ClusterAddress to, const std::uint32_t (&r)[4], Where where) { store(to, r, where); }

}  // namespace vernier::cuda
