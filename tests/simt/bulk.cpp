// Bulk and tensor copies: the copy engine moves bytes at any later time, in any order, and completes them on an mbarrier or in a group.
// The target of a load reads as NaN from its issue until it lands, which it does in each block of a multicast on its own.
#include <cstring>

#include "simt/cluster.hpp"
#include "simt/tensor_map.hpp"

namespace simt::detail {
namespace {

using vernier::cuda::Swizzle;
using vernier::cuda::TensorMap;

/// The bits of a shared address that a swizzle changes: 16-byte chunks are exchanged within rows of 32, 64 or 128 bytes, by the 128-byte
/// line.
std::uint32_t swizzled(std::uint32_t offset, Swizzle swizzle) {
  const auto lines = static_cast<std::uint32_t>(vernier::cuda::swizzle_bytes(swizzle)) / 16;
  return lines <= 1 ? offset : offset ^ (offset >> 7 & (lines - 1)) << 4;
}

void check_size(int bytes, const char* instruction, Where where) {
  if (bytes <= 0 || bytes % 16 != 0)
    fault(std::string(instruction) + ": " + std::to_string(bytes) + " bytes; it must be a positive multiple of 16", where);
}

void check_global(const void* p, int bytes, const char* instruction, Where where) {
  if (reinterpret_cast<std::uintptr_t>(p) % 16 != 0)
    fault(std::string(instruction) + ": the global address is not a multiple of 16", where);
  check_size(bytes, instruction, where);
}

/// Calls f(offset in the box, address in global memory or null, bytes) for each element of the box at `start`.
template <class F>
void for_each_element(const TensorMap& map, const std::array<int, 3>& start, F f) {
  const auto& t = map.tensor;
  const auto bytes = static_cast<std::size_t>(t.element_bytes);
  std::uint32_t offset = 0;
  for (int z = 0; z < t.box[2]; ++z)
    for (int y = 0; y < t.box[1]; ++y)
      for (int x = 0; x < t.box[0]; ++x, offset += static_cast<std::uint32_t>(bytes)) {
        const std::array at{start[0] + x, start[1] + y, start[2] + z};
        bool inside = true;
        for (std::size_t d = 0; d < 3; ++d) inside = inside && at[d] >= 0 && at[d] < t.size[d];
        const auto* row = static_cast<const std::byte*>(t.data) + at[1] * t.stride_bytes[0] + at[2] * t.stride_bytes[1];
        f(offset, inside ? row + static_cast<std::ptrdiff_t>(at[0]) * static_cast<std::ptrdiff_t>(bytes) : nullptr, bytes);
      }
}

std::size_t box_bytes(const TensorMap& map) {
  const auto& t = map.tensor;
  return static_cast<std::size_t>(t.box[0]) * static_cast<std::size_t>(t.box[1]) * static_cast<std::size_t>(t.box[2]) *
         static_cast<std::size_t>(t.element_bytes);
}

/// Where a load goes.
struct Target {
  Block* block;
  std::byte* shared;
  std::uint64_t* barrier;
};
using Targets = std::vector<Target>;

constexpr unsigned own_block = 0;  // instead of a mask

/// The running thread's block, or those of its cluster in the mask: poisoned, and checked for what the copy will touch.
Targets issue_load(const Target& own, std::size_t bytes, unsigned mask, const char* instruction, Where where) {
  (void)shared_offset(own.barrier, 8, 8, instruction, where);
  ++machine().counters.async_copies;
  Targets all;
  for (unsigned rank = 0; rank < 16; ++rank)
    if ((mask >> rank & 1u) != 0) {
      Block& block = block_of_cluster(rank, instruction, where);
      const auto there = [&](void* p) { return block.shared + (static_cast<std::byte*>(p) - own.block->shared); };
      all.push_back({&block, there(own.shared), reinterpret_cast<std::uint64_t*>(there(own.barrier))});
    }
  if (mask == own_block) all.push_back(own);
  for (const Target& to : all) {
    note_write(to.shared, bytes, instruction, where);
    std::memset(to.shared, 0xff, bytes);
  }
  return all;
}

void tensor_load_at(const Target& own, const TensorMap& map, const std::array<int, 3>& start, unsigned mask, Where where) {
  constexpr const char* name = "cp.async.bulk.tensor";
  const std::size_t bytes = box_bytes(map);
  const std::uint32_t base = shared_offset(own.shared, bytes, 128, name, where);
  for (const Target& target : issue_load(own, bytes, mask, name, where))
    machine().later(*target.block, [=] {
      for_each_element(map, start, [&](std::uint32_t offset, const std::byte* from, std::size_t size) {
        std::byte* to = shared_pointer(*target.block, swizzled(base + offset, map.tensor.swizzle), size, name, where);
        note_write(to, size, name, where);
        if (from == nullptr) {
          std::memset(to, 0, size);
        } else {
          note_read(from, size, name, where);
          std::memcpy(to, from, size);
        }
      });
      complete_bytes(*target.block, target.barrier, bytes, where);
    });
}

void bulk_load_at(const Target& own, const void* global, int bytes, unsigned mask, Where where) {
  constexpr const char* name = "cp.async.bulk";
  check_global(global, bytes, name, where);
  const auto size = static_cast<std::size_t>(bytes);
  (void)shared_offset(own.shared, size, 16, name, where);
  for (const Target& target : issue_load(own, size, mask, name, where))
    machine().later(*target.block, [=] {
      note_read(global, size, name, where);
      note_write(target.shared, size, name, where);
      std::memcpy(target.shared, global, size);
      complete_bytes(*target.block, target.barrier, size, where);
    });
}

Target own_target(void* shared, std::uint64_t* barrier) { return {self().block, static_cast<std::byte*>(shared), barrier}; }

unsigned checked_mask(std::uint16_t blocks, const char* instruction, Where where) {
  if (blocks == 0) fault(std::string(instruction) + ": a multicast to no block", where);
  return blocks;
}

/// Stores join the thread's open group; bulk_wait ends them.
void issue_store(std::function<void()> work) {
  ++machine().counters.async_copies;
  Lane& lane = self();
  lane.bulk_open.push_back(std::move(work));
}

void tensor_store_at(const TensorMap& map, const void* shared, const std::array<int, 3>& start, Where where) {
  constexpr const char* name = "cp.async.bulk.tensor (store)";
  const std::uint32_t base = shared_offset(shared, box_bytes(map), 128, name, where);
  Block* block = self().block;
  issue_store([=] {
    for_each_element(map, start, [&](std::uint32_t offset, const std::byte* to, std::size_t size) {
      if (to == nullptr) return;
      const std::byte* from = shared_pointer(*block, swizzled(base + offset, map.tensor.swizzle), size, name, where);
      note_read(from, size, name, where);
      note_write(to, size, name, where);
      std::memcpy(const_cast<std::byte*>(to), from, size);
    });
  });
}

}  // namespace

void bulk_wait(int pending, Where) {
  const Quiet quiet;
  auto& groups = self().bulk_groups;
  for (; groups.size() > static_cast<std::size_t>(pending); groups.pop_front())
    for (const auto& work : groups.front()) work();
}

}  // namespace simt::detail

namespace vernier::cuda {

namespace impl = simt::detail;

TensorMap tensor_map(const Tensor& tensor) {
  check_tensor(tensor);
  return {tensor};
}

void bulk_load(void* shared, const void* global, int bytes, std::uint64_t* barrier, Where where) {
  const impl::Quiet quiet;
  impl::bulk_load_at(impl::own_target(shared, barrier), global, bytes, impl::own_block, where);
}
void bulk_load_multicast(void* shared, const void* global, int bytes, std::uint64_t* barrier, std::uint16_t blocks, Where where) {
  const impl::Quiet quiet;
  impl::bulk_load_at(impl::own_target(shared, barrier), global, bytes, impl::checked_mask(blocks, "cp.async.bulk", where), where);
}

void tensor_load(void* shared, const TensorMap& map, std::uint64_t* barrier, int x, Where where) {
  tensor_load(shared, map, barrier, x, 0, 0, where);
}
void tensor_load(void* shared, const TensorMap& map, std::uint64_t* barrier, int x, int y, Where where) {
  tensor_load(shared, map, barrier, x, y, 0, where);
}
void tensor_load(void* shared, const TensorMap& map, std::uint64_t* barrier, int x, int y, int z, Where where) {
  const impl::Quiet quiet;
  impl::tensor_load_at(impl::own_target(shared, barrier), map, {x, y, z}, impl::own_block, where);
}
void tensor_load_multicast(void* shared, const TensorMap& map, std::uint64_t* barrier, std::uint16_t blocks, int x, int y, Where where) {
  tensor_load_multicast(shared, map, barrier, blocks, x, y, 0, where);
}
void tensor_load_multicast(void* shared, const TensorMap& map, std::uint64_t* barrier, std::uint16_t blocks, int x, int y, int z,
                           Where where) {
  const impl::Quiet quiet;
  const unsigned mask = impl::checked_mask(blocks, "cp.async.bulk.tensor", where);
  impl::tensor_load_at(impl::own_target(shared, barrier), map, {x, y, z}, mask, where);
}

void bulk_copy_cluster(ClusterAddress to, const void* shared, int bytes, ClusterAddress barrier, Where where) {
  const impl::Quiet quiet;
  constexpr const char* name = "cp.async.bulk (to the cluster)";
  impl::check_size(bytes, name, where);
  const auto size = static_cast<std::size_t>(bytes);
  (void)impl::shared_offset(shared, size, 16, name, where);
  const impl::Remote target = impl::remote(to, size, 16, name, where), done = impl::remote(barrier, 8, 8, name, where);
  if (target.block != done.block) impl::fault(std::string(name) + ": the mbarrier is in another block than the target", where);
  ++impl::machine().counters.async_copies;
  impl::note_write(target.at, size, name, where);
  std::memset(target.at, 0xff, size);
  impl::Block* source = impl::self().block;
  ++source->copies_in_flight;  // neither block may end before
  impl::machine().later(*target.block, [=] {
    impl::note_read(shared, size, name, where);
    impl::note_write(target.at, size, name, where);
    std::memcpy(target.at, shared, size);
    --source->copies_in_flight;
    impl::complete_bytes(*target.block, reinterpret_cast<std::uint64_t*>(done.at), size, where);
  });
}

void bulk_store(void* global, const void* shared, int bytes, Where where) {
  const impl::Quiet quiet;
  constexpr const char* name = "cp.async.bulk (store)";
  impl::check_global(global, bytes, name, where);
  const auto size = static_cast<std::size_t>(bytes);
  (void)impl::shared_offset(shared, size, 16, name, where);
  impl::issue_store([=] {
    impl::note_read(shared, size, name, where);
    impl::note_write(global, size, name, where);
    std::memcpy(global, shared, size);
  });
}

void tensor_store(const TensorMap& map, const void* shared, int x, Where where) { tensor_store(map, shared, x, 0, 0, where); }
void tensor_store(const TensorMap& map, const void* shared, int x, int y, Where where) { tensor_store(map, shared, x, y, 0, where); }
void tensor_store(const TensorMap& map, const void* shared, int x, int y, int z, Where where) {
  const impl::Quiet quiet;
  impl::tensor_store_at(map, shared, {x, y, z}, where);
}

void bulk_commit() {
  const impl::Quiet quiet;
  impl::Lane& lane = impl::self();
  lane.bulk_groups.push_back(std::move(lane.bulk_open));
  lane.bulk_open.clear();
}

}  // namespace vernier::cuda
