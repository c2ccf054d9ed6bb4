// expect: vernier::KvConfig: precision must be f16, bf16, i8, e4m3 or e5m2
#include "vernier/kv/config.hpp"

static_assert(vernier::check<vernier::KvConfig{.precision = vernier::Precision::nf4}>());
