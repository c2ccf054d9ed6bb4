// The API over real sockets and the real engine with a toy model: shapes of answers and streams, errors, access, routing, cancellation.
#include <functional>

#include "server/api_support.hpp"

namespace vernier::serve {
namespace {

using namespace std::chrono_literals;
using test::Answer;
using test::ApiServer;
using test::Client;
using test::parsed;
namespace json = boost::json;

constexpr const char* hello = R"("messages":[{"role":"user","content":"Hello"}],"temperature":0,"max_tokens":12)";

std::string chat_body(const std::string& more = {}) { return "{" + std::string(hello) + (more.empty() ? "" : "," + more) + "}"; }

bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 4000 && !condition(); ++i) std::this_thread::sleep_for(5ms);
  return condition();
}

class Api : public ::testing::Test {
 protected:
  void start(test::ToyConfig toy = {}, EngineConfig engine = {}, ServiceOptions options = {}) {
    server_ = std::make_unique<ApiServer>(toy, engine, options);
    server_->load();
    client_ = std::make_unique<Client>(server_->http.port());
  }
  Answer post(const std::string& path, const std::string& body) { return client_->request("POST", path, body); }
  std::string error_code(const Answer& answer) {
    const json::value body = parsed(answer.body);
    EXPECT_TRUE(body.at("error").as_object().contains("message") && body.at("error").as_object().contains("type"));
    const json::value& code = body.at("error").at("code");
    return code.is_null() ? "" : std::string(code.as_string());
  }

  std::unique_ptr<ApiServer> server_;
  std::unique_ptr<Client> client_;
};

TEST_F(Api, AWholeChatAnswer) {
  start();
  const Answer answer = post("/v1/chat/completions", chat_body());
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.header("x-vernier-tier"), "i8");
  EXPECT_EQ(answer.header("x-vernier-score"), "0.500");
  EXPECT_EQ(answer.header("x-vernier-reason"), "no-signal");
  EXPECT_FALSE(answer.header("x-request-id").empty());
  const json::value body = parsed(answer.body);
  EXPECT_EQ(body.at("object"), "chat.completion");
  EXPECT_EQ(body.at("model"), "toy");
  EXPECT_EQ(json::serialize(body.at("vernier")), R"({"tier":"i8","score":5E-1,"reason":"no-signal"})");
  const json::value& choice = body.at("choices").at(0);
  EXPECT_EQ(choice.at("message").at("role"), "assistant");
  EXPECT_FALSE(choice.at("message").at("content").as_string().empty());
  EXPECT_TRUE(choice.at("finish_reason") == "length" || choice.at("finish_reason") == "stop");
  EXPECT_TRUE(choice.at("logprobs").is_null());
  const json::value& usage = body.at("usage");
  EXPECT_EQ(usage.at("prompt_tokens").as_int64(), static_cast<std::int64_t>(std::string("user:Hello|").size()));
  EXPECT_EQ(usage.at("total_tokens").as_int64(), usage.at("prompt_tokens").as_int64() + usage.at("completion_tokens").as_int64());
}

TEST_F(Api, AStreamSaysTheSameInChunks) {
  start();
  const json::value whole = parsed(post("/v1/chat/completions", chat_body()).body);
  const Answer answer = post("/chat/completions", chat_body(R"("stream":true,"stream_options":{"include_usage":true})"));
  EXPECT_EQ(answer.header("content-type"), "text/event-stream; charset=utf-8");
  EXPECT_EQ(answer.header("x-vernier-tier"), "i8");
  const auto stream = test::events(answer.body);
  ASSERT_GE(stream.size(), 4u);
  EXPECT_EQ(stream.back(), "[DONE]");
  EXPECT_EQ(test::streamed_text(stream), whole.at("choices").at(0).at("message").at("content").as_string().c_str());
  const json::value first = parsed(stream.front()), last = parsed(stream[stream.size() - 3]), usage = parsed(stream[stream.size() - 2]);
  EXPECT_EQ(first.at("object"), "chat.completion.chunk");
  EXPECT_EQ(first.at("choices").at(0).at("delta").at("role"), "assistant");
  EXPECT_TRUE(first.at("usage").is_null());
  EXPECT_EQ(first.at("vernier").at("tier"), "i8");
  EXPECT_EQ(json::serialize(last.at("choices").at(0).at("delta")), "{}");
  EXPECT_EQ(last.at("choices").at(0).at("finish_reason"), whole.at("choices").at(0).at("finish_reason"));
  EXPECT_TRUE(usage.at("choices").as_array().empty());
  for (const char* count : {"prompt_tokens", "completion_tokens", "total_tokens"})  // the second time, more of the prompt is cached
    EXPECT_EQ(usage.at("usage").at(count), whole.at("usage").at(count));
  EXPECT_EQ(first.at("id"), usage.at("id"));
}

TEST_F(Api, AForcedTierAnswersDifferentlyAndSaysSo) {
  start();
  std::set<std::string> texts;
  for (const std::string tier : {"nf4", "i8", "f16"}) {
    const Answer answer = post("/v1/chat/completions", chat_body(R"("vernier":{"tier":")" + tier + "\"}"));
    EXPECT_EQ(answer.header("x-vernier-tier"), tier);
    EXPECT_EQ(answer.header("x-vernier-reason"), "forced");
    texts.insert(parsed(answer.body).at("choices").at(0).at("message").at("content").as_string().c_str());
  }
  EXPECT_EQ(texts.size(), 3u);
}

TEST_F(Api, SeveralAnswersToSeveralPrompts) {
  start();
  const std::string common = R"("max_tokens":8,"temperature":1,"seed":7,"n":2)";
  const json::value both = parsed(post("/v1/completions", R"({"prompt":["abc","xyz"],)" + common + "}").body);
  const json::value second = parsed(post("/v1/completions", R"({"prompt":"xyz",)" + common + "}").body);
  ASSERT_EQ(both.at("choices").as_array().size(), 4u);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(both.at("choices").at(static_cast<std::size_t>(i)).at("index"), i);
  EXPECT_EQ(both.at("object"), "text_completion");
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(both.at("choices").at(2 + i).at("text"), second.at("choices").at(i).at("text"));
  EXPECT_NE(second.at("choices").at(0).at("text"), second.at("choices").at(1).at("text"));
  const Answer stream = post("/v1/completions", R"({"prompt":["abc","xyz"],"stream":true,"echo":true,)" + common + "}");
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(test::streamed_text(test::events(stream.body), i),
              (i < 2 ? "abc" : "xyz") + std::string(both.at("choices").at(static_cast<std::size_t>(i)).at("text").as_string()));
}

TEST_F(Api, LogProbabilitiesInBothForms) {
  start();
  const json::value chat = parsed(post("/v1/chat/completions", chat_body(R"("logprobs":true,"top_logprobs":3)")).body);
  std::string joined;
  for (const json::value& token : chat.at("choices").at(0).at("logprobs").at("content").as_array()) {
    for (const json::value& byte : token.at("bytes").as_array()) joined += static_cast<char>(byte.as_int64());
    ASSERT_EQ(token.at("top_logprobs").as_array().size(), 3u);
    EXPECT_EQ(token.at("top_logprobs").at(0).at("logprob"), token.at("logprob"));  // greedy: the best is the chosen one
    EXPECT_LE(token.at("logprob").to_number<double>(), 0);
  }
  EXPECT_EQ(valid_utf8(joined), chat.at("choices").at(0).at("message").at("content").as_string().c_str());
  const json::value text = parsed(post("/v1/completions", R"({"prompt":"abc","temperature":0,"max_tokens":5,"logprobs":2})").body);
  const json::value& logprobs = text.at("choices").at(0).at("logprobs");
  EXPECT_EQ(logprobs.at("tokens").as_array().size(), logprobs.at("token_logprobs").as_array().size());
  EXPECT_EQ(logprobs.at("text_offset").at(0), 0);
  EXPECT_EQ(logprobs.at("top_logprobs").at(0).as_object().size(), 2u);
}

TEST_F(Api, StopStringsEndTheTextAndAreNotPartOfIt) {
  start({.endless = true});
  const auto text = [&](const std::string& more) {
    const json::value body = parsed(post("/v1/completions", R"({"prompt":"abc","temperature":0,"max_tokens":30)" + more + "}").body);
    return std::pair(std::string(body.at("choices").at(0).at("text").as_string()),
                     std::string(body.at("choices").at(0).at("finish_reason").as_string()));
  };
  const auto [whole, reason] = text("");
  EXPECT_EQ(reason, "length");
  ASSERT_GE(whole.size(), 10u);
  const std::string stop = whole.substr(4, 2);
  const auto [cut, why] = text(",\"stop\":" + json::serialize(json::array{json::value(stop)}));
  EXPECT_EQ(cut, whole.substr(0, whole.find(stop)));
  EXPECT_EQ(why, "stop");
}

TEST_F(Api, RefusalsHaveStatusTypeAndCode) {
  start({.context = 64});
  const Answer bad = post("/v1/chat/completions", chat_body(R"("top_p":9)"));
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(parsed(bad.body).at("error").at("param"), "top_p");
  EXPECT_EQ(parsed(bad.body).at("error").at("type"), "invalid_request_error");
  const Answer longer = post("/v1/completions", R"({"prompt":")" + std::string(100, 'a') + "\"}");
  EXPECT_EQ(longer.status, 400);
  EXPECT_EQ(error_code(longer), "context_length_exceeded");
  EXPECT_NE(longer.body.find("100"), std::string::npos) << longer.body;
  EXPECT_NE(longer.body.find("64"), std::string::npos) << longer.body;
  EXPECT_EQ(post("/v1/chat/completions", std::string(100'000, '[')).status, 400);
  EXPECT_EQ(post("/v1/completions", R"({"prompt":""})").status, 400);
  EXPECT_EQ(post("/v1/embeddings", "{}").status, 404);
  const Answer method = client_->request("GET", "/v1/completions");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.header("allow"), "POST, OPTIONS");
  EXPECT_EQ(client_->request("DELETE", "/health").header("allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(client_->request("OPTIONS", "/v1/completions").status, 204);
  client_->send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 2\r\n\r\n{}");
  EXPECT_EQ(client_->answer().status, 415);
  const Answer poison = post("/v1/completions", R"({"prompt":[5,95],"stream":true})");
  EXPECT_EQ(poison.status, 500);  // nothing was sent yet, so it is a status and not an event
  EXPECT_EQ(error_code(poison), "generation_failed");
}

TEST_F(Api, RequestIdsAreEchoedIfSane) {
  start();
  EXPECT_EQ(client_->request("GET", "/health", {}, "X-Request-Id: my-id.1\r\n").header("x-request-id"), "my-id.1");
  const std::string replaced = client_->request("GET", "/health", {}, "X-Request-Id: a b{}\r\n").header("x-request-id");
  EXPECT_EQ(replaced.find(' '), std::string::npos);
  EXPECT_FALSE(replaced.empty());
}

TEST_F(Api, TheKeyGuardsAllButHealthModelsAndVersion) {
  start({}, {}, {.api_key = "secret", .cors_origin = "https://a.example", .workers = 1});
  for (const char* path : {"/health", "/v1/models", "/version"}) EXPECT_EQ(client_->request("GET", path).status, 200) << path;
  for (const char* path : {"/metrics", "/nowhere", "/v1/chat/completions"}) EXPECT_EQ(client_->request("GET", path).status, 401) << path;
  for (const char* key : {"Bearer secre", "Bearer secret1", "Bearer ", "secret", "Bearer SECRET"})
    EXPECT_EQ(client_->request("GET", "/metrics", {}, std::string("Authorization: ") + key + "\r\n").status, 401) << key;
  EXPECT_EQ(client_->request("GET", "/metrics", {}, "Authorization: Bearer secret\r\n").status, 200);
  EXPECT_EQ(client_->request("GET", "/metrics", {}, "X-Api-Key: secret\r\n").status, 200);
  const Answer preflight = client_->request("OPTIONS", "/v1/chat/completions");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.header("access-control-allow-origin"), "https://a.example");
}

TEST_F(Api, TokenizerAndTemplateEndpoints) {
  start();
  EXPECT_EQ(post("/tokenize", R"({"content":"a<end>b"})").body, R"({"tokens":[65,0,66]})");
  EXPECT_EQ(post("/tokenize", R"({"content":"<end>","parse_special":false})").body.find("[0]"), std::string::npos);
  EXPECT_EQ(post("/tokenize", "{\"content\":\"\xC3\xA9\",\"with_pieces\":true}").body,
            R"({"tokens":[{"id":1,"piece":[195]},{"id":2,"piece":[169]}]})");
  EXPECT_EQ(post("/detokenize", R"({"tokens":[65,1,2,66]})").body,
            "{\"content\":\"a\xC3\xA9"
            "b\"}");
  EXPECT_EQ(post("/detokenize", R"({"tokens":[96]})").status, 400);
  EXPECT_EQ(post("/detokenize", R"({"tokens":[4294967297]})").status, 400);
  EXPECT_EQ(post("/apply-template", R"({"messages":[{"role":"user","content":"x"}]})").body, R"({"prompt":"user:x|"})");
}

TEST_F(Api, ModelsTellWhatIsReallyHeld) {
  start();
  const json::value list = parsed(client_->request("GET", "/v1/models").body);
  const json::value& model = list.at("data").at(0);
  EXPECT_EQ(model.at("id"), "toy");
  EXPECT_EQ(model.at("vernier").at("device"), "cpu (toy)");
  EXPECT_EQ(json::serialize(model.at("vernier").at("tiers").at(2)),
            R"({"name":"f16","weight_bytes":400,"weight_bytes_by_format":{"f16":400},"kv":"f16"})");
  EXPECT_EQ(client_->request("GET", "/v1/models/toy").status, 200);
  EXPECT_EQ(client_->request("GET", "/v1/models/other").status, 404);
  EXPECT_EQ(client_->request("HEAD", "/health").status, 200);
}

TEST_F(Api, MetricsCountWhatHappened) {
  start();
  ASSERT_EQ(post("/v1/completions", R"({"prompt":"abc","max_tokens":3,"ignore_eos":true,"logprobs":1,"vernier":{"tier":"f16"}})").status,
            200);
  ASSERT_EQ(post("/v1/chat/completions", chat_body()).status, 200);
  const char* idle = "vernier_num_requests_running{model_name=\"toy\",tier=\"i8\"} 0";
  Answer answer;
  EXPECT_TRUE(eventually([&] {  // a client may have its answer before the engine has put the request away
    answer = client_->request("GET", "/metrics");
    return answer.body.find(idle) != std::string::npos;
  }));
  for (const char* line :
       {idle, "vernier_kv_cache_usage_perc{model_name=\"toy\",tier=\"nf4\"} 0",
        "vernier_prompt_tokens_total{model_name=\"toy\",tier=\"i8\"} 11", "vernier_host_logits_total{model_name=\"toy\",tier=\"i8\"} 0",
        "vernier_host_logits_total{model_name=\"toy\",tier=\"f16\"} 3",
        "vernier_time_to_first_token_seconds_bucket{model_name=\"toy\",tier=\"i8\",le=\"0.001\"}",
        "vernier_e2e_request_latency_seconds_count{model_name=\"toy\",tier=\"i8\"} 1",
        "vernier_routing_decisions_total{model_name=\"toy\",reason=\"no-signal\",tier=\"i8\"} 1"})
    EXPECT_NE(answer.body.find(line), std::string::npos) << line << "\n" << answer.body.substr(0, 4000);
}

TEST_F(Api, AFullQueueIs429WithRetryAfter) {
  start({.endless = true, .delay = 2ms}, {.max_sequences = 1, .max_queue = 1});
  std::vector<std::unique_ptr<Client>> others;
  const std::string body = R"({"prompt":"abc","max_tokens":200,"stream":true})";
  Answer refused;
  for (int i = 0; i < 8 && refused.status != 429; ++i) {
    others.push_back(std::make_unique<Client>(server_->http.port()));
    others.back()->send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    if (others.back()->receive(300ms) && others.back()->pending().find("429") != std::string::npos) refused = others.back()->answer();
  }
  EXPECT_EQ(refused.status, 429);
  EXPECT_FALSE(refused.header("retry-after").empty());
  EXPECT_EQ(error_code(refused), "queue_full");
}

TEST_F(Api, AClientThatLeavesStopsItsGeneration) {
  start({.context = 4096, .pages = 2000, .endless = true, .delay = 1ms});
  for (const char* stream : {"true", "false"}) {
    const auto before = server_->engine().stats().cancelled;
    const std::string body = std::string(R"({"prompt":"abc","max_tokens":4000,"stream":)") + stream + "}";
    Client leaver(server_->http.port());
    leaver.send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    EXPECT_TRUE(eventually([&] { return server_->engine().stats().tiers[1].running == 1; }));
    leaver.close();
    EXPECT_TRUE(eventually([&] { return server_->engine().stats().cancelled == before + 1; })) << stream;
  }
}

TEST(ApiLifecycle, LoadingAndDrainingAre503) {
  ApiServer server({.endless = true, .delay = 1ms});
  Client client(server.http.port());
  EXPECT_EQ(client.request("GET", "/health").status, 503);
  EXPECT_EQ(client.request("POST", "/v1/chat/completions", chat_body()).status, 503);
  server.load();
  EXPECT_EQ(client.request("GET", "/health").status, 200);
  Client busy(server.http.port());
  const std::string body = R"({"prompt":"abc","max_tokens":150,"stream":true})";
  busy.send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  ASSERT_TRUE(busy.receive_until("data: "));
  server.service.drain();
  server.http.drain(30s);
  Client late(server.http.port());
  EXPECT_EQ(late.request("GET", "/health").status, 503);
  const Answer refused = Client(server.http.port()).request("POST", "/v1/chat/completions", chat_body());
  EXPECT_EQ(refused.status, 503);
  EXPECT_FALSE(refused.header("retry-after").empty());
  const auto stream = test::events(busy.answer().body);
  EXPECT_EQ(stream.back(), "[DONE]");
  server.join();
}

}  // namespace
}  // namespace vernier::serve
