// expect: group_fits<128, 64, 64>
#include "vernier/layout/weight_format.hpp"

static_assert(vernier::check<vernier::WeightFormat{vernier::Precision::nf4, vernier::Scaling::group, 128}>());
