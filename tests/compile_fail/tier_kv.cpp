// expect: vernier::Tier: kv must be f16, bf16, i8, e4m3 or e5m2
#include "vernier/policy/tier.hpp"

static_assert(vernier::check<vernier::Tier{.kv = vernier::Precision::nf4}>());
