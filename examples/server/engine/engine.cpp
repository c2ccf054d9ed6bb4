#include "server/engine/engine.hpp"

#include <utility>

#include "server/engine/scheduler.hpp"

namespace vernier::serve {

Engine::Engine(std::vector<std::unique_ptr<TierModel>> tiers, std::shared_ptr<const Vocabulary> vocabulary, EngineConfig config,
               SpareTime spare_time)
    : scheduler_(std::make_unique<Scheduler>(std::move(tiers), std::move(vocabulary), config, std::move(spare_time))) {}

Engine::~Engine() = default;

Submitted Engine::submit(GenerationRequest request, EventCallback on_event) {
  return scheduler_->submit(std::move(request), std::move(on_event));
}

void Engine::cancel(GenerationId id) { scheduler_->cancel(id); }

int Engine::drain(std::chrono::milliseconds patience) { return scheduler_->drain(patience); }

int Engine::capacity(int tier) const { return scheduler_->capacity(tier); }

EngineStats Engine::stats() const { return scheduler_->stats(); }

}  // namespace vernier::serve
