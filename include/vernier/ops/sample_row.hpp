// How one row of logits is to be sampled, as plain numbers that a device can read: what a Sampler (ops/sample.hpp) would do next.
#pragma once

namespace vernier::ops {

/// The options of one draw; the meaning of each is at SampleOptions.
struct SampleRow {
  float temperature = 1;  // 0: greedy, and draw is not looked at
  int top_k = 0;
  float top_p = 1, min_p = 0;
  float repetition_penalty = 1, presence_penalty = 0, frequency_penalty = 0;
  int first_adjustment = 0, num_adjustments = 0;  // of this row, in the list of all rows
  double draw = 0;                                // uniform in [0, 1)
};

/// What happens to one logit before the draw: bias is added; then the penalties for a token that was seen. A row's adjustments are sorted
/// by id. An id may come several times: all of its biases are added first, one by one.
struct LogitAdjustment {
  int id = 0;
  float bias = 0;
  int count = -1;  // occurrences in the answer; 0 for a token of the prompt alone, -1 for one that was not seen
};

}  // namespace vernier::ops
