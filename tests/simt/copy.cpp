// cp.async. The target reads as NaN from the issue on, and gets its bytes only when the thread waits, or when an mbarrier is told of them:
// whoever reads too early, or overwrites what others still read, gets wrong numbers in every schedule.
#include <algorithm>
#include <cstring>

#include "simt/isa.hpp"
#include "simt/scheduler.hpp"

namespace simt::detail {

namespace {

void land(const ThreadCopy& copy) {
  note_read(copy.from, copy.from_bytes, "cp.async", copy.where);
  note_write(copy.to, copy.bytes, "cp.async", copy.where);
  if (copy.from_bytes != 0) std::memcpy(copy.to, copy.from, copy.from_bytes);
  std::memset(copy.to + copy.from_bytes, 0, copy.bytes - copy.from_bytes);
}

}  // namespace

void CopyQueue::clear() {
  copies.clear();
  groups.clear();
  committed = 0;
}

void cp_async(void* shared, const void* global, int bytes, int global_bytes, Where where) {
  const Quiet quiet;
  const auto size = static_cast<std::size_t>(bytes);
  (void)shared_offset(shared, size, size, "cp.async", where);
  if (global_bytes < 0 || global_bytes > bytes)
    fault("cp.async: " + std::to_string(global_bytes) + " bytes to read for " + std::to_string(bytes) + " to write", where);
  if (reinterpret_cast<std::uintptr_t>(global) % size != 0 && global_bytes != 0)
    fault("cp.async: the global address is not a multiple of " + std::to_string(bytes), where);
  ++machine().counters.async_copies;
  note_write(shared, size, "cp.async", where);
  std::memset(shared, 0xff, size);
  self().copies.copies.push_back(
      {static_cast<std::byte*>(shared), static_cast<const std::byte*>(global), size, static_cast<std::size_t>(global_bytes), where});
}

void cp_async_wait(int pending) {
  const Quiet quiet;
  CopyQueue& queue = self().copies;
  std::size_t landed = 0;
  for (; queue.groups.size() > static_cast<std::size_t>(pending); queue.groups.pop_front()) landed += queue.groups.front();
  const auto end = queue.copies.begin() + static_cast<std::ptrdiff_t>(landed);
  std::for_each(queue.copies.begin(), end, land);
  queue.copies.erase(queue.copies.begin(), end);
  queue.committed -= landed;
}

}  // namespace simt::detail

namespace vernier::cuda {

void cp_async_commit() {
  const simt::detail::Quiet quiet;
  simt::detail::CopyQueue& queue = simt::detail::self().copies;
  queue.groups.push_back(queue.copies.size() - queue.committed);
  queue.committed = queue.copies.size();
}

void cp_async_mbarrier_arrive_noinc(std::uint64_t* barrier, Where where) {
  using namespace simt::detail;
  const Quiet quiet;
  (void)shared_offset(barrier, 8, 8, "cp.async.mbarrier.arrive", where);
  Lane& lane = self();
  std::vector<ThreadCopy> all = std::move(lane.copies.copies);
  const std::size_t groups = lane.copies.groups.size();
  lane.copies.clear();
  lane.copies.groups.assign(groups, 0);
  Block* block = lane.block;
  machine().later(*block, [all = std::move(all), barrier, block, where] {
    for (const ThreadCopy& copy : all) land(copy);
    complete_arrival(*block, barrier, where);
  });
}

}  // namespace vernier::cuda
