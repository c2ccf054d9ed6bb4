// Which element of a matrix each register of each lane holds, written from the figures and formulas of the PTX ISA, section "Matrix
// multiply-accumulate operation using mma instruction" and "ldmatrix". The emulator has its own version of these; they must not share code.
#pragma once

namespace vernier::layouts {

struct Place {
  int row, col;
};

constexpr int group_id(int lane) { return lane >> 2; }
constexpr int thread_in_group(int lane) { return lane % 4; }

/// A of m16n8k16, 16-bit: elements a0 .. a7 of a lane, two to a register.
constexpr Place a_m16n8k16(int lane, int i) {
  const bool upper = (0 <= i && i < 2) || (4 <= i && i < 6);
  return {upper ? group_id(lane) : group_id(lane) + 8, thread_in_group(lane) * 2 + (i & 1) + (i < 4 ? 0 : 8)};
}
/// B of m16n8k16: b0 .. b3. row counts k, col counts n.
constexpr Place b_m16n8k16(int lane, int i) { return {thread_in_group(lane) * 2 + (i & 1) + (i < 2 ? 0 : 8), group_id(lane)}; }

/// A of m16n8k32, 8-bit: a0 .. a15, four to a register.
constexpr Place a_m16n8k32(int lane, int i) {
  const bool upper = (0 <= i && i < 4) || (8 <= i && i < 12);
  return {upper ? group_id(lane) : group_id(lane) + 8, thread_in_group(lane) * 4 + (i & 3) + (i < 8 ? 0 : 16)};
}
/// B of m16n8k32: b0 .. b7.
constexpr Place b_m16n8k32(int lane, int i) { return {thread_in_group(lane) * 4 + (i & 3) + (i < 4 ? 0 : 16), group_id(lane)}; }

/// C of both: c0 .. c3.
constexpr Place c_m16n8(int lane, int i) { return {i < 2 ? group_id(lane) : group_id(lane) + 8, thread_in_group(lane) * 2 + (i & 1)}; }

/// ldmatrix without .trans: threads 0 to 3 hold the first row, two elements each, threads 4 to 7 the second, and so on.
constexpr Place ldmatrix(int lane, int i) { return {lane / 4, lane % 4 * 2 + i}; }
/// With .trans the matrix is loaded in column-major order.
constexpr Place ldmatrix_trans(int lane, int i) { return {lane % 4 * 2 + i, lane / 4}; }

/// D of wgmma.m64nN: the element of d0 .. of a thread of the warpgroup. From the figure of the accumulator in section "Register fragments
/// and shared memory matrix layouts".
constexpr Place d_wgmma(int thread, int i) {
  const int warp = thread / 32, lane = thread % 32;
  return {warp * 16 + group_id(lane) + ((i & 2) != 0 ? 8 : 0), (i >> 2) * 8 + thread_in_group(lane) * 2 + (i & 1)};
}

}  // namespace vernier::layouts
