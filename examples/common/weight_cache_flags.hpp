// The flags of the weight cache, the same in every program that loads a model.
#pragma once

#include <CLI/CLI.hpp>

#include "common/model/weight_cache.hpp"

namespace vernier {

/// Adds --weight-cache and --weight-cache-limit; what `cache` says now is the default.
inline void add_weight_cache_flags(CLI::App& app, model::WeightCache& cache) {
  app.add_option("--weight-cache", cache.where,
                 "folder that keeps weights, as they lie in memory, for the next start; off; auto: ~/.cache/vernier/weights, from 256 MiB on")
      ->capture_default_str();
  app.add_option("--weight-cache-limit", cache.limit_gib, "GiB of that folder; files that were not used for longest go first")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
}

}  // namespace vernier
