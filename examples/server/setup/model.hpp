// From a model's path to something that answers: weights of every tier, caches, engine, tokenizer, template.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "common/device/device.hpp"
#include "common/io/checkpoint.hpp"
#include "common/model/weights.hpp"
#include "server/api/served.hpp"
#include "server/engine/engine.hpp"
#include "server/setup/options.hpp"
#include "vernier/cpu/parallel.hpp"

namespace vernier::serve {

/// The model's file, and its weights on their way from there.
struct ModelFiles {
  explicit ModelFiles(const std::string& path) : checkpoint(io::open_checkpoint(path)) {}

  const io::Checkpoint checkpoint;
  std::optional<model::WeightLoader> loader;
  std::jthread keeper;  // writes new files of the weight cache
};

/// Owns what Served::backend points to. Destroy it after the last request, and before nothing else: the engine hands out its last events
/// while it goes.
struct LoadedModel {
  std::unique_ptr<cpu::ThreadPool> pool;
  std::unique_ptr<model::Device> device;  // before the engine, whose models run on it
  std::unique_ptr<ModelFiles> files;      // likewise: it packs the weights
  std::unique_ptr<Engine> engine;
  std::shared_ptr<Served> served;
};

/// Whom load_model() tells what. Each may be called from the engine's thread after load_model() has returned, for weights are packed when
/// there is nothing to answer, or at the second step of a tier.
struct LoadEvents {
  std::function<void(const std::string& line)> report;                                         // lines for people
  std::function<void(const std::string& what, std::size_t done, std::size_t total)> progress;  // often; may throw to stop load_model()
  std::function<void(const std::string& error)> failed;  // weights cannot be packed, so that the model is of no use. Once
};

/// Throws Error that names file, field, value and what was expected.
LoadedModel load_model(const Options& options, const LoadEvents& events);

}  // namespace vernier::serve
