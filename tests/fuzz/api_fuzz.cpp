// Any bytes as the body of a request: JSON, then validation. What is accepted must lie within every limit.
#include <cmath>
#include <cstdlib>

#include "fuzz/fuzz.hpp"
#include "server/api/error.hpp"
#include "server/api/json.hpp"
#include "server/api/request.hpp"

namespace {

using namespace vernier::serve;

void require(bool ok) {
  if (!ok) std::abort();
}

void check(const CommonRequest& r, const RequestLimits& limits) {
  const GenerationRequest& g = r.generation;
  const auto& s = g.sampling;
  require(g.n >= 1 && g.n <= limits.n && g.max_tokens >= 0 && g.max_tokens <= limits.max_tokens);
  require(g.top_logprobs >= 0 && g.top_logprobs <= limits.top_logprobs && g.stop.size() <= static_cast<std::size_t>(limits.stops));
  require(s.temperature >= 0 && s.temperature <= 2 && s.top_p >= 0 && s.top_p <= 1 && s.min_p >= 0 && s.min_p <= 1);
  require(s.top_k >= 0 && s.top_k <= limits.vocabulary && std::isfinite(s.repetition_penalty));
  for (const auto& [id, bias] : s.logit_bias) require(id >= 0 && id < limits.vocabulary && bias >= -100 && bias <= 100);
  for (const std::string& stop : g.stop) require(!stop.empty());
  for (const int id : g.stop_ids) require(id >= 0 && id < limits.vocabulary);
  require(r.tier.empty() || r.tier == "f16");
}

template <class Parse>
void attempt(Parse&& parse) {
  try {
    parse();
  } catch (const ApiError& error) {
    require(error.status() == 400 && !error.message().empty() && error.message().size() < 1000);
    require(valid_utf8(error.message()) == error.message());
  }
}

}  // namespace

std::vector<std::string> vernier::fuzz::seeds() {
  return {
      R"({"messages":[{"role":"user","content":"hi"}],"max_tokens":5,"temperature":0.5,"top_p":0.9,"top_k":40,"min_p":0.1,"seed":-1})",
      R"({"messages":[{"role":"developer","content":[{"type":"text","text":"a"}],"name":"n"}],"stream":true,"stream_options":{"include_usage":true}})",
      R"({"prompt":["a","b"],"n":2,"stop":["x","\ud83d\ude00"],"logprobs":3,"echo":false,"logit_bias":{"5":-100},"vernier":{"tier":"f16"}})",
      R"({"prompt":[1,2,3],"repetition_penalty":1.1,"presence_penalty":-2,"frequency_penalty":2e0,"ignore_eos":true,"stop_token_ids":[1]})",
      R"({"messages":[{"role":"user","content":"x"}],"logprobs":true,"top_logprobs":20,"tools":[],"response_format":{"type":"text"}})",
  };
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  RequestLimits limits;
  limits.vocabulary = 1000;
  limits.tiers = {"f16"};
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  attempt([&] { check(parse_chat(body, limits), limits); });
  attempt([&] {
    const CompletionRequest request = parse_completion(body, limits);
    check(request, limits);
    for (const Prompt& prompt : request.prompts)
      if (const auto* ids = std::get_if<std::vector<int>>(&prompt))
        for (const int id : *ids) require(id >= 0 && id < limits.vocabulary);
  });
  return 0;
}
