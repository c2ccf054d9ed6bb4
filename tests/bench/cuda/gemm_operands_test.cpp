// The operands and the check of the GPU benchmark of products, on the emulator: right results pass, and results that are a little wrong do
// not.
#include "cuda/gemm_operands.cuh"

#include <gtest/gtest.h>

namespace vernier::bench {
namespace {

constexpr int n = 80, k = 1088, m = 3;

template <cuda::MmaConfig C>
void multiply(const GemmCall& c) {
  using X = TypeOf<C.operand>;
  const cuda::Activations<X> x{{static_cast<const X*>(c.x), c.m, c.w.k}, c.x_scales};
  if constexpr (C.operand == Precision::bf16)
    cuda::gemm_with<C>(x, c.w, MatrixView<bf16>(static_cast<bf16*>(c.y), c.m, c.w.n), c.options);
  else
    cuda::gemm_with<C>(x, c.w, MatrixView<f16>(static_cast<f16*>(c.y), c.m, c.w.n), c.options);
}

template <cuda::MmaConfig C>
void expect_told_apart(const char* name) {
  SCOPED_TRACE(name);
  const cuda::OwnedStream stream;
  const GemmFormat& format = find_gemm_format(name);
  const WeightCopies weights(Arch::sm80, n, k, format.weights, 2, stream);
  GemmOperands operands(Arch::sm80, 4, m, n, k, stream);
  GemmCall call = operands.call(format, weights.view(0), m);
  EXPECT_GT(operands.worst(call, noise_of(call)), 1) << "nothing was computed";
  for (const int copy : {0, 1}) {
    operands.forget_result();
    call.w = weights.view(copy);
    multiply<C>(call);
    EXPECT_LE(operands.worst(call, noise_of(call)), 1) << "copy " << copy;
  }
  // The last 64 columns are left out of the first token's product.
  const std::size_t size = static_cast<std::size_t>(bits(format.operand)) / 8;
  auto* const x = static_cast<std::uint8_t*>(const_cast<void*>(call.x)) + (k - 64) * size;
  cuda::runtime::fill(x, 0, 64 * size, stream);
  multiply<C>(call);
  (void)operands.call(format, weights.view(0), m);  // x as it was, and no result
  EXPECT_GT(operands.worst(call, noise_of(call)), 1) << "nothing was computed";
  cuda::runtime::fill(x, 0, 64 * size, stream);
  multiply<C>(call);
  fill_codes(Arch::sm80, const_cast<void*>(call.x), m * k * size, format.operand, 3, stream);
  EXPECT_GT(operands.worst(call, noise_of(call)), 1) << "a step of k is missing";
}

TEST(GemmOperands, TellRightFromWrong) {
  expect_told_apart<{.weight = Precision::nf4, .part = 64, .warps_k = 2, .stages = 2}>("nf4");
  expect_told_apart<{.weight = Precision::nf4, .part = 64, .warps_k = 2, .stages = 2, .exact_nf4 = true}>("nf4-exact");
  expect_told_apart<{.weight = Precision::f16, .warps_k = 2, .stages = 2}>("f16");
  expect_told_apart<{.weight = Precision::bf16, .operand = Precision::bf16, .warps_k = 2, .stages = 2}>("bf16");
  expect_told_apart<{.weight = Precision::i8, .operand = Precision::i8, .warps_k = 2, .stages = 2}>("i8/i8");
  expect_told_apart<{.weight = Precision::i8, .part = 64, .warps_k = 2, .stages = 2}>("i8-64");
}

/// Codes in plain rows are those that the packed matrix has.
template <Precision P>
void expect_same_codes() {
  const cuda::OwnedStream stream;
  const WeightCopies weights(Arch::sm80, n, k, default_format(P), 1, stream);
  const cuda::WeightView w = weights.view(0);
  const std::size_t bytes = static_cast<std::size_t>(n * k * bits(P) / 8), groups = static_cast<std::size_t>(n * k / 64);
  cuda::DeviceBuffer<std::uint8_t> codes(bytes);
  cuda::DeviceBuffer<float> absmax(groups);
  cuda::launch_on<RowMajor<P>>(Arch::sm80, {2}, {w, codes.data(), absmax.data()}, stream);
  std::vector<std::uint8_t> host(bytes), packed(w.tile().total_bytes());
  std::vector<float> scales(MmaTile::scale_index(w.tile().row_tiles() * MmaTile::rows, 0, w.scale_groups)), rows(groups);
  cuda::download(codes.data(), std::span<std::uint8_t>(host), stream);
  cuda::download(w.codes, std::span<std::uint8_t>(packed), stream);
  cuda::download(w.scales, std::span<float>(scales), stream);
  if (P == Precision::nf4) cuda::download(absmax.data(), std::span<float>(rows), stream);
  stream.synchronize();
  for (int row = 0; row < n; ++row)
    for (int col = 0; col < k; ++col) {
      const unsigned stored = packed[w.tile().byte_offset(row, col)], plain = host[static_cast<std::size_t>((row * k + col) * bits(P) / 8)];
      if (P != Precision::nf4) {
        ASSERT_EQ(plain, stored) << row << ", " << col;
        continue;
      }
      const unsigned place = MmaTile::high_nibble(col) ? stored >> 4 : stored & 15u;
      ASSERT_EQ(col % 2 == 0 ? plain >> 4 : plain & 15u, MmaTile::nf4_code(place)) << row << ", " << col;
      ASSERT_EQ(rows[static_cast<std::size_t>((row * k + col) / 64)], scales[MmaTile::scale_index(row, col / 64, w.scale_groups)]);
    }
}
TEST(RowMajor, HasTheSameCodes) {
  expect_same_codes<Precision::nf4>();
  expect_same_codes<Precision::i8>();
  expect_same_codes<Precision::e4m3>();
}

TEST(RandomCodes, AreOrdinary) {
  for (std::uint64_t i = 0; i < 5000; ++i) {
    const std::uint32_t r = hashed(i, 7);
    for (int half = 0; half < 2; ++half) {
      const auto f = std::abs(f16{static_cast<std::uint16_t>(ordinary(Precision::f16, r) >> 16 * half)}.decode());
      const auto b = std::abs(bf16{static_cast<std::uint16_t>(ordinary(Precision::bf16, r) >> 16 * half)}.decode());
      ASSERT_TRUE(f >= 0.125f && f < 2 && b >= 0.125f && b < 2) << f << " " << b;
    }
    for (int byte = 0; byte < 4; ++byte) {
      const auto e4 = std::abs(e4m3{static_cast<std::uint8_t>(ordinary(Precision::e4m3, r) >> 8 * byte)}.decode());
      const auto e5 = std::abs(e5m2{static_cast<std::uint8_t>(ordinary(Precision::e5m2, r) >> 8 * byte)}.decode());
      ASSERT_TRUE(e4 >= 0.125f && e4 < 2 && e5 >= 0.125f && e5 < 2) << e4 << " " << e5;
      ASSERT_NE(ordinary(Precision::i8, r) >> 8 * byte & 0xffu, 0x80u);
    }
  }
}

}  // namespace
}  // namespace vernier::bench
