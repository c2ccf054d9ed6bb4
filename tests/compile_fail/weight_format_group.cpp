// expect: vernier::WeightFormat: <group, granularity, most>: group must be a positive multiple of the granularity
// expect: group_fits<48, 32, 65536>
#include "vernier/layout/weight_format.hpp"

static_assert(vernier::check<vernier::WeightFormat{vernier::Precision::i8, vernier::Scaling::group, 48}>());
