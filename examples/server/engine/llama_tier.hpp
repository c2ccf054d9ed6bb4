// A Llama at one tier as the engine runs it: weights in the tier's formats, and pages of keys and values in the tier's.
#pragma once

#include <memory>

#include "common/model/formats.hpp"
#include "common/model/weights.hpp"
#include "server/engine/tier_model.hpp"
#include "vernier/cpu/parallel.hpp"
#include "vernier/kv/config.hpp"

namespace vernier::serve {

struct LlamaTierConfig {
  KvConfig kv{};    // precision and size of the pages
  int context = 0;  // most tokens of one sequence; 0: what the model was trained for
  int pages = 0;    // of the pool
  model::Activations activations = model::default_activations;
};

/// Allocates the cache at once. Weights may be shared with other tiers; the pool is not owned, and is used by the engine's thread alone
/// from then on. Throws Error on an impossible config or when the memory cannot be had.
std::unique_ptr<TierModel> make_llama_tier(std::shared_ptr<const model::Weights> weights, cpu::ThreadPool& pool,
                                           const LlamaTierConfig& config);

/// The pages that `sequences` sequences of `context` tokens each need.
int pages_for(const KvConfig& kv, int context, int sequences);

}  // namespace vernier::serve
