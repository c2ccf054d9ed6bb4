// Where a key, a value or a scale lies in the memory of a KV cache. This is the only place that knows; append, attention and tests all
// ask here. It owns nothing; see cache.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "vernier/core/math.hpp"
#include "vernier/kv/config.hpp"

namespace vernier {

/// One run: the keys and values of one page of one kv head, for tokens [0, page_tokens) of the page. Byte is std::uint8_t or const.
template <class Byte>
struct BasicKvRun {
  using Float = std::conditional_t<std::is_const_v<Byte>, const float, float>;
  Byte* keys = nullptr;           // (head_dim, page_tokens) codes, or as KvLayout::order says
  Byte* values = nullptr;         // (page_tokens, value_stride) codes
  Float* key_scales = nullptr;    // (page_tokens), or null
  Float* value_scales = nullptr;  // (page_tokens), or null
};
using KvRun = BasicKvRun<std::uint8_t>;
using ConstKvRun = BasicKvRun<const std::uint8_t>;

/// How the codes of a run are ordered: for the lanes of a CPU's vectors, or plainly in rows of one token, as tensor cores load them.
enum class KvOrder : unsigned char { lanes, rows };

/// The order of a cache's bytes. Memory is (layers, kv_heads, num_pages) runs, and a run holds what one head needs of one page, in the
/// order `lanes` of the CPU:
///
///     keys          (head_dim, page_tokens) codes: transposed
///     values        (page_tokens, value_stride) codes, rows padded to 16 elements that nobody reads
///     key scales    (page_tokens) float, only for i8, e4m3 and e5m2; likewise value scales behind them
///
/// Why: a kernel owns one kv head and walks its pages, and pages of a sequence are mostly neighbours, so (layer, head, page) makes that
/// walk one sequential stream. Keys are transposed so that 16 keys are 16 lanes: a score is then a chain of multiply-adds over head_dim
/// in one lane, with no sum across lanes, whose order is the same for one query or for sixty-four. Values stay rows, because there the
/// lanes are elements of the output and the chain runs over keys. The price is paid once per token, by append, which scatters a key over
/// head_dim cache lines, all of them in a page that attention reads right afterwards.
///
/// Formats of 8 bits are multiplied two products to a 32-bit lane, as integers or as bf16, so their rows are interleaved in pairs: keys are
/// (head_dim / 2, page_tokens, 2) and values (page_tokens / 2, value_stride, 2). A step over rows is 2 bytes a column in every format.
///
/// In the order `rows` of CUDA, keys and values are both (page_tokens, head_dim) codes: a token is a row of 16-byte chunks, which cp.async
/// copies and ldmatrix turns as it loads. Scales are as above.
struct KvLayout {
  KvConfig config;
  KvGeometry geometry;
  KvOrder order = KvOrder::lanes;

  VERNIER_HD constexpr std::size_t code_bytes() const { return static_cast<std::size_t>(bits(config.precision) / 8); }
  /// Rows that are interleaved: consecutive elements of a key, or tokens of the values.
  static constexpr int pack(Precision p) { return bits(p) == 8 ? 2 : 1; }
  /// Where the code of (row, column) is among the codes of a matrix with rows of `columns` codes, of which `pack` are interleaved.
  static constexpr std::size_t index(int pack, int columns, int row, int column) {
    return static_cast<std::size_t>((row / pack * columns + column) * pack + row % pack);
  }
  std::size_t key_index(int d, int slot) const {
    return order == KvOrder::rows ? index(1, geometry.head_dim, slot, d) : index(pack(config.precision), config.page_tokens, d, slot);
  }
  std::size_t value_index(int slot, int d) const {
    return index(order == KvOrder::rows ? 1 : pack(config.precision), value_stride(), slot, d);
  }

  /// Elements from one value row to the next.
  VERNIER_HD constexpr int value_stride() const { return order == KvOrder::rows ? geometry.head_dim : round_up(geometry.head_dim, 16); }
  VERNIER_HD constexpr std::size_t key_bytes() const {
    return static_cast<std::size_t>(geometry.head_dim) * static_cast<std::size_t>(config.page_tokens) * code_bytes();
  }
  VERNIER_HD constexpr std::size_t value_bytes() const {
    return static_cast<std::size_t>(value_stride()) * static_cast<std::size_t>(config.page_tokens) * code_bytes();
  }
  VERNIER_HD constexpr std::size_t scale_bytes() const {
    return has_kv_scale(config.precision) ? static_cast<std::size_t>(config.page_tokens) * sizeof(float) : 0;
  }
  /// A multiple of 64, as are the starts of keys, values and scales within a run.
  VERNIER_HD constexpr std::size_t run_bytes() const { return key_bytes() + value_bytes() + 2 * scale_bytes(); }

  /// Bytes of one page over all layers and heads: what one page of context costs.
  constexpr std::size_t page_bytes() const {
    return run_bytes() * static_cast<std::size_t>(geometry.layers) * static_cast<std::size_t>(geometry.kv_heads);
  }
  /// Bytes of the whole cache, or the largest std::size_t when that does not fit.
  constexpr std::size_t total_bytes() const {
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
    std::size_t total = run_bytes();
    for (int factor : {geometry.layers, geometry.kv_heads, geometry.num_pages}) {
      if (total > most / static_cast<std::size_t>(factor)) return most;
      total *= static_cast<std::size_t>(factor);
    }
    return total;
  }

  /// The byte at which the run of (layer, head, page) starts.
  VERNIER_HD constexpr std::size_t run(int layer, int head, int page) const {
    const std::size_t row = static_cast<std::size_t>(layer) * static_cast<std::size_t>(geometry.kv_heads) + static_cast<std::size_t>(head);
    return (row * static_cast<std::size_t>(geometry.num_pages) + static_cast<std::size_t>(page)) * run_bytes();
  }

  /// The run of (layer, head, page) of a cache whose memory starts at `memory`. Byte is std::uint8_t or const.
  template <class Byte>
  VERNIER_HD BasicKvRun<Byte> run_in(Byte* memory, int layer, int head, int page) const;
};

template <class Byte>
VERNIER_HD BasicKvRun<Byte> KvLayout::run_in(Byte* memory, int layer, int head, int page) const {
  Byte* const at = memory + run(layer, head, page);
  BasicKvRun<Byte> r{at, at + key_bytes(), nullptr, nullptr};
  if (scale_bytes() != 0) {
    r.key_scales = reinterpret_cast<decltype(r.key_scales)>(r.values + value_bytes());
    r.value_scales = r.key_scales + config.page_tokens;
  }
  return r;
}

}  // namespace vernier
