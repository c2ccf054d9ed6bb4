// The CUDA cache holds, code for code and scale for scale, what the CPU's holds; sequences share and copy its pages.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "support/cuda_kv.hpp"
#include "support/kv.hpp"
#include "vernier/attention/reference.hpp"
#include "vernier/kv/gather.cuh"

namespace vernier::cuda {
namespace {

constexpr KvGeometry geometry_of(int head_dim) { return {.layers = 2, .kv_heads = 2, .head_dim = head_dim, .num_pages = 8}; }

struct Angles {
  std::vector<float> cos, sin;
  int half;
  Angles(int positions, int half_) : half(half_) {
    for (int p = 0; p < positions; ++p)
      for (int i = 0; i < half; ++i) {
        cos.push_back(std::cos(0.1f * static_cast<float>(p * (i + 1))));
        sin.push_back(std::sin(0.1f * static_cast<float>(p * (i + 1))));
      }
  }
  RotaryView view() const { return {cos.data(), sin.data(), half == 0 ? 0 : static_cast<int>(cos.size()) / half, half, half}; }
};

/// The same tokens in a cache of either kind.
struct Both {
  cpu::ThreadPool pool{1};
  vernier::KvCache cpu;
  test::CudaKv device;
  KvSequence on_cpu{cpu}, on_device{device.cache};

  Both(Precision precision, int head_dim)
      : cpu({.precision = precision}, geometry_of(head_dim)), device({.precision = precision}, geometry_of(head_dim)) {}

  /// Appends `count` tokens to both, with `group` query heads per kv head; the turned queries must agree.
  void append(int layer, int count, const Angles& angles, float sigma = 1, int group = 3) {
    const int cols = 2 * cpu.geometry().head_dim;
    ASSERT_TRUE(on_cpu.extend(count) && on_device.extend(count));
    const KvChunk chunk = on_cpu.last(count), there = on_device.last(count);
    auto k = test::token_rows(chunk, cols, 1), v = test::token_rows(chunk, cols, 2), q = test::token_rows(chunk, group * cols, 3);
    for (float& x : k) x *= sigma;
    for (float& x : v) x /= sigma;
    auto turned = q;
    vernier::append(pool, cpu, layer, {&chunk, 1}, {k.data(), count, cols}, {v.data(), count, cols}, angles.view());
    rotate(pool, {turned.data(), count, group * cols}, cpu.geometry().head_dim, {&chunk, 1}, angles.view());

    // Launched for two rows more than the batch has, which are not to be touched.
    const test::CudaBatch batch(device.cache, {&there, 1}, angles.view());
    for (auto* x : {&k, &v, &q}) x->resize(x->size() / static_cast<std::size_t>(count) * static_cast<std::size_t>(count + 2), 7.0f);
    turned.resize(q.size(), 7.0f);
    cuda::append(device.cache, layer, batch.view, {q.data(), count + 2, group * cols}, {k.data(), count + 2, cols},
                 {v.data(), count + 2, cols}, angles.view(), {});
    EXPECT_TRUE(q == turned);
  }

  void expect_equal_codes(int layer) const {
    const int dim = cpu.geometry().head_dim, bytes = bits(cpu.config().precision) / 8;
    for (int p = 0; p < on_cpu.tokens(); ++p)
      for (int head = 0; head < 2; ++head) {
        const auto u = static_cast<std::size_t>(p / 32);
        const ConstKvRun a = cpu.run(layer, head, on_cpu.pages()[u]), b = device.cache.run(layer, head, on_device.pages()[u]);
        const KvLayout &la = cpu.layout(), &lb = device.cache.layout();
        const auto same = [&](const std::uint8_t* x, std::size_t i, const std::uint8_t* y, std::size_t j) {
          const auto size = static_cast<std::size_t>(bytes);
          return std::memcmp(x + size * i, y + size * j, size) == 0;
        };
        for (int d = 0; d < dim; ++d) {
          ASSERT_TRUE(same(a.keys, la.key_index(d, p % 32), b.keys, lb.key_index(d, p % 32))) << "key " << p << ", " << d;
          ASSERT_TRUE(same(a.values, la.value_index(p % 32, d), b.values, lb.value_index(p % 32, d))) << "value " << p << ", " << d;
        }
        if (a.key_scales == nullptr) continue;
        EXPECT_EQ(float_bits(a.key_scales[p % 32]), float_bits(b.key_scales[p % 32])) << p;
        EXPECT_EQ(float_bits(a.value_scales[p % 32]), float_bits(b.value_scales[p % 32])) << p;
      }
  }
};

class CudaKvTest : public testing::TestWithParam<Precision> {};

TEST_P(CudaKvTest, CodesAreThoseOfTheCpu) {
  for (const simt::Options& options : simt::schedules()) {
    simt::session().options = options;
    for (int head_dim : {80, 64, 128}) {
      if (head_dim != 80 && options.order == simt::Order::random) continue;  // one size will do for those
      SCOPED_TRACE(to_string(options) + ", head_dim " + std::to_string(head_dim));
      Both both(GetParam(), head_dim);
      const Angles angles(64, head_dim / 2), fewer(64, 16), none(64, 0);
      both.append(1, 5, angles);
      both.append(1, 1, fewer, 1000.0f);
      both.append(1, 30, none, 1e-38f);
      both.append(1, 1, angles, 1e30f, 0);
      both.expect_equal_codes(1);
    }
  }
}

TEST_P(CudaKvTest, ARowThatIsNotFiniteIsNotHidden) {
  Both both(GetParam(), 64);
  ASSERT_TRUE(both.on_device.extend(1));
  const KvChunk chunk = both.on_device.last(1);
  const test::CudaBatch batch(both.device.cache, {&chunk, 1});
  for (float bad : {NAN, INFINITY}) {
    std::vector<float> k(128, 1.0f), v = k;
    k[3] = v[5] = bad;
    cuda::append(both.device.cache, 0, batch.view, {}, {k.data(), 1, 128}, {v.data(), 1, 128}, {}, {});
    EXPECT_FALSE(std::isfinite(reference::cached_key(both.device.cache, 0, 0, chunk.pages, 0, 3)));
    EXPECT_FALSE(std::isfinite(reference::cached_value(both.device.cache, 0, 0, chunk.pages, 0, 5)));
    EXPECT_TRUE(std::isfinite(reference::cached_key(both.device.cache, 0, 1, chunk.pages, 0, 3)));
  }
}

TEST_P(CudaKvTest, GatherReadsWhatTheCodesStandFor) {
  Both both(GetParam(), 80);
  both.append(0, 40, Angles(40, 40));
  const std::vector<int> pages(both.on_device.pages().begin(), both.on_device.pages().end());
  for (bool values : {false, true}) {
    std::vector<float> out(40 * 80);
    gather(both.device.cache, 0, 1, values, pages.data(), {out.data(), 40, 80}, {});
    for (int i = 0; i < 40 * 80; ++i) {
      const double want = values ? reference::cached_value(both.cpu, 0, 1, both.on_cpu.pages(), i / 80, i % 80)
                                 : reference::cached_key(both.cpu, 0, 1, both.on_cpu.pages(), i / 80, i % 80);
      ASSERT_EQ(out[static_cast<std::size_t>(i)], static_cast<float>(want)) << i;
    }
  }
}

TEST_P(CudaKvTest, AForkCopiesTheSharedPageBeforeItWrites) {
  Both both(GetParam(), 64);
  both.append(0, 40, Angles(40, 32));
  both.on_cpu.truncate(0);
  KvSequence fork = both.on_device.fork(35);
  EXPECT_EQ(fork.pages()[1], both.on_device.pages()[1]);
  ASSERT_TRUE(fork.extend(1));
  EXPECT_EQ(fork.pages()[0], both.on_device.pages()[0]);
  EXPECT_NE(fork.pages()[1], both.on_device.pages()[1]);
  for (int layer : {0, 1})
    for (int head : {0, 1})
      EXPECT_EQ(std::memcmp(both.device.cache.run(layer, head, fork.pages()[1]).keys,
                            both.device.cache.run(layer, head, both.on_device.pages()[1]).keys, both.device.cache.layout().run_bytes()),
                0);
}

INSTANTIATE_TEST_SUITE_P(Formats, CudaKvTest, testing::ValuesIn(test::kv_precisions),
                         [](const auto& i) { return std::string(name(i.param)); });

TEST(CudaKv, NamesWhatDoesNotFit) {
  alignas(16) static std::uint8_t memory[16];
  const auto made = [](KvConfig config, KvGeometry geometry, Arch arch) {
    return test::error_of([&] { KvCache cache(config, geometry, memory, arch); });
  };
  EXPECT_EQ(made({.page_tokens = 16}, geometry_of(64), Arch::sm80),
            "vernier::cuda::KvCache: page_tokens = 16, expected 32, 64 or 128 (kernels take 32 keys a step)");
  EXPECT_EQ(made({}, geometry_of(72), Arch::sm80),
            "vernier::cuda::KvCache: head_dim = 72, expected a multiple of 16 (rows of 16-byte chunks)");
  EXPECT_EQ(made({}, geometry_of(64), Arch::cpu_avx2), "vernier::cuda::KvCache: arch = cpu_avx2, expected sm80, sm89 or sm90a");

  Both both(Precision::f16, 64);
  ASSERT_TRUE(both.on_device.extend(40));
  const KvChunk chunk = both.on_device.last(2);
  const test::CudaBatch batch(both.device.cache, {&chunk, 1});
  std::vector<float> x(4 * 256);
  const auto appended = [&](int layer, int cols, RotaryView rotary) {
    return test::error_of([&] {
      cuda::append(both.device.cache, layer, batch.view, {x.data(), 2, 256}, {x.data(), 2, cols}, {x.data(), 2, 128}, rotary, {});
    });
  };
  EXPECT_EQ(appended(2, 128, {}), "vernier::cuda::append: layer = 2, the cache has 2");
  EXPECT_EQ(appended(0, 64, {}), "vernier::cuda::append: k is (2, 64), expected (rows, kv_heads * head_dim) = (2, 128)");
  EXPECT_EQ(appended(0, 128, {x.data(), x.data(), 8, 6, 8}),
            "vernier::cuda::append: the rotary table has 6 angles a position, expected a multiple of 4 up to head_dim / 2 = 32");
  EXPECT_EQ(appended(0, 128, {x.data() + 1, x.data(), 8, 8, 8}),
            "vernier::cuda::append: rows of q, k, v and of the rotary table must be 16-byte aligned");

  KvBatchTables tables(1, 1, 4);
  std::vector<int> words(tables.words());
  EXPECT_EQ(test::error_of([&] {
              tables.fill(both.device.cache, {&chunk, 1}, {}, words);
            }),
            "vernier::cuda::KvBatchTables: the batch has 1 chunks, 2 tokens and 2 pages, but there is room for 1, 1 and 4");
}

}  // namespace
}  // namespace vernier::cuda
