// A first look: attention over pages agrees with the reference.
#include "vernier/attention/attention.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support/compare.hpp"
#include "vernier/attention/reference.hpp"

namespace vernier {
namespace {

TEST(Attention, AgreesWithTheReference) {
  for (Precision p : {Precision::f16, Precision::bf16, Precision::i8, Precision::e4m3, Precision::e5m2}) {
    KvCache cache({.precision = p}, {.layers = 2, .kv_heads = 3, .head_dim = 24, .num_pages = 64});
    cpu::ThreadPool pool(2);
    KvSequence a(cache), b(cache);
    ASSERT_TRUE(a.extend(600));
    ASSERT_TRUE(b.extend(70));
    const std::vector<KvChunk> batch{a.last(600), b.last(70)};
    const int rows = 670, heads = 9, dim = 24;
    const auto k = test::normal(rows * 3 * dim, 1), v = test::normal(rows * 3 * dim, 2), q = test::normal(rows * heads * dim, 3);
    append(pool, cache, 1, batch, {k.data(), rows, 3 * dim}, {v.data(), rows, 3 * dim}, {});
    std::vector<float> out(q.size());
    std::vector<double> want(q.size());
    AttentionWorkspace workspace;
    attention(pool, cache, 1, batch, {q.data(), rows, heads * dim}, {out.data(), rows, heads * dim}, AttentionOptions{}, workspace);
    reference::attention(cache, 1, batch, {q.data(), rows, heads * dim}, {want.data(), rows, heads * dim}, Causal{}, 1 / std::sqrt(24.0));
    test::Worst worst;
    for (std::size_t i = 0; i < out.size(); ++i) worst.add(i, want[i], static_cast<double>(out[i]), 1e-5);
    EXPECT_LE(worst.excess, 0) << name(p) << ": " << worst.text();
  }
}

}  // namespace
}  // namespace vernier
