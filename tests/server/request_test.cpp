// Request validation: a table of bad requests with the whole message that each gets (docs/errors.md shows them), and what good ones become.
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "server/api/error.hpp"
#include "server/api/json.hpp"
#include "server/api/request.hpp"
#include "server/bad_requests.hpp"

namespace vernier::serve {
namespace {

RequestLimits limits() {
  RequestLimits out;
  out.vocabulary = 1000;
  out.tiers = {"nf4", "i8", "f16"};
  return out;
}

std::string message_of(const test::BadRequest& bad) {
  try {
    if (bad.chat)
      parse_chat(bad.body, limits());
    else
      parse_completion(bad.body, limits());
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status(), 400);
    return error.message();
  }
  return "accepted";
}

TEST(Request, EachBadOneGetsItsMessage) {
  EXPECT_GE(std::size(test::bad_requests), 30u);
  for (const test::BadRequest& bad : test::bad_requests) EXPECT_EQ(message_of(bad), bad.message) << bad.body;
}

TEST(Request, DepthIsBoundedBeforeAnythingElse) {
  for (const std::string& open : {std::string("["), std::string("{\"a\":")}) {
    std::string deep = "{\"messages\":";
    for (int i = 0; i < 100'000; ++i) deep += open;
    EXPECT_NE(message_of({true, deep.c_str(), ""}).find("nests deeper than 64 levels"), std::string::npos);
  }
}

TEST(Request, BadUtf8IsRefused) {
  for (const char* text : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"}) {
    const std::string body = std::string("{\"prompt\":\"") + text + "\"}";
    EXPECT_NE(message_of({false, body.c_str(), ""}).find("not valid JSON"), std::string::npos);
  }
  EXPECT_EQ(valid_utf8("a\xff\xe2\x82\xac\xe2\x82"), "a\xef\xbf\xbd\xe2\x82\xac\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(Request, ReadsEveryField) {
  const ChatRequest r =
      parse_chat(R"({"model":"x","messages":[{"role":"developer","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}],
    "temperature":0.5,"top_p":0.9,"top_k":40,"min_p":0.05,"repetition_penalty":1.1,"presence_penalty":0.5,"frequency_penalty":-0.5,
    "seed":-1,"n":2,"max_completion_tokens":7,"stop":["x","y"],"stop_token_ids":[3],"logit_bias":{"5":-100},"logprobs":true,"top_logprobs":3,
    "stream":true,"stream_options":{"include_usage":true},"user":"me","ignore_eos":true,"vernier":{"tier":"f16"},"tools":[],"tool_choice":"none",
    "response_format":{"type":"text"},"chat_template_kwargs":{"k":1},"frobnicate":1,"metadata":{"a":"b"}})",
                 limits());
  const ops::SampleOptions& s = r.generation.sampling;
  EXPECT_EQ(boost::json::serialize(r.messages), R"([{"role":"system","content":"a\nb"}])");
  EXPECT_FLOAT_EQ(s.temperature, 0.5f);
  EXPECT_FLOAT_EQ(s.top_p, 0.9f);
  EXPECT_EQ(s.top_k, 40);
  EXPECT_FLOAT_EQ(s.min_p, 0.05f);
  EXPECT_FLOAT_EQ(s.repetition_penalty, 1.1f);
  EXPECT_FLOAT_EQ(s.presence_penalty, 0.5f);
  EXPECT_FLOAT_EQ(s.frequency_penalty, -0.5f);
  EXPECT_TRUE(r.seeded);
  EXPECT_EQ(s.seed, ~std::uint64_t{0});
  EXPECT_EQ(r.generation.n, 2);
  EXPECT_EQ(r.generation.max_tokens, 7);
  EXPECT_EQ(r.generation.stop, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(r.generation.stop_ids, (std::vector<int>{3}));
  EXPECT_EQ(s.logit_bias, (std::vector<std::pair<int, float>>{{5, -100.0f}}));
  EXPECT_TRUE(r.generation.logprobs && r.generation.top_logprobs == 3);
  EXPECT_TRUE(r.stream && r.include_usage && r.generation.ignore_end);
  EXPECT_EQ(r.tier, "f16");
  EXPECT_EQ(boost::json::serialize(r.template_variables), R"({"k":1})");
  EXPECT_EQ(r.ignored, (std::vector<std::string>{"frobnicate"}));
}

TEST(Request, ReadsPromptsOfEveryKind) {
  const auto prompts = [](const char* body) { return parse_completion(body, limits()).prompts; };
  EXPECT_EQ(prompts(R"({"prompt":"a"})"), (std::vector<Prompt>{"a"}));
  EXPECT_EQ(prompts(R"({"prompt":[1,2]})"), (std::vector<Prompt>{std::vector<int>{1, 2}}));
  EXPECT_EQ(prompts(R"({"prompt":["a","b"]})"), (std::vector<Prompt>{"a", "b"}));
  EXPECT_EQ(prompts(R"({"prompt":[[1],[2,3]]})"), (std::vector<Prompt>{std::vector<int>{1}, std::vector<int>{2, 3}}));
  EXPECT_EQ(parse_completion(R"({"prompt":"a"})", limits()).generation.max_tokens, 16);
  const CompletionRequest r = parse_completion(R"({"prompt":"a","logprobs":0,"max_tokens":3.0,"seed":18446744073709551615})", limits());
  EXPECT_TRUE(r.generation.logprobs);
  EXPECT_EQ(r.generation.max_tokens, 3);
  EXPECT_EQ(r.generation.sampling.seed, ~std::uint64_t{0});
}

}  // namespace
}  // namespace vernier::serve
