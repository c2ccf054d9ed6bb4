// Continuous batching: many requests, at several tiers, share each step of the models. One thread of its own runs the steps;
// everything public here may be called from any thread.
//
// A step takes, per tier, one token of each answer that is being written and as much of the waiting prompts as fits in the rest of
// `chunk_tokens`, and runs them in one forward. An answer is admitted when there is a place and pages for its prompt. When pages run
// out, the prefix cache gives its own back, then the youngest answer of that tier, which is computed again later; so the oldest always
// goes on, and nothing is lost. Answers do not depend on what else runs (see TierModel).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "server/engine/generation.hpp"
#include "server/engine/tier_model.hpp"
#include "server/engine/vocabulary.hpp"

namespace vernier::serve {

/// The engine's limits.
struct EngineConfig {
  int max_sequences = 32;  // answers that run at once, all tiers together
  int max_queue = 128;     // requests that wait for their first step; beyond that submit() says queue_full
  int chunk_tokens = 256;  // tokens of one forward: what a long prompt may delay the others by
  int max_n = 16;          // answers of one request
  int max_top_logprobs = 20;
  int cached_prefixes = 64;  // ended answers per tier whose keys and values are kept while pages last; 0: none
};

/// One tier's part of the statistics.
struct TierStats {
  std::uint64_t requests = 0;       // accepted
  std::uint64_t prompt_tokens = 0;  // computed, again after preemption included
  std::uint64_t cached_tokens = 0;  // of prompts: taken from the prefix cache instead
  std::uint64_t generated_tokens = 0;
  std::uint64_t host_logits = 0;  // of them: chosen by the engine from logits on the host, since log-probabilities were asked for
  std::uint64_t steps = 0;
  double step_seconds = 0;              // in forward()
  int running = 0, waiting = 0;         // answers
  int pages_used = 0, pages_total = 0;  // used: by answers that run. The prefix cache gives its own back when they are needed
};

/// A consistent snapshot; counters never go down.
struct EngineStats {
  std::vector<TierStats> tiers;
  std::uint64_t finished_stop = 0, finished_length = 0, cancelled = 0, failed = 0;  // answers
  std::uint64_t refused = 0;                                                        // submit() that did not accept
  std::uint64_t preemptions = 0;
  int queued_requests = 0;  // accepted, first step still to come
  bool draining = false;
};

/// Called on the engine's thread when it has nothing else to do, until it says that nothing is left. A request that comes meanwhile waits
/// for it to return. Must not throw.
using SpareTime = std::function<bool()>;

/// See the top of the file. Owns its models.
class Engine {
 public:
  /// `tiers`: at least one, all with the vocabulary's ids. Throws Error on an impossible config.
  Engine(std::vector<std::unique_ptr<TierModel>> tiers, std::shared_ptr<const Vocabulary> vocabulary, EngineConfig config,
         SpareTime spare_time = {});

  /// Cancels what runs and waits for the thread. Every accepted request gets its last event before this returns.
  ~Engine();

  /// Checks and queues a request; never blocks for long. If accepted, `on_event` gets its events, the first of them possibly before
  /// submit() returns, and exactly one with last = true. Otherwise `on_event` is not kept.
  Submitted submit(GenerationRequest request, EventCallback on_event);

  /// Ends a request's answers at the next step: each that still ran gets an event with FinishReason::cancelled. Unknown and finished
  /// ids are ignored.
  void cancel(GenerationId id);

  /// Refuses new requests, waits until all have ended or the time is over, then cancels the rest; the prefix cache is emptied. Returns how
  /// many requests were cancelled. May be called again.
  int drain(std::chrono::milliseconds patience);

  /// Most tokens of prompt and answer together at this tier: the context, or what the tier's pages hold if that is less.
  int capacity(int tier) const;

  EngineStats stats() const;

 private:
  class Scheduler;
  std::unique_ptr<Scheduler> scheduler_;
};

}  // namespace vernier::serve
