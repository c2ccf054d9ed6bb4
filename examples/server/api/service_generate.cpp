// The two endpoints that generate: validate, render, tokenise, choose a tier, hand over to the engine.
#include <boost/json/object.hpp>
#include <cstdio>
#include <ctime>
#include <random>

#include "server/api/call.hpp"
#include "server/api/prompt.hpp"
#include "server/observe/log.hpp"
#include "vernier/core/error.hpp"

namespace vernier::serve {
namespace {

std::uint64_t random_seed() {
  std::random_device random;
  return (std::uint64_t{random()} << 32) ^ random();
}

std::string three_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

void warn(const std::string& id, const CommonRequest& request, std::size_t dropped_bytes) {
  if (!request.ignored.empty()) {
    std::string names;
    for (std::size_t i = 0; i < request.ignored.size() && i < 16; ++i) names += (i ? ", " : "") + log_quoted(request.ignored[i]);
    log_warning(concat("request ", id, " has fields without effect: ", names));
  }
  if (dropped_bytes)
    log_warning(concat("request ", id, ": the vocabulary has no token for ", dropped_bytes, " bytes of the prompt; they were dropped"));
}

}  // namespace

TierChoice Service::choose(Call& call, const CommonRequest& request, std::string_view text) const {
  TierChoice choice = call.served->choose(text, request.tier);
  call.metrics->routed(choice.tier, choice.reason);
  return choice;
}

template <class Parsed>
AnswerPlan Service::plan(Call& call, const Parsed& request, const TierChoice& choice, bool chat) {
  const Served& served = *call.served;
  const std::string& tier = served.tiers.at(static_cast<std::size_t>(choice.tier)).name;
  AnswerPlan out;
  out.info.chat = chat;
  out.info.id = concat(chat ? "chatcmpl-" : "cmpl-", fresh_id());
  out.info.model = served.name;
  out.info.created = static_cast<std::int64_t>(std::time(nullptr));
  out.info.routing = {{"tier", tier}, {"score", choice.score}, {"reason", choice.reason}};
  out.info.token_bytes = [kept = call.served](int id) { return id < kept->tokenizer.size() ? kept->tokenizer.bytes(id) : std::string(); };
  out.headers = {{"X-Request-Id", call.id},
                 {"X-Vernier-Tier", tier},
                 {"X-Vernier-Score", three_digits(choice.score)},
                 {"X-Vernier-Reason", choice.reason}};
  if (!options_.cors_origin.empty()) {
    out.headers.push_back({"Access-Control-Allow-Origin", options_.cors_origin});
    out.headers.push_back({"Access-Control-Expose-Headers", "X-Request-Id, X-Vernier-Tier, X-Vernier-Score, X-Vernier-Reason"});
  }
  out.prompt_field = chat ? "messages" : "prompt";
  out.line.id = call.id;
  out.line.method = call.request().method;
  out.line.path = std::string(call.route->path);
  out.line.tier = tier;
  out.tier = choice.tier;
  out.n = request.generation.n;
  out.stream = request.stream;
  out.include_usage = request.include_usage;
  out.logprobs = request.generation.logprobs;
  return out;
}

void Service::chat(Call& call) {
  ChatRequest request = parse_chat(call.request().body, call.served->limits);
  EncodedPrompt prompt = encode_chat(*call.served, request);
  warn(call.id, request, prompt.dropped_bytes);
  const TierChoice choice = choose(call, request, prompt.text);
  AnswerPlan answer = plan(call, request, choice, true);
  if (!request.seeded) request.generation.sampling.seed = random_seed();
  request.generation.tier = choice.tier;
  request.generation.prompt = std::move(prompt.ids);
  std::vector<GenerationRequest> one;
  one.push_back(std::move(request.generation));
  std::make_shared<GenerationAnswer>(call.served, *call.metrics, call.exchange, std::move(answer))->start(std::move(one));
}

void Service::completion(Call& call) {
  CompletionRequest request = parse_completion(call.request().body, call.served->limits);
  std::vector<EncodedPrompt> prompts;
  std::string text;
  std::size_t dropped = 0;
  for (const Prompt& prompt : request.prompts) {
    prompts.push_back(encode_prompt(*call.served, prompt));
    text += (text.empty() ? "" : "\n") + prompts.back().text;
    dropped += prompts.back().dropped_bytes;
  }
  warn(call.id, request, dropped);
  const TierChoice choice = choose(call, request, text);  // one for all prompts: an answer has one tier
  AnswerPlan answer = plan(call, request, choice, false);
  if (!request.seeded) request.generation.sampling.seed = random_seed();
  request.generation.tier = choice.tier;
  std::vector<GenerationRequest> all;
  for (EncodedPrompt& prompt : prompts) {
    all.push_back(request.generation);
    all.back().prompt = std::move(prompt.ids);
    if (request.echo) answer.echo.push_back(std::move(prompt.text));
  }
  std::make_shared<GenerationAnswer>(call.served, *call.metrics, call.exchange, std::move(answer))->start(std::move(all));
}

}  // namespace vernier::serve
