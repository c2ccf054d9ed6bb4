// ldmatrix, stmatrix and mma.sync, with the fragment layouts of the PTX ISA: lane l has group l / 4 and position l % 4.
#include <cstring>

#include "simt/isa.hpp"
#include "simt/warp.hpp"
#include "vernier/types/fp8.hpp"

namespace simt::detail {
namespace {

/// What a lane brings to ldmatrix and stmatrix: a row, if it addresses one, and registers.
struct MatrixLane {
  std::byte* row = nullptr;
  std::uint32_t offset = 0;
  std::uint32_t* registers = nullptr;
  int matrices = 0;
};
using MatrixLanes = std::array<MatrixLane*, 32>;

/// The two elements of lane l's register for matrix m: calls f(row of the matrix, byte in that row, byte in the register).
template <bool Transposed, class F>
void for_each_element(int lane, F f) {
  for (int e = 0; e < 2; ++e) {
    const int along = 2 * (lane % 4) + e, across = lane / 4;
    f(Transposed ? along : across, 2 * (Transposed ? across : along), 2 * e);
  }
}

void count_matrix_access(const MatrixLanes& lanes, int matrices) {
  Counters& counters = machine().counters;
  ++counters.matrix_loads;
  std::array<std::uint32_t, 32> offsets{};
  for (std::size_t i = 0; i < 32; ++i) offsets[i] = lanes[i]->offset;
  for (int m = 0; m < matrices; ++m) counters.bank_conflicts += static_cast<unsigned>(bank_conflicts(offsets, 0xffu << 8 * m, 16));
}

template <bool Transposed, bool Store>
void move_matrices(const MatrixLanes& lanes) {
  const int matrices = lanes[0]->matrices;
  count_matrix_access(lanes, matrices);
  for (int lane = 0; lane < 32; ++lane)
    for (int m = 0; m < matrices; ++m)
      for_each_element<Transposed>(lane, [&](int row, int byte, int in_register) {
        std::byte* memory = lanes[static_cast<std::size_t>(8 * m + row)]->row + byte;
        auto* value = reinterpret_cast<std::byte*>(&lanes[static_cast<std::size_t>(lane)]->registers[m]) + in_register;
        std::memcpy(Store ? memory : value, Store ? value : memory, 2);
      });
}

template <bool Transposed, bool Store>
void matrix_access(std::uint32_t* registers, int matrices, const void* row, const char* name, Where where) {
  const Quiet quiet;
  MatrixLane mine{.row = static_cast<std::byte*>(const_cast<void*>(row)), .registers = registers, .matrices = matrices};
  if (self().id() < 8 * matrices) {  // the addresses of the other lanes are not looked at
    mine.offset = shared_offset(row, 16, 16, name, where);
    if (Store)
      note_write(row, 16, name, where);
    else
      note_read(row, 16, name, where);
  }
  meet(
      {.name = name, .aligned = true}, all_lanes, mine, [](const MatrixLanes& lanes) { move_matrices<Transposed, Store>(lanes); }, where);
}

/// How a 32-bit register holds operands of mma.
template <class T>
struct Small {
  using Sum = float;
  using Exact = double;
  static constexpr int k = 32 / static_cast<int>(sizeof(T));
  static double get(std::uint32_t bits) { return static_cast<double>(T{static_cast<decltype(T::bits)>(bits)}.decode()); }
  static float add(float c, double products) { return static_cast<float>(static_cast<double>(c) + products); }
};
struct Signed8 {
  using Sum = int;
  using Exact = int;
  static constexpr int k = 32;
  static int get(std::uint32_t bits) { return static_cast<std::int8_t>(bits); }
  static int add(int c, int products) { return static_cast<int>(static_cast<unsigned>(c) + static_cast<unsigned>(products)); }
};

template <class Sum>
struct ProductLane {
  Sum* c;
  const std::uint32_t* a;
  const std::uint32_t* b;
};

/// c += a * b^T. The products are exact; they are summed in double and added to c with one rounding, where a tensor core may truncate.
template <class E>
void multiply(const std::array<ProductLane<typename E::Sum>*, 32>& lanes) {
  ++machine().counters.matrix_products;
  constexpr int k = E::k, per_register = k / 8, element_bits = 32 / per_register;
  typename E::Exact a[16][k], b[8][k];
  for (int lane = 0; lane < 32; ++lane) {
    const auto& from = *lanes[static_cast<std::size_t>(lane)];
    const int g = lane / 4, t = lane % 4;
    for (int e = 0; e < per_register; ++e) {
      const auto value = [e](std::uint32_t r) { return E::get(r >> element_bits * e & (0xffffffffu >> (32 - element_bits))); };
      for (int r = 0; r < 4; ++r) a[g + r % 2 * 8][r / 2 * (k / 2) + per_register * t + e] = value(from.a[r]);
      for (int r = 0; r < 2; ++r) b[g][r * (k / 2) + per_register * t + e] = value(from.b[r]);
    }
  }
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + i / 2 * 8, col = 2 * (lane % 4) + i % 2;
      typename E::Exact sum{};
      for (int x = 0; x < k; ++x) sum += a[row][x] * b[col][x];
      auto& c = lanes[static_cast<std::size_t>(lane)]->c[i];
      c = E::add(c, sum);
    }
}

template <class E>
void mma(typename E::Sum (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], const char* name, Where where) {
  const Quiet quiet;
  ProductLane<typename E::Sum> mine{c, a, b};
  meet(
      {.name = name, .aligned = true}, all_lanes, mine, [](const auto& lanes) { multiply<E>(lanes); }, where);
}

}  // namespace
}  // namespace simt::detail

namespace vernier::cuda {

using simt::detail::matrix_access;
using simt::detail::mma;
using simt::detail::Signed8;
using simt::detail::Small;

void ldmatrix(std::uint32_t (&r)[1], const void* row, Where where) { matrix_access<false, false>(r, 1, row, "ldmatrix.x1", where); }
void ldmatrix(std::uint32_t (&r)[2], const void* row, Where where) { matrix_access<false, false>(r, 2, row, "ldmatrix.x2", where); }
void ldmatrix(std::uint32_t (&r)[4], const void* row, Where where) { matrix_access<false, false>(r, 4, row, "ldmatrix.x4", where); }
void ldmatrix_trans(std::uint32_t (&r)[1], const void* row, Where where) {
  matrix_access<true, false>(r, 1, row, "ldmatrix.x1.trans", where);
}
void ldmatrix_trans(std::uint32_t (&r)[2], const void* row, Where where) {
  matrix_access<true, false>(r, 2, row, "ldmatrix.x2.trans", where);
}
void ldmatrix_trans(std::uint32_t (&r)[4], const void* row, Where where) {
  matrix_access<true, false>(r, 4, row, "ldmatrix.x4.trans", where);
}
void stmatrix(void* row, const std::uint32_t (&r)[4], Where where) {
  matrix_access<false, true>(const_cast<std::uint32_t*>(r), 4, row, "stmatrix.x4", where);
}
void stmatrix_trans(void* row, const std::uint32_t (&r)[4], Where where) {
  matrix_access<true, true>(const_cast<std::uint32_t*>(r), 4, row, "stmatrix.x4.trans", where);
}

void mma_m16n8k16_f16(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], Where where) {
  mma<Small<f16>>(c, a, b, "mma.m16n8k16.f16", where);
}
void mma_m16n8k16_bf16(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], Where where) {
  mma<Small<bf16>>(c, a, b, "mma.m16n8k16.bf16", where);
}
void mma_m16n8k32_s8(int (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], Where where) {
  mma<Signed8>(c, a, b, "mma.m16n8k32.s8", where);
}
void mma_m16n8k32_e4m3(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], Where where) {
  mma<Small<e4m3>>(c, a, b, "mma.m16n8k32.e4m3", where);
}
void mma_m16n8k32_e5m2(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], Where where) {
  mma<Small<e5m2>>(c, a, b, "mma.m16n8k32.e5m2", where);
}

}  // namespace vernier::cuda
