// What a KV cache is made of: the policy (format of the codes, tokens per page) and the geometry of the model. No memory lives here;
// see layout.hpp for where a code lies and cache.hpp for the cache.
#pragma once

#include "vernier/core/error.hpp"
#include "vernier/core/macros.hpp"
#include "vernier/types/precision.hpp"

namespace vernier {

/// Whether codes of p carry one float scale per token and head: the formats whose range is too small or that are integers.
VERNIER_HD constexpr bool has_kv_scale(Precision p) { return bits(p) == 8; }

/// Whether n tokens can be a page: the widest vector takes 16 keys, and the key splits of attention are whole pages.
constexpr bool is_kv_page(int n) { return n == 16 || n == 32 || n == 64 || n == 128; }

/// The policy of a KV cache; equal values are one instantiation. The precision usually comes from a flag at run time, so the cache
/// takes a KvConfig as a value; check<C>() is for engines that fix it at compile time.
struct KvConfig {
  Precision precision = Precision::f16;
  int page_tokens = 32;  // two AVX-512 vectors of keys; larger pages cost memory at the end of every sequence
  friend constexpr bool operator==(const KvConfig&, const KvConfig&) = default;
};

/// Fails to compile, with the reason, unless C can be a cache.
template <KvConfig C>
consteval bool check() {
  static_assert(is_kv_precision(C.precision), "vernier::KvConfig: precision must be f16, bf16, i8, e4m3 or e5m2");
  static_assert(is_kv_page(C.page_tokens), "vernier::KvConfig: page_tokens must be 16, 32, 64 or 128 (vectors of 16 keys)");
  return true;
}

static_assert(check<KvConfig{}>(), "vernier::KvConfig: the defaults are a valid cache");

/// The model's part: `layers` caches of `kv_heads` heads of `head_dim` elements, in `num_pages` pages that all layers share.
struct KvGeometry {
  int layers = 0;
  int kv_heads = 0;
  int head_dim = 0;   // a multiple of 8, at most 256
  int num_pages = 0;  // a page holds KvConfig::page_tokens tokens of one sequence, in all layers and heads
};

/// Throws Error, naming the value, unless the two fit together.
inline void expect_kv(const KvConfig& c, const KvGeometry& g) {
  constexpr const char* where = "vernier::KvCache";
  expect(is_kv_precision(c.precision), where, "precision = ", name(c.precision), ", expected f16, bf16, i8, e4m3 or e5m2");
  expect(is_kv_page(c.page_tokens), where, "page_tokens = ", c.page_tokens, ", expected 16, 32, 64 or 128");
  expect(g.layers >= 1, where, "layers = ", g.layers, ", expected at least 1");
  expect(g.kv_heads >= 1, where, "kv_heads = ", g.kv_heads, ", expected at least 1");
  expect(g.head_dim >= 8 && g.head_dim <= 256 && g.head_dim % 8 == 0, where, "head_dim = ", g.head_dim,
         ", expected a multiple of 8 from 8 to 256");
  expect(g.num_pages >= 1, where, "num_pages = ", g.num_pages, ", expected at least 1");
  expect(g.num_pages <= 2147483647 / c.page_tokens, where, "num_pages = ", g.num_pages, " of ", c.page_tokens,
         " tokens exceed 2147483647 positions; lower num_pages");
}

}  // namespace vernier
