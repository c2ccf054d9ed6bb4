// expect: vernier::WeightFormat: this scaling has no group; set group to 0
#include "vernier/layout/weight_format.hpp"

static_assert(vernier::check<vernier::WeightFormat{vernier::Precision::i8, vernier::Scaling::row, 64}>());
