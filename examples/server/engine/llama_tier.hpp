// A Llama at one tier as the engine runs it, on whichever device it was placed: weights in the tier's formats, and pages of keys and values
// in the tier's.
#pragma once

#include <memory>

#include "common/device/device.hpp"
#include "server/engine/tier_model.hpp"
#include "vernier/kv/config.hpp"

namespace vernier::serve {

struct LlamaTierConfig {
  KvConfig kv{};    // precision and size of the pages
  int context = 0;  // most tokens of one sequence; 0: what the model was trained for
  int pages = 0;    // of the pool
};

/// Allocates the cache at once. The model's device must outlive the tier, and is used by the engine's thread alone from then on. Throws
/// Error on an impossible config or when the memory cannot be had.
std::unique_ptr<TierModel> make_llama_tier(std::unique_ptr<model::PlacedModel> model, const LlamaTierConfig& config);

/// The pages that `sequences` sequences of `context` tokens each need.
int pages_for(const KvConfig& kv, int context, int sequences);

}  // namespace vernier::serve
