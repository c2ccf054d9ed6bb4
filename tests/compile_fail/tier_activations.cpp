// expect: vernier::Tier: activations must be f32, or match the weights
#include "vernier/policy/tier.hpp"

static_assert(vernier::check<vernier::Tier{.weights = vernier::Precision::f16, .activations = vernier::Precision::bf16}>());
