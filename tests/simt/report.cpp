// The words of faults: who is where, and what is wrong with an address.
#include <algorithm>
#include <cstring>

#include "simt/scheduler.hpp"

namespace simt::detail {

std::string to_string(Where where) { return std::string(where.file) + ":" + std::to_string(where.line); }

std::string to_string(uint3 index) {
  return "(" + std::to_string(index.x) + "," + std::to_string(index.y) + "," + std::to_string(index.z) + ")";
}

void fault(const std::string& what, Where where) {
  const Quiet quiet;
  const Lane& lane = self();
  throw Fault(what + ", in thread " + std::to_string(lane.rank) + " of block " + to_string(lane.block->index) + " at " + to_string(where));
}

namespace {

bool on_mbarrier(const Lane& lane) { return std::strncmp(lane.instruction, "mbarrier", 8) == 0; }

bool same_place(const Lane& a, const Lane& b) {
  if (a.state != b.state) return false;
  return a.state == State::exited ||
         ((!on_mbarrier(a) || a.waits_for == b.waits_for) && a.where == b.where && std::strcmp(a.instruction, b.instruction) == 0);
}

std::string place(const Lane& lane) {
  switch (lane.state) {
    case State::exited: return "exited";
    case State::waiting:
      return std::string("waiting in ") + lane.instruction + " at " + to_string(lane.where) +
             (on_mbarrier(lane) ? ": " + describe_mbarrier(lane.waits_for) : "");
    case State::ready: return std::string("spinning, last in ") + lane.instruction + " at " + to_string(lane.where);
  }
  return "?";
}

}  // namespace

std::string Machine::report(const char* headline) const {
  std::string text = headline;
  const int threads = static_cast<int>(launch.block.x * launch.block.y * launch.block.z);
  for (const Block* block : resident_) {
    if (block->live == 0) continue;
    text += "\n  block " + to_string(block->index) + ":";
    for (int first = 0, next = 0; first < threads; first = next) {
      const Lane& lane = *block->lanes[static_cast<std::size_t>(first)];
      while (next < threads && same_place(lane, *block->lanes[static_cast<std::size_t>(next)])) ++next;
      text += "\n    threads " + std::to_string(first) + ".." + std::to_string(next - 1) + ": " + place(lane);
    }
    for (std::size_t id = 0; id < block->barriers.size(); ++id)
      if (const Barrier& barrier = block->barriers[id]; barrier.arrived > 0)
        text += "\n    barrier " + std::to_string(id) + ": " + std::to_string(barrier.arrived) + " of " + std::to_string(barrier.expected) +
                " threads have arrived";
  }
  if (!to_start_.empty())
    text += "\n  " + std::to_string(to_start_.size()) + " blocks have not started; " + std::to_string(options.resident_blocks) +
            " run at once (Options::resident_blocks)";
  return text;
}

std::uint32_t shared_offset(const void* p, std::size_t bytes, std::size_t alignment, const char* instruction, Where where) {
  const Block& block = *self().block;
  const auto at = reinterpret_cast<std::uintptr_t>(p), begin = reinterpret_cast<std::uintptr_t>(block.shared);
  if (at < begin || at + bytes > begin + block.shared_bytes)
    fault(std::string(instruction) + ": " + std::to_string(bytes) + " bytes at offset " +
              std::to_string(static_cast<std::ptrdiff_t>(at - begin)) + " are outside the block's shared memory of " +
              std::to_string(block.shared_bytes) + " bytes",
          where);
  if ((at - begin) % alignment != 0)
    fault(std::string(instruction) + ": shared address " + std::to_string(at - begin) + " is misaligned; it must be a multiple of " +
              std::to_string(alignment),
          where);
  return static_cast<std::uint32_t>(at - begin);
}

std::byte* shared_pointer(const Block& block, std::uint32_t offset, std::size_t bytes, const char* instruction, Where where) {
  if (offset + bytes > block.shared_bytes)
    throw Fault(std::string(instruction) + ": " + std::to_string(bytes) + " bytes at offset " + std::to_string(offset) +
                " are outside the shared memory of block " + to_string(block.index) + ", which has " + std::to_string(block.shared_bytes) +
                " bytes, issued at " + to_string(where));
  return block.shared + offset;
}

}  // namespace simt::detail
