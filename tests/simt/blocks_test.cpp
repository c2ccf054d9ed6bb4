// Blocks that work together, as split-K and stream-K do: semaphores that order them, the last one that sums up, a barrier of the grid.
// Under TSan these show too that acquire and release carry what was written.
#include <gtest/gtest.h>

#include <vector>

#include "simt/isa.hpp"
#include "simt/launch.hpp"

namespace simt {
namespace {

using vernier::cuda::atom_acq_rel_add;
using vernier::cuda::ld_acquire;
using vernier::cuda::red_release_add;
using vernier::cuda::st_release;

constexpr unsigned tiles = 3, slices = 5, width = 32;

/// A number that shows in which order slices were added: floats do not commute with rounding.
float part(unsigned tile, unsigned slice, unsigned i) { return static_cast<float>(1 + tile + i) / static_cast<float>(3 + slice * slice); }

float sum_in_order(unsigned tile, unsigned i) {
  float sum = 0;
  for (unsigned slice = 0; slice < slices; ++slice) sum += part(tile, slice, i);
  return sum;
}

class Blocks : public testing::TestWithParam<Options> {
 protected:
  /// The schedule, with so many blocks at once.
  static Options resident(int blocks) {
    Options options = GetParam();
    options.resident_blocks = blocks;
    return options;
  }
};

/// Each slice waits until the one before it has added its part: sums have the same bits whoever runs first.
void add_in_turn(std::vector<float>& sums, std::vector<int>& turn) {
  const unsigned tile = blockIdx.x, slice = blockIdx.y, i = threadIdx.x;
  if (i == 0)
    while (ld_acquire(&turn[tile]) != static_cast<int>(slice)) {
    }
  __syncthreads();
  sums[width * tile + i] += part(tile, slice, i);
  __syncthreads();
  if (i == 0) st_release(&turn[tile], static_cast<int>(slice + 1));
}

void expect_in_order(const std::vector<float>& sums) {
  for (unsigned tile = 0; tile < tiles; ++tile)
    for (unsigned i = 0; i < width; ++i) EXPECT_EQ(sums[width * tile + i], sum_in_order(tile, i)) << tile << " " << i;
}

TEST_P(Blocks, SlicesAddInTurn) {
  std::vector<float> sums(tiles * width);
  std::vector<int> turn(tiles);
  run({.grid = {tiles, slices}, .block = width}, resident(tiles * slices), [&](unsigned char*) { add_in_turn(sums, turn); });
  expect_in_order(sums);
}

TEST(BlocksInOrder, SlicesAddInTurnWithTwoBlocksAtOnce) {  // as a GPU starts them: a block waits only for those that have started
  std::vector<float> sums(tiles * width);
  std::vector<int> turn(tiles);
  run({.grid = {tiles, slices}, .block = width}, {.resident_blocks = 2}, [&](unsigned char*) { add_in_turn(sums, turn); });
  expect_in_order(sums);
}

TEST(BlocksInOrder, AWaitForWhatHasNotStartedIsReported) {
  std::vector<float> sums(tiles * width);
  std::vector<int> turn(tiles);
  try {
    run({.grid = {tiles, slices}, .block = width}, {.order = Order::descending, .resident_blocks = 2},
        [&](unsigned char*) { add_in_turn(sums, turn); });
    ADD_FAILURE() << "ran to its end";
  } catch (const Fault& fault) {
    const std::string said = fault.what();
    EXPECT_NE(said.find("13 blocks have not started; 2 run at once"), said.npos) << said;
    EXPECT_NE(said.find("blocks_test.cpp:"), said.npos) << said;
  }
}

/// Parts go to a workspace; the block that comes last adds them, in their order.
TEST_P(Blocks, TheLastOneAddsTheParts) {
  std::vector<float> sums(tiles * width), parts(tiles * slices * width);
  std::vector<int> arrived(tiles), last(tiles * slices);
  const auto kernel = [&](unsigned char*) {
    const unsigned tile = blockIdx.x, slice = blockIdx.y, i = threadIdx.x;
    parts[width * (slices * tile + slice) + i] = part(tile, slice, i);
    __syncthreads();
    int* const mine = &last[slices * tile + slice];
    if (i == 0) *mine = atom_acq_rel_add(&arrived[tile], 1) == static_cast<int>(slices) - 1;
    __syncthreads();
    if (*mine == 0) return;
    for (unsigned s = 0; s < slices; ++s) sums[width * tile + i] += parts[width * (slices * tile + s) + i];
  };
  for (const int blocks : {1, 4, 15}) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    std::fill(arrived.begin(), arrived.end(), 0);
    run({.grid = {tiles, slices}, .block = width}, resident(blocks), kernel);
    expect_in_order(sums);
  }
}

/// Six phases, in each of which every block reads what all others wrote in the one before.
TEST_P(Blocks, BarrierOfTheGrid) {
  constexpr int blocks = 6;
  std::vector<int> values(blocks, 1), next(blocks);
  int arrived = 0;
  run({.grid = blocks, .block = width}, resident(blocks), [&](unsigned char*) {
    for (int phase = 1; phase <= 12; ++phase) {
      if (threadIdx.x == 0) {
        if (phase % 2 == 1) {
          int sum = 0;
          for (const int value : values) sum += value;
          next[blockIdx.x] = sum % 1009;
        } else {
          values[blockIdx.x] = next[(blockIdx.x + 1) % blocks] + static_cast<int>(blockIdx.x);
        }
        red_release_add(&arrived, 1);
        while (ld_acquire(&arrived) < phase * blocks) {
        }
      }
      __syncthreads();
    }
  });
  std::vector<int> want(blocks, 1);
  for (int round = 0; round < 6; ++round) {
    int sum = 0;
    for (const int value : want) sum += value;
    for (int b = 0; b < blocks; ++b) want[static_cast<std::size_t>(b)] = sum % 1009 + b;
  }
  EXPECT_EQ(values, want);
}

INSTANTIATE_TEST_SUITE_P(Schedules, Blocks, testing::ValuesIn(schedules(4)));

}  // namespace
}  // namespace simt
