// What attention over a KV cache means, in double and without tiles, splits or threads: softmax(scale * q * K^T) * V, key by key, on the
// values that the cache's codes stand for.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "vernier/core/matrix_view.hpp"
#include "vernier/kv/sequence.hpp"
#include "vernier/policy/mask.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier::reference {

namespace detail {

inline double decode_code(Precision p, const std::uint8_t* codes, std::size_t i) {
  return visit_precision(p, [&]<Precision P>() {
    using Signed = decltype(TypeOf<P>{}.bits);
    return static_cast<double>(TypeOf<P>{static_cast<Signed>(reinterpret_cast<const CodeOf<P>*>(codes)[i])}.decode());
  });
}

/// softmax(scores) * values for one query: scores (n), values (n, dim), out (dim). Zeros for n = 0.
inline void weighted_mean(std::vector<double>& scores, const double* values, int dim, double* out) {
  const double largest = scores.empty() ? 0.0 : *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& score : scores) sum += score = std::exp(score - largest);
  for (int d = 0; d < dim; ++d) {
    out[d] = 0;
    for (std::size_t j = 0; j < scores.size(); ++j)
      out[d] += scores[j] / sum * values[j * static_cast<std::size_t>(dim) + static_cast<std::size_t>(d)];
  }
}

}  // namespace detail

/// Element d of the key at `position` of the sequence with these pages, as stored. Cache: KvCache, or one like it whose memory the host
/// reads.
template <class Cache>
double cached_key(const Cache& cache, int layer, int head, PageTable pages, int position, int d) {
  const int n = cache.config().page_tokens, slot = position % n;
  const ConstKvRun run = cache.run(layer, head, pages[static_cast<std::size_t>(position / n)]);
  const double scale = run.key_scales != nullptr ? static_cast<double>(run.key_scales[slot]) : 1.0;
  return detail::decode_code(cache.config().precision, run.keys, cache.layout().key_index(d, slot)) * scale;
}

/// Likewise of the value.
template <class Cache>
double cached_value(const Cache& cache, int layer, int head, PageTable pages, int position, int d) {
  const int n = cache.config().page_tokens, slot = position % n;
  const ConstKvRun run = cache.run(layer, head, pages[static_cast<std::size_t>(position / n)]);
  const double scale = run.value_scales != nullptr ? static_cast<double>(run.value_scales[slot]) : 1.0;
  return detail::decode_code(cache.config().precision, run.values, cache.layout().value_index(slot, d)) * scale;
}

/// out: (tokens, heads * head_dim) in double; the rest as in vernier::attention. Checks nothing.
template <class Cache, Mask M>
void attention(const Cache& cache, int layer, std::span<const KvChunk> batch, MatrixView<const float> q, MatrixView<double> out,
               const M& mask, double scale) {
  const int dim = cache.geometry().head_dim, heads = q.cols / dim, group = heads / cache.geometry().kv_heads;
  std::vector<double> keys, values, scores;  // (length, dim) twice, then one query's
  int first_row = 0;
  for (const KvChunk& chunk : batch) {
    const std::size_t length = static_cast<std::size_t>(chunk.first + chunk.count), width = static_cast<std::size_t>(dim);
    for (int head = 0; head < heads; ++head) {
      keys.resize(length * width);
      values.resize(length * width);
      for (std::size_t i = 0; i < length * width && head % group == 0; ++i) {
        const int position = static_cast<int>(i / width), d = static_cast<int>(i % width);
        keys[i] = cached_key(cache, layer, head / group, chunk.pages, position, d);
        values[i] = cached_value(cache, layer, head / group, chunk.pages, position, d);
      }
      for (int i = 0; i < chunk.count; ++i) {
        const int first = mask.first_key(chunk.first + i), end = mask.end_key(chunk.first + i);
        scores.assign(static_cast<std::size_t>(std::max(0, end - first)), 0.0);
        for (std::size_t j = 0; j < scores.size(); ++j)
          for (std::size_t d = 0; d < width; ++d)
            scores[j] += scale * static_cast<double>(q.row(first_row + i)[static_cast<std::size_t>(head) * width + d]) *
                         keys[(static_cast<std::size_t>(first) + j) * width + d];
        detail::weighted_mean(scores, values.data() + static_cast<std::size_t>(first) * width, dim, out.row(first_row + i) + head * dim);
      }
    }
    first_row += chunk.count;
  }
}

}  // namespace vernier::reference
