// What the API serves: one model with its tokenizer, template and tiers, and the engine behind three functions, so that tests can put
// something small in its place.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/text/chat_template.hpp"
#include "common/text/tokenizer.hpp"
#include "server/api/request.hpp"
#include "server/engine/engine.hpp"

namespace vernier::serve {

/// One tier as /v1/models tells of it: what is really held, not what was asked for.
struct TierInfo {
  std::string name;
  std::vector<std::pair<std::string, std::size_t>> weight_bytes;  // format -> bytes of the tensors that have it
  std::string kv;                                                 // format of keys and values
};

/// The tier of a request and why. `reason` is a word of a fixed set, as metrics need it.
struct TierChoice {
  int tier = 0;
  double score = 0;  // the router's, 0 to 1
  std::string reason;
};

/// The engine, as far as the API needs it. All thread-safe.
struct Backend {
  std::function<Submitted(GenerationRequest, EventCallback)> submit;
  std::function<void(GenerationId)> cancel;
  std::function<EngineStats()> stats;
};

/// Immutable once serving.
struct Served {
  std::string name;
  std::int64_t created = 0;  // seconds since 1970
  text::Tokenizer tokenizer;
  std::shared_ptr<const text::ChatTemplate> chat_template;  // null: the model has none, chat is refused
  std::string device;  // that the tiers run on
  int context = 0;
  RequestLimits limits;
  std::vector<TierInfo> tiers;
  boost::json::object meta;  // of the model, for /v1/models
  Backend backend;
  /// Chooses a tier for what users wrote; `forced` is a tier's name, or empty. Called by several threads.
  std::function<TierChoice(std::string_view text, const std::string& forced)> choose;
};

}  // namespace vernier::serve
