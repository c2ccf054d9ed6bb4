// What the kernels of sampling agree on: how a row is cut, and the memory that they hand to each other.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vernier/core/math.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/ops/sample_mass.hpp"
#include "vernier/ops/sample_row.hpp"
#include "vernier/policy/arch.hpp"

namespace vernier::cuda {

/// A block looks at `part` tokens of a row. Structural: equal values are one instantiation. New fields go last, with a default.
struct SampleConfig {
  Arch arch = Arch::sm80;
  int threads = 512;
  int part = 4096;
  int members = 2048;  // tokens that the last step may find in a list; where there are more it reads the row again

  constexpr int parts(int vocabulary) const { return ceil_div(vocabulary, part); }
  friend constexpr bool operator==(const SampleConfig&, const SampleConfig&) = default;
};

template <SampleConfig C>
constexpr bool check() {
  static_assert(is_cuda(C.arch), "vernier::cuda::sample: arch must be sm80, sm89 or sm90a");
  static_assert(C.threads % 32 == 0 && C.threads >= 32 && C.threads <= 1024,
                "vernier::cuda::sample: threads must be a multiple of 32 up to 1024");
  static_assert(C.part % (4 * C.threads) == 0, "vernier::cuda::sample: part must be a multiple of 4 * threads, four tokens an access");
  static_assert(C.part < 1 << 20, "vernier::cuda::sample: part must be below 2^20, so that its mass has 64 bits");
  return true;
}

/// What is known of a row between the kernels.
struct SampleState {
  int arrived = 0;       // blocks that have done their part of the row
  unsigned members = 0;  // tokens that belong to its list, written or not
  float greatest = 0;    // logit
  int done = 0;          // whether the token is chosen
  int border = 0;        // the bucket in which top-p or top-k ends
  Mass above = 0;        // of the buckets over it
  Mass last_unit = 0;    // of the nucleus
};

/// Scratch memory of a call; all in the device's memory.
struct SampleScratch {
  SampleState* states;      // (rows)
  Mass* best;               // (rows, parts): the best token of each part
  Mass* masses;             // (rows, parts): what may be drawn of each part
  Mass* bucket_masses;      // (rows, num_mass_buckets)
  unsigned* bucket_counts;  // (rows, num_mass_buckets)
  Mass* members;            // (rows, C.members): keys of the list

  /// What `rows` rows need.
  static constexpr std::size_t bytes(const SampleConfig& c, int rows, int vocabulary) {
    const auto parts = static_cast<std::size_t>(c.parts(vocabulary)), list = static_cast<std::size_t>(c.members);
    constexpr auto buckets = static_cast<std::size_t>(num_mass_buckets);
    return static_cast<std::size_t>(rows) *
           (sizeof(SampleState) + sizeof(Mass) * (2 * parts + buckets + list) + sizeof(unsigned) * buckets);
  }
  /// The same memory, cut up; 8-byte aligned. rows: that it was made for, so that a smaller batch finds everything in the same place.
  static SampleScratch in(void* memory, const SampleConfig& c, int rows, int vocabulary) {
    const auto parts = static_cast<std::size_t>(c.parts(vocabulary)), r = static_cast<std::size_t>(rows);
    SampleScratch s{};
    s.states = static_cast<SampleState*>(memory);
    s.best = reinterpret_cast<Mass*>(s.states + r);
    s.masses = s.best + r * parts;
    s.bucket_masses = s.masses + r * parts;
    s.members = s.bucket_masses + r * num_mass_buckets;
    s.bucket_counts = reinterpret_cast<unsigned*>(s.members + r * static_cast<std::size_t>(c.members));
    return s;
  }
};

/// One batch of rows. rows may be null: then all are greedy and nothing is adjusted.
struct SampleArgs {
  MatrixView<float> logits;                 // (rows, vocabulary), rows 16-byte aligned; adjusted in place
  const ops::SampleRow* rows;               // (rows)
  const ops::LogitAdjustment* adjustments;  // of all rows
  int* ids;                                 // (rows): the chosen tokens
  SampleScratch scratch;
};

/// Whether some tokens are taken away for their rank or for what the better ones hold.
VERNIER_HD constexpr bool takes_top_k(const ops::SampleRow& row, int vocabulary) { return row.top_k > 0 && row.top_k < vocabulary; }
VERNIER_HD constexpr bool needs_buckets(const ops::SampleRow& row, int vocabulary) {
  return takes_top_k(row, vocabulary) || row.top_p < 1.0f;
}

/// In ids, for a row with NaN or +infinity, or without a finite logit: no distribution can be made of it.
inline constexpr int no_token = -1;

}  // namespace vernier::cuda
