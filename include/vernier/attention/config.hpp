// The policy of attention: where the sum over keys is cut, and how many query rows share a decoded key tile. The precision and the tile
// of keys belong to the cache, see kv/config.hpp; which keys are seen is the mask, see policy/mask.hpp.
#pragma once

namespace vernier {

/// Equal values are one instantiation. Results depend on split_keys (it places the roundings of the merge), never on query_rows.
struct AttentionConfig {
  int split_keys = 256;  // keys that one softmax state sees before it is merged; the unit of work that threads share
  int query_rows = 64;   // rows (token, head) that pass over a key tile together; more than this only when one token has more heads
  friend constexpr bool operator==(const AttentionConfig&, const AttentionConfig&) = default;
};

/// Fails to compile, with the reason, unless C works.
template <AttentionConfig C>
consteval bool check() {
  static_assert(C.split_keys == 128 || C.split_keys == 256,
                "vernier::AttentionConfig: split_keys must be 128 or 256 (whole pages, whose integer sums stay below 2^31)");
  static_assert(C.query_rows >= 1 && C.query_rows <= 256,
                "vernier::AttentionConfig: query_rows must be 1 to 256 (a tile stays in the L2 cache)");
  return true;
}

static_assert(check<AttentionConfig{}>(), "vernier::AttentionConfig: the defaults work");

}  // namespace vernier
