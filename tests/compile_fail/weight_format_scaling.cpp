// expect: vernier::WeightFormat: f16 and bf16 take no scale
#include "vernier/layout/weight_format.hpp"

static_assert(vernier::check<vernier::WeightFormat{vernier::Precision::f16, vernier::Scaling::row, 0}>());
