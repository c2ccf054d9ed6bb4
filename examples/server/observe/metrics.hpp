// What Prometheus scrapes: vLLM's set of series under a neutral prefix, each with a tier label. Names and buckets are in docs/serving.md.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/engine/engine.hpp"

namespace vernier::serve {

/// Thread-safe.
class Metrics {
 public:
  /// `tiers`: names, in the engine's order. `device`: what they run on.
  Metrics(std::string_view model, const std::vector<std::string>& tiers, std::string_view device);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// Seconds between two pieces of one answer.
  void inter_token(int tier, double seconds);
  /// One answer (of perhaps several) ended so.
  void answer(int tier, FinishReason reason);
  /// A request had its last event.
  void request(int tier, const Usage& usage, const Timing& timing);
  /// An HTTP answer went out. `path` must be one of the served ones: labels are for ever.
  void http(std::string_view path, int status);
  /// A routing decision. `reason` must come from a fixed set.
  void routed(int tier, std::string_view reason);

  /// The exposition text; gauges are taken from `stats`.
  std::string text(const EngineStats& stats);

  static constexpr const char* content_type = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vernier::serve
