// A whole server in the test's process: HTTP, API and the real engine over the toy model, with a real tokenizer that fits the toy's ids.
#pragma once

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <thread>

#include "server/api/json.hpp"
#include "server/api/service.hpp"
#include "server/client.hpp"
#include "server/engine_support.hpp"
#include "server/http/server.hpp"

namespace vernier::serve::test {

namespace json = boost::json;

/// tokenizer.json for the toy's vocabulary: id 0 ends, 1 and 2 are the halves of an 'é', 3 to 94 are '#' to '~', 95 is DEL.
inline text::Tokenizer toy_tokenizer() {
  json::object vocab{{"<end>", 0}, {"\xC3\x83", 1}, {"\xC2\xA9", 2}, {"\xC4\xA1", 95}};
  for (int id = 3; id < 95; ++id) vocab[std::string(1, static_cast<char>(' ' + id))] = id;
  const json::object file{
      {"added_tokens",
       {{{"id", 0},
         {"content", "<end>"},
         {"special", true},
         {"lstrip", false},
         {"rstrip", false},
         {"single_word", false},
         {"normalized", false}}}},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}}},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", json::array()}}}};
  return text::Tokenizer::from_json({.name = "toy.json",
                                     .tokenizer = json::serialize(file),
                                     .tokenizer_config = R"({"eos_token":"<end>"})",
                                     .generation_config = {},
                                     .config = {}});
}

/// Tiers "nf4", "i8" and "f16" with different answers each; the server's own choice is i8.
inline std::shared_ptr<Served> toy_served(Engine& engine) {
  auto out = std::make_shared<Served>(
      Served{.name = "toy",
             .created = 1,
             .tokenizer = toy_tokenizer(),
             .chat_template = std::make_shared<text::ChatTemplate>("{% for m in messages %}{{ m.role }}:{{ m.content }}|{% endfor %}"),
             .device = "cpu (toy)",
             .context = engine.capacity(0),
             .limits = {},
             .tiers = {{"nf4", {{"nf4", 100}}, "e4m3"}, {"i8", {{"i8", 200}}, "e4m3"}, {"f16", {{"f16", 400}}, "f16"}},
             .meta = {{"n_vocab", toy_vocabulary}},
             .backend = {},
             .choose = {}});
  out->limits.vocabulary = toy_vocabulary;
  out->limits.tiers = {"nf4", "i8", "f16"};
  out->backend.submit = [&engine](GenerationRequest request, EventCallback callback) {
    return engine.submit(std::move(request), std::move(callback));
  };
  out->backend.cancel = [&engine](GenerationId id) { engine.cancel(id); };
  out->backend.stats = [&engine] { return engine.stats(); };
  out->choose = [](std::string_view, const std::string& forced) {
    if (forced.empty()) return TierChoice{1, 0.5, "no-signal"};
    return TierChoice{forced == "nf4" ? 0 : forced == "i8" ? 1 : 2, 0.5, "forced"};
  };
  return out;
}

class ApiServer {
 public:
  explicit ApiServer(ToyConfig toy = {}, EngineConfig engine = {}, ServiceOptions options = {})
      : service(options), http({}, {}, [this](std::shared_ptr<Exchange> e) { service.handle(std::move(e)); }) {
    std::vector<ToyConfig> tiers(3, toy);
    for (std::size_t i = 0; i < 3; ++i) tiers[i].salt = i + 1;
    engine_ = std::make_unique<ToyEngine>(tiers, engine);
    served = toy_served(engine_->engine);
    metrics = std::make_shared<Metrics>("toy", served->limits.tiers, served->device);
    thread_ = std::thread([this] { http.run(); });
  }
  ~ApiServer() {
    http.stop();
    join();
    engine_.reset();  // its last events come here, so the service and the exchanges must still be there
  }

  void load() { service.serve(served, metrics); }
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  Engine& engine() { return engine_->engine; }

  Service service;
  HttpServer http;
  std::shared_ptr<Served> served;
  std::shared_ptr<Metrics> metrics;

 private:
  std::unique_ptr<ToyEngine> engine_;
  std::thread thread_;
};

inline json::value parsed(const std::string& text) {
  boost::system::error_code error;
  json::value out = json::parse(text, error);
  EXPECT_FALSE(error) << text;
  return out;
}

/// The text of choice `index` of a stream, put together again.
inline std::string streamed_text(const std::vector<std::string>& stream, int index = 0) {
  std::string out;
  for (const std::string& event : stream) {
    if (event == "[DONE]") break;
    const json::value value = parsed(event);
    if (!value.as_object().contains("choices")) continue;
    for (const json::value& choice : value.at("choices").as_array()) {
      if (choice.at("index").as_int64() != index) continue;
      const auto* delta = choice.as_object().if_contains("delta");
      const json::object& holder = delta ? delta->as_object() : choice.as_object();
      if (const auto* part = holder.if_contains(delta ? "content" : "text")) out.append(part->as_string());
    }
  }
  return out;
}

}  // namespace vernier::serve::test
