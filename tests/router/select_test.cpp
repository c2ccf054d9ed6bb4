// Selection from a routing table, and the proof that the default table is complete: both at compile time.
#include "vernier/router/select.hpp"

#include <gtest/gtest.h>

#include "vernier/router/table_cpu.hpp"

namespace vernier::cpu {
namespace {

constexpr GemmKey f16_on_avx512{Isa::avx512, Precision::f16, Multiply::f32};
constexpr GemmKey i8_on_avx512{Isa::avx512, Precision::i8, Multiply::i8};

struct Small {
  static constexpr std::array rules = {
      GemmRule{{.isa = Isa::avx512, .weight = Precision::f16, .tile_m = 4}, 4},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::f16, .tile_m = 8}, 64},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::f16, .tile_m = 12}},
      GemmRule{{.isa = Isa::avx512, .weight = Precision::i8, .multiply = Multiply::i8, .tile_m = 6}, 16},
  };
};

static_assert(select<Small>(f16_on_avx512, 1) == 0, "the first rule that takes m wins");
static_assert(select<Small>(f16_on_avx512, 4) == 0, "max_m is inclusive");
static_assert(select<Small>(f16_on_avx512, 5) == 1, "beyond max_m the next rule");
static_assert(select<Small>(f16_on_avx512, 65) == 2, "the catch-all");
static_assert(select<Small>(i8_on_avx512, 16) == 3, "keys do not mix");
static_assert(select<Small>(i8_on_avx512, 17) == Small::rules.size(), "no rule left");
static_assert(select<Small>(GemmKey{Isa::avx2, Precision::f16, Multiply::f32}, 1) == Small::rules.size(), "no rule for the key");
static_assert(has_catch_all<Small>(std::array{f16_on_avx512}), "f16 is complete");
static_assert(!has_catch_all<Small>(std::array{f16_on_avx512, i8_on_avx512}), "i8 lacks a catch-all");
static_assert(all_reachable<Small>(), "every rule can be chosen");

struct Shadowed {
  static constexpr std::array rules = {GemmRule{{.isa = Isa::avx512, .tile_m = 4}}, GemmRule{{.isa = Isa::avx512, .tile_m = 8}, 64}};
};
static_assert(!all_reachable<Shadowed>(), "a rule behind a catch-all is dead");

TEST(DefaultGemmTable, HasARuleForEveryKeyAndBatch) {
  for (const GemmKey& key : all_gemm_keys)
    for (const int m : {0, 1, 8, 9, 64, 65, 100000}) {
      const std::size_t rule = select<DefaultGemmTable>(key, m);
      ASSERT_LT(rule, DefaultGemmTable::rules.size())
          << name(key.isa) << " " << name(key.weight) << " " << name(key.multiply) << " m " << m;
      EXPECT_TRUE(DefaultGemmTable::rules[rule].config.key() == key);
      EXPECT_GE(DefaultGemmTable::rules[rule].max_m, m);
    }
}

TEST(DefaultGemmTable, CoversWhatSupportsSays) {
  std::size_t keys = 0;
  for (const Precision p : all_precisions)
    for (const Multiply multiply : all_multiplies)
      for (const Isa isa : all_isas) keys += p != Precision::f32 && supports(multiply, p) && supports(isa, multiply) ? 1 : 0;
  EXPECT_EQ(all_gemm_keys.size(), keys);
}

}  // namespace
}  // namespace vernier::cpu
