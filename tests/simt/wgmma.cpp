// wgmma. The sums read as NaN from the issue on; operands are read, and sums written, only when the thread waits: who refills an operand or
// reads a sum too early gets wrong numbers. Each thread computes its own sums, which needs no other thread, only shared memory.
#include <algorithm>
#include <cstring>

#include "simt/isa.hpp"
#include "simt/warp.hpp"
#include "vernier/types/fp8.hpp"

namespace simt::detail {
namespace {

using vernier::cuda::Swizzle;

constexpr int k_bytes = 32;  // of every wgmma

/// The address of byte `k` of row `r`, as the descriptor says.
std::uint32_t operand_offset(std::uint64_t descriptor, int row, int k) {
  const auto field = [descriptor](int shift) { return static_cast<std::uint32_t>(descriptor >> shift & 0x3fff) << 4; };
  const std::uint32_t start = field(0), k_step = field(16), group_step = field(32);
  const auto r = static_cast<std::uint32_t>(row), byte = static_cast<std::uint32_t>(k);
  const auto mode = static_cast<unsigned>(descriptor >> 62);
  if (mode == 0) return start + r / 8 * group_step + byte / 16 * k_step + r % 8 * 16 + byte % 16;
  const std::uint32_t pitch = 256u >> mode;  // 128, 64 or 32 bytes
  const std::uint32_t at = start + r / 8 * group_step + r % 8 * pitch + byte;
  return at ^ (at >> 7 & (pitch / 16 - 1)) << 4;
}

int element_bytes(WgmmaType type) { return type == WgmmaType::f16 || type == WgmmaType::bf16 ? 2 : 1; }

double decode(WgmmaType type, const std::byte* p) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, p, static_cast<std::size_t>(element_bytes(type)));
  const auto byte = static_cast<std::uint8_t>(bits);
  switch (type) {
    case WgmmaType::f16: return static_cast<double>(vernier::f16{bits}.decode());
    case WgmmaType::bf16: return static_cast<double>(vernier::bf16{bits}.decode());
    case WgmmaType::e4m3: return static_cast<double>(vernier::e4m3{byte}.decode());
    case WgmmaType::e5m2: return static_cast<double>(vernier::e5m2{byte}.decode());
    case WgmmaType::i8: return static_cast<std::int8_t>(byte);
  }
  return 0;
}

/// The 32 bytes of a row, as numbers. Read as two chunks of 16 bytes, which a swizzle keeps whole.
void read_row(const Lane& lane, const Wgmma& op, std::uint64_t descriptor, int row, double* values) {
  const int size = element_bytes(op.type);
  for (int k = 0; k < k_bytes; k += 16) {
    const std::byte* chunk = shared_pointer(*lane.block, operand_offset(descriptor, row, k), 16, "wgmma", op.where);
    note_read(chunk, 16, "wgmma", op.where);
    for (int i = 0; i < 16; i += size) values[(k + i) / size] = decode(op.type, chunk + i);
  }
}

/// Row l / 4, or the one eight below, of the 16 of the thread's warp.
void read_row_of_a(const Lane& lane, const Wgmma& op, int half, double* values) {
  if (op.registers == nullptr) return read_row(lane, op, op.a, lane.rank / 32 % 4 * 16 + lane.id() / 4 + 8 * half, values);
  const int size = element_bytes(op.type);
  for (int i = 0; i < k_bytes; i += size)
    values[i / size] = decode(op.type, &op.rows[static_cast<std::size_t>(half)][static_cast<std::size_t>(i)]);
}

void add(WgmmaType type, std::uint32_t& sum, double products) {
  if (type == WgmmaType::i8)
    sum += static_cast<std::uint32_t>(static_cast<std::int64_t>(products));
  else
    sum = vernier::float_bits(static_cast<float>(static_cast<double>(vernier::bits_float(sum)) + products));
}

/// Adds the products of one wgmma to the thread's sums.
void multiply(const Lane& lane, const Wgmma& op, std::vector<std::uint32_t>& sums) {
  const int k = k_bytes / element_bytes(op.type), count = static_cast<int>(sums.size());
  double a[2][k_bytes], b[k_bytes];
  for (int half = 0; half < 2; ++half) read_row_of_a(lane, op, half, a[half]);
  for (int col = 0; col < count / 2; ++col) {  // the thread's columns: two of every eight
    read_row(lane, op, op.b, col / 2 * 8 + 2 * (lane.id() % 4) + col % 2, b);
    for (int half = 0; half < 2; ++half) {
      double sum = 0;
      for (int x = 0; x < k; ++x) sum += a[half][x] * b[x];
      add(op.type, sums[static_cast<std::size_t>(4 * (col / 2) + 2 * half + col % 2)], sum);
    }
  }
}

/// The four lanes of a group hold their two rows of A between them: registers 0 and 1 the first 16 bytes of either, four a lane, 2 and 3
/// the others. Each lane gets all of it.
void share_rows(const std::array<Wgmma*, 32>& lanes) {
  ++machine().counters.matrix_products;
  if (lanes[0]->registers == nullptr) return;
  for (std::size_t lane = 0; lane < 32; ++lane)
    for (std::size_t r = 0; r < 4; ++r)
      for (std::size_t to = lane / 4 * 4; to < lane / 4 * 4 + 4; ++to)
        std::memcpy(&lanes[to]->rows[r % 2][r / 2 * 16 + lane % 4 * 4], &lanes[lane]->registers[r], 4);
}

/// The four warps of a warpgroup must issue the same instructions: the first to come to its n-th says what it is.
void expect_same_in_warpgroup(Lane& lane, const Wgmma& op, Where where) {
  Block& block = *lane.block;
  const auto group = static_cast<std::size_t>(lane.rank / 128);
  if (4 * group + 3 >= block.warps.size()) fault("wgmma: the warpgroup has fewer than four warps", where);
  if (block.wgmmas.size() <= group) block.wgmmas.resize(group + 1);
  auto& issued = block.wgmmas[group];
  const std::size_t turn = lane.wgmmas_issued++;
  const std::array<std::uint64_t, 2> operands{op.a, op.b};
  if (turn == issued.size()) issued.push_back(operands);
  if (issued[turn] != operands) fault("wgmma: the threads of the warpgroup name different operands", where);
}

}  // namespace

void wgmma(void* sums, int count, Wgmma op) {
  const Quiet quiet;
  Lane& lane = self();
  const char* name = op.registers == nullptr ? "wgmma.mma_async" : "wgmma.mma_async (A in registers)";
  meet(
      {.name = name, .aligned = true}, all_lanes, op, [](const std::array<Wgmma*, 32>& lanes) { share_rows(lanes); }, op.where);
  expect_same_in_warpgroup(lane, op, op.where);
  op.sums = sums;
  auto& saved = lane.wgmma_sums[sums];
  const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(std::uint32_t);
  if (saved.empty()) {
    saved.resize(static_cast<std::size_t>(count));
    std::memcpy(saved.data(), sums, bytes);
  }
  std::memset(sums, 0xff, bytes);
  lane.wgmma_open.push_back(op);
}

void wgmma_wait(int pending, Where) {
  const Quiet quiet;
  Lane& lane = self();
  auto& groups = lane.wgmma_groups;
  for (; groups.size() > static_cast<std::size_t>(pending); groups.pop_front())
    for (const Wgmma& op : groups.front()) multiply(lane, op, lane.wgmma_sums[op.sums]);
  const auto under_way = [&](const void* sums) {
    const auto uses = [sums](const Wgmma& op) { return op.sums == sums; };
    return std::any_of(groups.begin(), groups.end(), [&](const auto& group) { return std::any_of(group.begin(), group.end(), uses); }) ||
           std::any_of(lane.wgmma_open.begin(), lane.wgmma_open.end(), uses);
  };
  for (auto it = lane.wgmma_sums.begin(); it != lane.wgmma_sums.end();) {
    if (under_way(it->first)) {
      ++it;
      continue;
    }
    std::memcpy(it->first, it->second.data(), it->second.size() * sizeof(std::uint32_t));
    it = lane.wgmma_sums.erase(it);
  }
}

void wgmma_commit() {
  const Quiet quiet;
  Lane& lane = self();
  lane.wgmma_groups.push_back(std::move(lane.wgmma_open));
  lane.wgmma_open.clear();
}

}  // namespace simt::detail
