// Probes of the KV cache and of attention: whole Blocks, a chunk of prefill behind a context that is split, against sums in double.
#pragma once

#include <cmath>

#include "cuda/probe.hpp"
#include "vernier/attention/block_sm80.cuh"
#include "vernier/attention/merge_sm80.cuh"
#include "vernier/cuda/on_arch.cuh"
#include "vernier/kv/append_sm80.cuh"

namespace vernier::probes {

/// One sequence of `tokens` tokens in a cache of two pages more than it needs, whose pages are not in order.
template <Precision P>
struct AttentionProblem {
  static constexpr int tokens = 300, count = 21, group = 3, head_dim = 64, page_tokens = 32, num_pages = 12;
  static constexpr KvLayout layout{{.precision = P, .page_tokens = page_tokens},
                                   {.layers = 1, .kv_heads = 1, .head_dim = head_dim, .num_pages = num_pages},
                                   KvOrder::rows};
  std::vector<float> k, v, q, out;
  std::vector<std::uint8_t> memory = std::vector<std::uint8_t>(layout.total_bytes(), 0xff);
  std::vector<int> pages, row_chunks = std::vector<int>(tokens, 0), num_rows{tokens}, num_units, num_merges;
  std::vector<cuda::KvBatchChunk> chunks{{0, 0, tokens, 0}};
  std::vector<cuda::AttentionUnit> units;
  std::vector<cuda::AttentionMerge> merges;
  std::vector<OnlineSoftmax> states;
  std::vector<float> acc;

  AttentionProblem() {
    const auto fill = [](std::vector<float>& x, int size, std::uint32_t seed) {
      for (int i = 0; i < size; ++i) x.push_back(static_cast<float>(scramble(seed + static_cast<std::uint32_t>(i)) >> 8) * 0x1p-23f - 1.0f);
    };
    fill(k, tokens * head_dim, 1);
    fill(v, tokens * head_dim, 100'000);
    fill(q, count * group * head_dim, 200'000);
    out.resize(q.size());
    for (int i = 0; i * page_tokens < tokens; ++i) pages.push_back((7 * i + 3) % num_pages);
    // 63 rows: a tile of 64, in two splits.
    units = {{0, 0, 0, 0}, {0, 0, 1, count * group}};
    for (int row = 0; row < count * group; row += 16) merges.push_back({0, row, row < 48 ? 16 : 15, 2, row, count * group, {}});
    num_units = {static_cast<int>(units.size())};
    num_merges = {static_cast<int>(merges.size())};
    states.resize(2 * count * group);
    acc.resize(states.size() * head_dim);
  }

  double code(const std::vector<std::uint8_t>& from, bool value, int position, int d) const {
    const ConstKvRun run = layout.run_in(from.data(), 0, 0, pages[static_cast<std::size_t>(position / page_tokens)]);
    const int slot = position % page_tokens;
    const auto* codes = reinterpret_cast<const CodeOf<P>*>(value ? run.values : run.keys);
    const auto x = TypeOf<P>{static_cast<decltype(TypeOf<P>::bits)>(codes[slot * head_dim + d])}.decode();
    return static_cast<double>(x) * (has_kv_scale(P) ? static_cast<double>((value ? run.value_scales : run.key_scales)[slot]) : 1.0);
  }
};

template <Arch A, Precision P>
using AppendProbe = cuda::OnArch<A, cuda::Append<P>>;
template <Arch A, Precision P>
using AttentionProbe = cuda::OnArch<A, cuda::AttentionSm80<cuda::AttentionConfig{.precision = P, .head_dim = 64, .warps = 4, .stages = 2}>>;

/// The probes of one precision, as machines want them: templates over the architecture.
template <Precision P>
struct CacheProbes {
  template <Arch A>
  using Append = AppendProbe<A, P>;
  template <Arch A>
  using Attention = AttentionProbe<A, P>;
};
template <Arch A>
using MergeProbe = cuda::OnArch<A, cuda::MergeStates>;

/// Whether codes and scales are those that the host makes of the same numbers.
template <Precision P>
void compare_codes(const AttentionProblem<P>& p, Outcome& outcome) {
  for (int position = 0; position < p.tokens; ++position)
    for (bool value : {false, true}) {
      const float* const row = (value ? p.v : p.k).data() + position * p.head_dim;
      float largest = 0;
      for (int d = 0; d < p.head_dim; ++d) largest = std::fmax(largest, std::fabs(row[d]));
      const detail::KvRowScale scale = detail::kv_row_scale<P>(largest);
      for (int d = 0; d < p.head_dim; ++d) {
        using Bits = decltype(TypeOf<P>::bits);
        const float want = TypeOf<P>{static_cast<Bits>(detail::encode_kv<P>(row[d], scale))}.decode() * scale.scale;
        const double got = p.code(p.memory, value, position, d);
        outcome.expect_equal(static_cast<double>(want), static_cast<double>(static_cast<float>(got)), at(position, d));
      }
    }
}

template <Precision P>
void compare_attention(const AttentionProblem<P>& p, Outcome& outcome) {
  const double scale = 1 / std::sqrt(static_cast<double>(p.head_dim)), e = P == Precision::bf16 ? 0x1p-8 : 0x1p-11;
  for (int row = 0; row < p.count * p.group; ++row) {
    const int position = p.tokens - p.count + row / p.group;
    std::vector<double> weight;
    double sum = 0, score_size = 0, largest = 0;
    for (int key = 0; key <= position; ++key) {
      double score = 0, size = 0;
      for (int d = 0; d < p.head_dim; ++d) {
        const double product =
            scale * static_cast<double>(p.q[static_cast<std::size_t>(row * p.head_dim + d)]) * p.code(p.memory, false, key, d);
        score += product;
        size += std::fabs(product);
      }
      score_size = std::fmax(score_size, size);
      weight.push_back(std::exp(score));
      sum += weight.back();
    }
    for (int d = 0; d < p.head_dim; ++d) {
      double want = 0;
      for (int key = 0; key <= position; ++key) {
        const double value = p.code(p.memory, true, key, d);
        want += weight[static_cast<std::size_t>(key)] / sum * value;
        largest = std::fmax(largest, std::fabs(value));
      }
      // Queries and weights are rounded by e; sums may truncate at each of head_dim and of 300 additions, twice as far as they round.
      const double bound =
          largest * (2 * (e + p.head_dim * 0x1p-23) * score_size + e + p.tokens * 0x1p-25 + 4 * p.tokens * 0x1p-23 + 0x1p-20);
      outcome.expect_near(want, static_cast<double>(p.out[static_cast<std::size_t>(row * p.head_dim + d)]), bound, at(row, d));
    }
  }
}

template <Precision P, class Machine>
void probe_cache(Machine& machine, const char* append_name, const char* attention_name, std::vector<Outcome>& outcomes) {
  AttentionProblem<P> p;
  const auto batch = [&] {
    return cuda::KvBatchView{machine.array(p.chunks), machine.array(p.pages), machine.array(p.row_chunks), machine.array(p.num_rows)};
  };
  machine.template launch<CacheProbes<P>::template Append>({static_cast<unsigned>(p.tokens), 1},
                                                           cuda::AppendArgs{p.layout,
                                                                            machine.array(p.memory),
                                                                            0,
                                                                            batch(),
                                                                            {},
                                                                            {machine.array(p.k), p.tokens, p.head_dim},
                                                                            {machine.array(p.v), p.tokens, p.head_dim},
                                                                            {}});
  outcomes.push_back({.name = append_name});
  compare_codes(p, outcomes.back());

  const cuda::AttentionShape shape{.kv_heads = 1, .group = p.group, .window = 0};
  p.chunks = {{0, p.tokens - p.count, p.count, 0}};
  const auto out = [&] {
    return cuda::AttentionOutput{machine.array(p.out), p.group * p.head_dim, Precision::f32, p.count, p.group * p.head_dim};
  };
  const auto states = [&] { return cuda::AttentionStates{machine.array(p.states), machine.array(p.acc), 2 * p.count * p.group}; };
  const float scale = 1.44269504f / std::sqrt(static_cast<float>(p.head_dim));
  machine.template launch<CacheProbes<P>::template Attention>({2, 1},
                                                              cuda::AttentionArgs{p.layout,
                                                                                  machine.array(p.memory),
                                                                                  0,
                                                                                  batch(),
                                                                                  shape,
                                                                                  machine.array(p.units),
                                                                                  machine.array(p.num_units),
                                                                                  {machine.array(p.q), p.count, p.group * p.head_dim},
                                                                                  out(),
                                                                                  states(),
                                                                                  scale});
  machine.template launch<MergeProbe>(
      {4, 1}, cuda::MergeArgs{batch(), shape, machine.array(p.merges), machine.array(p.num_merges), states(), out(), p.head_dim});
  outcomes.push_back({.name = attention_name});
  compare_attention(p, outcomes.back());
}

template <class Machine>
void probe_attention(Machine& machine, std::vector<Outcome>& outcomes) {
  probe_cache<Precision::f16>(machine, "append f16", "attention f16", outcomes);
  probe_cache<Precision::bf16>(machine, "append bf16", "attention bf16", outcomes);
  probe_cache<Precision::i8>(machine, "append i8", "attention i8", outcomes);
  probe_cache<Precision::e4m3>(machine, "append e4m3", "attention e4m3", outcomes);
  probe_cache<Precision::e5m2>(machine, "append e5m2", "attention e5m2", outcomes);
}

}  // namespace vernier::probes
