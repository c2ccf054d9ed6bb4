// Bulk and tensor copies: the copy engine moves bytes at any later time, in any order, and completes them on an mbarrier or in a group.
// The target of a load reads as NaN from its issue until it lands.
#include <cstring>

#include "simt/scheduler.hpp"
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

void check_global(const void* p, int bytes, const char* instruction, Where where) {
  if (reinterpret_cast<std::uintptr_t>(p) % 16 != 0)
    fault(std::string(instruction) + ": the global address is not a multiple of 16", where);
  if (bytes <= 0 || bytes % 16 != 0)
    fault(std::string(instruction) + ": " + std::to_string(bytes) + " bytes; it must be a positive multiple of 16", where);
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

void issue_load(void* shared, std::size_t bytes, std::uint64_t* barrier, const char* instruction, Where where) {
  (void)shared_offset(barrier, 8, 8, instruction, where);
  ++machine().counters.async_copies;
  note_write(shared, bytes, instruction, where);
  std::memset(shared, 0xff, bytes);
}

void tensor_load_at(void* shared, const TensorMap& map, std::uint64_t* barrier, const std::array<int, 3>& start, Where where) {
  const Quiet quiet;
  constexpr const char* name = "cp.async.bulk.tensor";
  const std::size_t bytes = box_bytes(map);
  const std::uint32_t base = shared_offset(shared, bytes, 128, name, where);
  issue_load(shared, bytes, barrier, name, where);
  Block* block = self().block;
  machine().later(*block, [=] {
    for_each_element(map, start, [&](std::uint32_t offset, const std::byte* from, std::size_t size) {
      std::byte* to = shared_pointer(*block, swizzled(base + offset, map.tensor.swizzle), size, name, where);
      note_write(to, size, name, where);
      if (from == nullptr) {
        std::memset(to, 0, size);
      } else {
        note_read(from, size, name, where);
        std::memcpy(to, from, size);
      }
    });
    complete_bytes(*block, barrier, bytes, where);
  });
}

/// Stores join the thread's open group; bulk_wait ends them.
void issue_store(std::function<void()> work) {
  ++machine().counters.async_copies;
  Lane& lane = self();
  lane.bulk_open.push_back(std::move(work));
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
  constexpr const char* name = "cp.async.bulk";
  impl::check_global(global, bytes, name, where);
  const auto size = static_cast<std::size_t>(bytes);
  (void)impl::shared_offset(shared, size, 16, name, where);
  impl::issue_load(shared, size, barrier, name, where);
  impl::Block* block = impl::self().block;
  impl::machine().later(*block, [=] {
    impl::note_read(global, size, name, where);
    impl::note_write(shared, size, name, where);
    std::memcpy(shared, global, size);
    impl::complete_bytes(*block, barrier, size, where);
  });
}

void tensor_load(void* shared, const TensorMap& map, std::uint64_t* barrier, int x, Where where) {
  impl::tensor_load_at(shared, map, barrier, {x, 0, 0}, where);
}
void tensor_load(void* shared, const TensorMap& map, std::uint64_t* barrier, int x, int y, Where where) {
  impl::tensor_load_at(shared, map, barrier, {x, y, 0}, where);
}
void tensor_load(void* shared, const TensorMap& map, std::uint64_t* barrier, int x, int y, int z, Where where) {
  impl::tensor_load_at(shared, map, barrier, {x, y, z}, where);
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

void tensor_store(const TensorMap& map, const void* shared, int x, int y, Where where) {
  const impl::Quiet quiet;
  constexpr const char* name = "cp.async.bulk.tensor (store)";
  const std::uint32_t base = impl::shared_offset(shared, impl::box_bytes(map), 128, name, where);
  impl::Block* block = impl::self().block;
  impl::issue_store([=] {
    impl::for_each_element(map, {x, y, 0}, [&](std::uint32_t offset, const std::byte* to, std::size_t size) {
      if (to == nullptr) return;
      const std::byte* from = impl::shared_pointer(*block, impl::swizzled(base + offset, map.tensor.swizzle), size, name, where);
      impl::note_read(from, size, name, where);
      impl::note_write(to, size, name, where);
      std::memcpy(const_cast<std::byte*>(to), from, size);
    });
  });
}

void bulk_commit() {
  const impl::Quiet quiet;
  impl::Lane& lane = impl::self();
  lane.bulk_groups.push_back(std::move(lane.bulk_open));
  lane.bulk_open.clear();
}

}  // namespace vernier::cuda
