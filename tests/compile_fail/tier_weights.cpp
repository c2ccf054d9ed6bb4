// expect: vernier::Tier: weights must be f16, bf16, i8, e4m3, e5m2 or nf4
#include "vernier/policy/tier.hpp"

static_assert(vernier::check<vernier::Tier{.weights = vernier::Precision::f32}>());
