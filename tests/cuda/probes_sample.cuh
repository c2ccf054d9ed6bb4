// Probes of sampling: tokens whose weights are far apart, draws in the middle of a token's share, so that no rounding decides.
#pragma once

#include <algorithm>

#include "cuda/probe.hpp"
#include "vernier/ops/sample_best.cuh"
#include "vernier/ops/sample_draw.cuh"

namespace vernier::probes {

template <Arch A>
using SampleBestProbe = cuda::SampleBest<cuda::SampleConfig{.arch = A}>;
template <Arch A>
using SampleBucketsProbe = cuda::SampleBuckets<cuda::SampleConfig{.arch = A}>;
template <Arch A>
using SampleDrawProbe = cuda::SampleDraw<cuda::SampleConfig{.arch = A}>;

/// Forty tokens with logits 0, -0.37, -0.74 and so on, spread over the vocabulary, the others far behind. Every one is in a bucket of its
/// own, so a nucleus is drawn from in the order of ids but for its last token.
struct SampleCase {
  static constexpr int vocabulary = 5001, tokens = 40;
  ops::SampleRow options{};
  int kept = tokens;  // of the best, by the options
  int want_rank = 0;  // in whose share the draw is
};

inline int sample_token(int rank) { return (rank * 2777 + 13) % SampleCase::vocabulary; }

/// The middle of the token's share of [0, 1).
inline double middle_of_share(const SampleCase& c) {
  std::vector<int> order(static_cast<std::size_t>(c.kept));
  for (int rank = 0; rank < c.kept; ++rank) order[static_cast<std::size_t>(rank)] = rank;
  const bool ranked = c.options.top_k > 0, nucleus = !ranked && c.options.top_p < 1.0f;
  if (!ranked) std::sort(order.begin(), order.end() - (nucleus ? 1 : 0), [](int a, int b) { return sample_token(a) < sample_token(b); });
  const auto weight = [&](int rank) { return std::exp(-0.37 * rank / static_cast<double>(c.options.temperature)); };
  double total = 0, before = 0;
  for (int rank : order) total += weight(rank);
  for (int rank : order) {
    if (rank == c.want_rank) return (before + weight(rank) / 2) / total;
    before += weight(rank);
  }
  return 2;
}

template <class Machine>
Outcome probe_sample(Machine& machine) {
  Outcome outcome{.name = "sampling"};
  // e^-0.37 is 0.69: of the whole, the best three hold 0.67 and the best four 0.77.
  std::vector<SampleCase> cases{{{.temperature = 0}, 1, 0},
                                {{}, 40, 2},
                                {{}, 40, 5},
                                {{.temperature = 0.5f}, 40, 1},
                                {{.top_k = 6}, 6, 3},
                                {{.top_k = 9, .top_p = 0.75f}, 4, 2},
                                {{.top_p = 0.7f}, 4, 3},
                                {{.top_p = 0.7f}, 4, 1},
                                {{.min_p = 0.2f}, 5, 4},
                                {{.top_p = 0.97f, .min_p = 0.5f}, 2, 1}};
  const int rows = static_cast<int>(cases.size()), stride = 5004, parts = 2;
  std::vector<float> logits(static_cast<std::size_t>(rows * stride), -60.0f);
  std::vector<ops::SampleRow> options;
  for (int r = 0; r < rows; ++r) {
    SampleCase& c = cases[static_cast<std::size_t>(r)];
    for (int rank = 0; rank < SampleCase::tokens; ++rank)
      logits[static_cast<std::size_t>(r * stride + sample_token(rank))] = -0.37f * static_cast<float>(rank);
    if (c.options.temperature != 0) c.options.draw = middle_of_share(c);
    options.push_back(c.options);
  }
  constexpr cuda::SampleConfig config{};
  const auto n = static_cast<std::size_t>(rows);
  std::vector<int> ids(n);
  std::vector<cuda::SampleState> states(n);
  std::vector<cuda::Mass> best(n * parts), masses(n * parts), buckets(n * cuda::num_mass_buckets), members(n * config.members);
  std::vector<unsigned> counts(n * cuda::num_mass_buckets);
  const auto args = [&] {  // a launch brings every array back
    return cuda::SampleArgs{{machine.array(logits), rows, SampleCase::vocabulary, stride},
                            machine.array(options),
                            nullptr,
                            machine.array(ids),
                            {machine.array(states), machine.array(best), machine.array(masses), machine.array(buckets),
                             machine.array(counts), machine.array(members)}};
  };
  const cuda::Grid grid{parts, static_cast<unsigned>(rows)};
  machine.template launch<SampleBestProbe>(grid, args());
  machine.template launch<SampleBucketsProbe>(grid, args());
  machine.template launch<SampleDrawProbe>(grid, args());
  for (int r = 0; r < rows; ++r)
    outcome.expect_equal(sample_token(cases[static_cast<std::size_t>(r)].want_rank), ids[static_cast<std::size_t>(r)],
                         "row " + std::to_string(r));
  return outcome;
}

template <class Machine>
void probe_sampling(Machine& machine, std::vector<Outcome>& outcomes) {
  outcomes.push_back(probe_sample(machine));
}

}  // namespace vernier::probes
