// expect: vernier::AttentionConfig: split_keys must be a positive multiple of 128
#include "vernier/attention/config.hpp"

static_assert(vernier::check<vernier::AttentionConfig{.split_keys = 100}>());
