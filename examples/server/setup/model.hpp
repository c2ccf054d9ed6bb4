// From a model's path to something that answers: weights of every tier, caches, engine, tokenizer, template.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "common/device/device.hpp"
#include "server/api/served.hpp"
#include "server/engine/engine.hpp"
#include "server/setup/options.hpp"
#include "vernier/cpu/parallel.hpp"

namespace vernier::serve {

/// Owns what Served::backend points to. Destroy it after the last request, and before nothing else: the engine hands out its last events
/// while it goes.
struct LoadedModel {
  std::unique_ptr<cpu::ThreadPool> pool;
  std::unique_ptr<model::Device> device;  // before the engine, whose models run on it
  std::unique_ptr<Engine> engine;
  std::shared_ptr<Served> served;
  std::jthread keeper;  // writes new files of the weight cache
};

/// `report` gets lines for people; `progress(what, done, total)` is called often, and may throw to stop. Throws Error that names file,
/// field, value and what was expected.
LoadedModel load_model(const Options& options, const std::function<void(const std::string&)>& report,
                       const std::function<void(const std::string&, std::size_t, std::size_t)>& progress);

}  // namespace vernier::serve
