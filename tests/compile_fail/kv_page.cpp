// expect: vernier::KvConfig: page_tokens must be 16, 32, 64 or 128
#include "vernier/kv/config.hpp"

static_assert(vernier::check<vernier::KvConfig{.page_tokens = 48}>());
