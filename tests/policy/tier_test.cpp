// Tiers and architectures: names, defaults, and which combinations of precisions are served.
#include "vernier/policy/tier.hpp"

#include <gtest/gtest.h>

#include "vernier/policy/arch.hpp"

namespace vernier {
namespace {

TEST(Tier, NamesComeBackAsDefaults) {
  for (const Precision p : all_precisions) {
    const std::optional<Tier> tier = parse_tier(name(p));
    ASSERT_EQ(tier.has_value(), p != Precision::f32) << name(p);
    if (!tier) continue;
    EXPECT_EQ(name(*tier), name(p));
    EXPECT_TRUE(is_product(tier->weights, tier->activations)) << name(p);
    EXPECT_TRUE(is_kv_precision(tier->kv)) << name(p);
  }
  EXPECT_EQ(parse_tier("auto"), std::nullopt);
}

// The f16 tier must not lose precision to its activations.
TEST(Tier, F16IsNeverRoundedFurther) {
  for (const Precision a : {Precision::bf16, Precision::i8, Precision::e4m3, Precision::e5m2, Precision::nf4})
    EXPECT_FALSE(is_product(Precision::f16, a)) << name(a);
}

TEST(Tier, CachesHaveNoF32AndNoNf4) {
  EXPECT_FALSE(is_kv_precision(Precision::f32));
  EXPECT_FALSE(is_kv_precision(Precision::nf4));
}

TEST(Arch, NamesComeBack) {
  for (const Arch a : all_archs) EXPECT_EQ(parse_arch(name(a)), a);
  EXPECT_EQ(parse_arch("sm_80"), std::nullopt);
  EXPECT_TRUE(is_cuda(Arch::sm80) && is_cuda(Arch::sm90a) && !is_cuda(Arch::cpu_avx512));
}

template <Tier T>
struct Server {
  static_assert(check<T>());
  static constexpr Tier tier = T;
};
static_assert(Server<Tier{.weights = Precision::nf4, .kv = Precision::e4m3}>::tier.activations == Precision::f32);
static_assert(check<default_tier(Precision::i8)>());

}  // namespace
}  // namespace vernier
