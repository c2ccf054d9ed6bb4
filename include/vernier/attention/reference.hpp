// What attention over a KV cache means, in double and without tiles, splits or threads: softmax(scale * q * K^T) * V, key by key, on the
// values that the cache's codes stand for.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "vernier/core/matrix_view.hpp"
#include "vernier/kv/cache.hpp"
#include "vernier/policy/mask.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier::reference {

namespace detail {

template <Precision P>
double decode_code(const std::uint8_t* codes, std::size_t i) {
  using Signed = decltype(TypeOf<P>{}.bits);
  return static_cast<double>(TypeOf<P>{static_cast<Signed>(reinterpret_cast<const CodeOf<P>*>(codes)[i])}.decode());
}

inline double decode_code(Precision p, const std::uint8_t* codes, std::size_t i) {
  return visit_precision(p, [&]<Precision P>() { return decode_code<P>(codes, i); });
}

}  // namespace detail

/// Element d of the key at `position` of the sequence with these pages, as stored.
inline double cached_key(const KvCache& cache, int layer, int head, PageTable pages, int position, int d) {
  const int n = cache.config().page_tokens, slot = position % n;
  const ConstKvRun run = cache.run(layer, head, pages[static_cast<std::size_t>(position / n)]);
  const double scale = run.key_scales != nullptr ? static_cast<double>(run.key_scales[slot]) : 1.0;
  return detail::decode_code(cache.config().precision, run.keys, static_cast<std::size_t>(d * n + slot)) * scale;
}

/// Likewise of the value.
inline double cached_value(const KvCache& cache, int layer, int head, PageTable pages, int position, int d) {
  const int n = cache.config().page_tokens, slot = position % n;
  const ConstKvRun run = cache.run(layer, head, pages[static_cast<std::size_t>(position / n)]);
  const double scale = run.value_scales != nullptr ? static_cast<double>(run.value_scales[slot]) : 1.0;
  return detail::decode_code(cache.config().precision, run.values, static_cast<std::size_t>(slot * cache.layout().value_stride() + d)) *
         scale;
}

/// out: (tokens, heads * head_dim) in double; the rest as in vernier::attention. Checks nothing.
template <Mask M>
void attention(const KvCache& cache, int layer, std::span<const KvChunk> batch, MatrixView<const float> q, MatrixView<double> out,
               const M& mask, double scale) {
  const int dim = cache.geometry().head_dim, heads = q.cols / dim, group = heads / cache.geometry().kv_heads;
  std::vector<double> weight;
  int row = 0;
  for (const KvChunk& chunk : batch)
    for (int position = chunk.first; position < chunk.first + chunk.count; ++position, ++row)
      for (int head = 0; head < heads; ++head) {
        const int first = mask.first_key(position), end = mask.end_key(position);
        double largest = -INFINITY, sum = 0;
        weight.assign(static_cast<std::size_t>(std::max(0, end - first)), 0.0);
        for (int key = first; key < end; ++key) {
          double& score = weight[static_cast<std::size_t>(key - first)];
          for (int d = 0; d < dim; ++d)
            score += static_cast<double>(q(row, head * dim + d)) * cached_key(cache, layer, head / group, chunk.pages, key, d);
          score *= scale;
          largest = std::max(largest, score);
        }
        for (double& w : weight) sum += w = std::exp(w - largest);
        for (int d = 0; d < dim; ++d) {
          double mean = 0;
          for (int key = first; key < end; ++key)
            mean += weight[static_cast<std::size_t>(key - first)] * cached_value(cache, layer, head / group, chunk.pages, key, d);
          out(row, head * dim + d) = weight.empty() ? 0.0 : mean / sum;
        }
      }
}

}  // namespace vernier::reference
