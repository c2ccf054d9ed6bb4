// Instructions that the lanes of a warp execute together. For the emulator's own sources.
#pragma once

#include <array>

#include "simt/scheduler.hpp"

namespace simt::detail {

inline constexpr unsigned all_lanes = 0xffffffffu;

/// What kind of instruction the lanes meet for.
struct Collective {
  const char* name = "";
  bool aligned = false;        // all lanes must be at the same place in the source, as .aligned demands
  bool orders_memory = false;  // what a lane did before is visible to the others behind
};

/// The lanes of `mask` meet; the last one to arrive runs `op` over what all of them brought (null for lanes outside the mask). Faults if
/// the lanes are not at the same instruction with the same mask, or if the mask names lanes that have exited.
using WarpOp = void (*)(const std::array<void*, 32>& operands);
void meet(const Collective& collective, unsigned mask, void* mine, WarpOp op, Where where);

/// meet() with typed operands: `Op` is a captureless lambda over std::array<T*, 32>.
template <class T, class Op>
void meet(const Collective& collective, unsigned mask, T& mine, Op, Where where) {
  meet(
      collective, mask, static_cast<void*>(&mine),
      [](const std::array<void*, 32>& operands) {
        std::array<T*, 32> lanes{};
        for (std::size_t i = 0; i < lanes.size(); ++i) lanes[i] = static_cast<T*>(operands[i]);
        Op{}(lanes);
      },
      where);
}

/// Counts the wavefronts of one shared-memory request of a warp beyond the least possible: each lane of `mask` brings the address of
/// `bytes` bytes. 8-byte accesses are served in halves of a warp, 16-byte ones in quarters; lanes that read the same word share it.
int bank_conflicts(const std::array<std::uint32_t, 32>& offsets, unsigned mask, int bytes);

}  // namespace simt::detail
