// The engine's thread and what it shares with those who call the engine.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "server/engine/engine.hpp"
#include "server/engine/ledger.hpp"
#include "server/engine/tier_runner.hpp"

namespace vernier::serve {

class Engine::Scheduler {
 public:
  Scheduler(std::vector<std::unique_ptr<TierModel>> tiers, std::shared_ptr<const Vocabulary> vocabulary, EngineConfig config,
            SpareTime spare_time);
  ~Scheduler();

  Submitted submit(GenerationRequest request, EventCallback on_event);
  void cancel(GenerationId id);
  int drain(std::chrono::milliseconds patience);
  int capacity(int tier) const;
  EngineStats stats() const;

 private:
  Submitted check(const GenerationRequest& request) const;

  // On the engine's thread.
  void loop();
  bool take_orders();
  void wait_for_orders(std::unique_lock<std::mutex>& lock);
  void end_everything();
  void admit();
  void step();
  void settle();
  TierRunner& runner(const Generation& generation) { return runners_[static_cast<std::size_t>(generation.request.tier)]; }

  const std::vector<std::unique_ptr<TierModel>> models_;
  const std::shared_ptr<const Vocabulary> vocabulary_;
  const EngineConfig config_;

  // The engine's thread alone.
  Places places_;
  Ledger ledger_;
  std::vector<TierRunner> runners_;
  SpareTime spare_time_;  // empty when nothing is left to do in it

  mutable std::mutex mutex_;
  std::condition_variable wake_;     // for the engine's thread: there are orders
  std::condition_variable settled_;  // for drain(): requests have ended
  // Guarded by mutex_.
  std::vector<std::unique_ptr<Generation>> arrivals_;
  std::vector<GenerationId> cancels_;
  bool cancel_everything_ = false;  // and empty the prefix caches; false again when that is done
  bool stop_ = false;
  GenerationId last_id_ = 0;
  int live_ = 0;       // accepted and not ended
  EngineStats stats_;  // as of the last step

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace vernier::serve
