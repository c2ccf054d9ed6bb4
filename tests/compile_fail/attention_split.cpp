// expect: vernier::AttentionConfig: split_keys must be 128 or 256
#include "vernier/attention/config.hpp"

static_assert(vernier::check<vernier::AttentionConfig{.split_keys = 100}>());
