// Where the states of splits wait to be merged.
#pragma once

#include "vernier/attention/online_softmax.hpp"

namespace vernier::cuda {

/// States of splits, in device memory: of `rows` rows for each kv head.
struct AttentionStates {
  OnlineSoftmax* states = nullptr;  // (kv_heads, rows)
  float* acc = nullptr;             // (kv_heads, rows, head_dim)
  int rows = 0;
};

}  // namespace vernier::cuda
