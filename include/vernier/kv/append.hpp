// Writing to the KV cache: rotation of the keys, quantisation and the scatter into pages, in one pass over the projections.
// Reading is attention's business; making room is KvSequence::extend's.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#include "vernier/core/error.hpp"
#include "vernier/core/math.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/cpu/parallel.hpp"
#include "vernier/kv/cache.hpp"
#include "vernier/kv/check.hpp"
#include "vernier/kv/rotary.hpp"
#include "vernier/kv/row_scale.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier {

namespace detail {

/// Rows of a cache are at most this long.
inline constexpr int most_head_dim = 256;

/// codes[i] = x[i] for i < n; returns the scale (unused by f16 and bf16).
template <Precision P>
float encode_kv_row(const float* x, int n, CodeOf<P>* codes) {
  std::int32_t most = 0;  // magnitudes in order as integers, infinity and NaN on top; a loop that compilers turn into vectors
  for (int i = 0; has_kv_scale(P) && i < n; ++i) {
    const std::int32_t magnitude = static_cast<std::int32_t>(float_bits(x[i]) & 0x7fffffffu);
    most = magnitude > most ? magnitude : most;
  }
  const KvRowScale scale = kv_row_scale<P>(bits_float(static_cast<std::uint32_t>(most)));
  for (int i = 0; i < n; ++i) codes[i] = encode_kv<P>(x[i], scale);
  return scale.scale;
}

/// Writes one key into column `slot` of a page: two bytes, a code or a pair of them, to each of its rows.
inline void scatter_key(std::uint8_t* keys, const void* codes, std::size_t bytes, int page_tokens, int slot) {
  const std::uint8_t* from = static_cast<const std::uint8_t*>(codes);
  std::uint8_t* to = keys + 2 * slot;
  for (std::size_t i = 0; i < bytes; i += 2, to += 2 * page_tokens) std::memcpy(to, from + i, 2);
}

/// Writes one value into row `slot` of a page.
template <Precision P>
void store_value(std::uint8_t* values, const CodeOf<P>* codes, int head_dim, int value_stride, int slot) {
  constexpr int pack = KvLayout::pack(P);
  CodeOf<P>* const to = reinterpret_cast<CodeOf<P>*>(values) + slot / pack * value_stride * pack + slot % pack;
  for (int d = 0; d < head_dim; ++d) to[d * pack] = codes[d];
}

/// Writes the keys and values of one token.
template <Precision P>
void append_token(KvCache& cache, int layer, int page, int slot, const float* k, const float* v, const float* cos, const float* sin,
                  int half) {
  const KvLayout& layout = cache.layout();
  const int head_dim = layout.geometry.head_dim;
  float key[most_head_dim];
  CodeOf<P> codes[most_head_dim];  // side by side first, so that rounding to the format runs in vectors
  for (int head = 0; head < layout.geometry.kv_heads; ++head) {
    const KvRun run = cache.run(layer, head, page);
    rotate_halves(k + head * head_dim, key, head_dim, half, cos, sin);
    const float key_scale = encode_kv_row<P>(key, head_dim, codes);
    scatter_key(run.keys, codes, static_cast<std::size_t>(head_dim) * sizeof(CodeOf<P>), layout.config.page_tokens, slot);
    const float value_scale = encode_kv_row<P>(v + head * head_dim, head_dim, codes);
    store_value<P>(run.values, codes, head_dim, layout.value_stride(), slot);
    if constexpr (has_kv_scale(P)) {
      run.key_scales[slot] = key_scale;
      run.value_scales[slot] = value_scale;
    }
  }
}

}  // namespace detail

/// Writes the keys and values of a batch to one layer. k, v: (tokens, kv_heads * head_dim) as projected, rows in the order of the batch;
/// k is rotated by the angles of its positions here. NaN and infinity stay visible as NaN or infinity. Throws Error when shapes disagree,
/// a position has no page or no angle, or a page is shared with another sequence; then nothing was written.
inline void append(cpu::ThreadPool& pool, KvCache& cache, int layer, std::span<const KvChunk> batch, MatrixView<const float> k,
                   MatrixView<const float> v, const RotaryView& rotary) {
  constexpr const char* where = "vernier::append";
  const KvGeometry& g = cache.geometry();
  const int page_tokens = cache.config().page_tokens, rows = detail::batch_rows(batch);
  detail::expect_layer(where, cache, layer);
  for (const auto* x : {&k, &v})
    expect(x->rows == rows && x->cols == g.kv_heads * g.head_dim, where, x == &k ? "k" : "v", " is (", x->rows, ", ", x->cols,
           "), expected (tokens of the batch, kv_heads * head_dim) = (", rows, ", ", g.kv_heads * g.head_dim, ")");
  for (const KvChunk& chunk : batch) detail::expect_writable(where, cache, chunk);
  detail::expect_rotary(where, rotary, g.head_dim, batch);

  int first_row = 0;
  for (const KvChunk& chunk : batch) {
    const auto tokens = [&](std::int64_t begin, std::int64_t end) {
      visit_precision(cache.config().precision, [&]<Precision P>() {
        if constexpr (is_kv_precision(P))
          for (int i = static_cast<int>(begin); i < end; ++i) {
            const int position = chunk.first + i, page = chunk.pages[static_cast<std::size_t>(position / page_tokens)];
            detail::append_token<P>(cache, layer, page, position % page_tokens, k.row(first_row + i), v.row(first_row + i),
                                    rotary.cos_row(position), rotary.sin_row(position), rotary.half);
          }
      });
    };
    // A few tokens are written before a second thread has woken up.
    if (chunk.count >= 8)
      pool.for_ranges(chunk.count, tokens);
    else
      tokens(0, chunk.count);
    first_row += chunk.count;
  }
}

}  // namespace vernier
