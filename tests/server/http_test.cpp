// The HTTP layer over real loopback sockets: protocol, limits, time-outs, streams, clients that leave, draining.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "server/client.hpp"
#include "server/http/server.hpp"
#include "server/http/writer.hpp"

namespace vernier::serve {
namespace {

using namespace std::chrono_literals;
using test::Answer;
using test::Client;

/// A server on a free port that echoes bodies; /stream streams until told, /hold never answers, /drop forgets its exchange.
class Http : public ::testing::Test {
 protected:
  void start(Limits limits = {}) {
    server_ = std::make_unique<HttpServer>(Endpoint{}, limits, [this](std::shared_ptr<Exchange> e) { handle(std::move(e)); });
    port_ = server_->port();
    thread_ = std::thread([this] { server_->run(); });
  }

  void TearDown() override {
    held_.clear();
    if (!thread_.joinable()) return;
    server_->stop();
    thread_.join();
  }

  void handle(std::shared_ptr<Exchange> e) {
    const std::string& path = e->request().path;
    if (path == "/throw") throw std::runtime_error("a bug");
    if (path == "/drop") return;
    if (path == "/hold" || path == "/stream") {
      e->on_closed([this] { ++left_; });
      if (path == "/stream") {
        e->begin_stream({.status = 200, .content_type = "text/event-stream", .headers = {}, .body = {}});
        e->send(sse_event("1"));
      }
      const std::scoped_lock lock(mutex_);
      held_.push_back(std::move(e));
      return;
    }
    Response out;
    out.headers.push_back({"X-Echo", std::string(e->request().header("x-echo"))});
    out.body = e->request().body;
    e->respond(std::move(out));
  }

  std::shared_ptr<Exchange> held() {
    for (int i = 0; i < 2000; ++i) {
      {
        const std::scoped_lock lock(mutex_);
        if (!held_.empty()) return held_.back();
      }
      std::this_thread::sleep_for(5ms);
    }
    return nullptr;
  }

  bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 2000 && !condition(); ++i) std::this_thread::sleep_for(5ms);
    return condition();
  }

  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Exchange>> held_;
  std::atomic<int> left_{0};
  int port_ = 0;
};

TEST_F(Http, KeepsConnectionsAliveAndAnswersHeadWithoutABody) {
  start();
  Client client(port_);
  for (int i = 0; i < 3; ++i) {
    const Answer answer = client.request("POST", "/", "hello " + std::to_string(i));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "hello " + std::to_string(i));
    EXPECT_EQ(answer.header("connection"), "keep-alive");
  }
  EXPECT_EQ(client.request("HEAD", "/").status, 200);
  EXPECT_EQ(client.request("POST", "/", "after").body, "after");
  client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.answer().header("connection"), "close");
  EXPECT_TRUE(client.closed_within(5s));
}

TEST_F(Http, AnswersPipelinedRequestsInOrder) {
  start();
  Client client(port_);
  std::string all;
  for (char c = 'a'; c < 'k'; ++c) all += std::string("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n") + c;
  client.send(all);
  for (char c = 'a'; c < 'k'; ++c) EXPECT_EQ(client.answer().body, std::string(1, c));
}

TEST_F(Http, ReadsChunkedBodiesAndRequestsThatComeByteByByte) {
  start();
  Client client(port_);
  const std::string request =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;ext=1\r\nd\r\n0\r\nTrailer: x\r\n\r\n";
  for (char c : request) client.send(std::string_view(&c, 1));
  EXPECT_EQ(client.answer().body, "abcd");
  client.send(request);
  EXPECT_EQ(client.answer().body, "abcd");
}

TEST_F(Http, SendsContinueOnlyWhenTheBodyMayCome) {
  Limits limits;
  limits.body_bytes = 100;
  start(limits);
  Client client(port_);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.answer().status, 100);
  client.send("abc");
  EXPECT_EQ(client.answer().body, "abc");
  client.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 101\r\n\r\n");
  EXPECT_EQ(client.answer().status, 413);
}

TEST_F(Http, RefusesWithTheStatusThatFits) {
  Limits limits;
  limits.body_bytes = 1000;
  start(limits);
  const std::string ok = "Host: x\r\n";
  const std::pair<std::string, int> cases[] = {
      {"garbage\r\n\r\n", 400},
      {std::string("\0\1\2\3\r\n\r\n", 8), 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET http://x/ HTTP/1.1\r\n" + ok + "\r\n", 400},
      {"GET / HTTP/1.1\r\n" + ok + "Bad Header\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + ok + "Content-Length: -1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + ok + "Content-Length: 99999999999999999999999\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"POST / HTTP/1.1\r\n" + ok + "Transfer-Encoding: gzip\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\n" + ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + ok + "Content-Length: 1001\r\n\r\n", 413},
      {"POST / HTTP/1.1\r\n" + ok + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + std::string(1001, 'x'), 413},
      {"POST / HTTP/1.1\r\n" + ok + "Transfer-Encoding: chunked\r\n\r\n1;" + std::string(20'000, 'x'), 400},
      {"GET /" + std::string(5000, 'a') + " HTTP/1.1\r\n" + ok + "\r\n", 414},
      {"POST / HTTP/1.1\r\n" + ok + "Expect: miracles\r\n\r\n", 417},
      {"GET / HTTP/1.1\r\n" + ok + "X: " + std::string(20'000, 'x') + "\r\n\r\n", 431},
      {"GET / HTTP/2.0\r\n" + ok + "\r\n", 505},
  };
  for (const auto& [request, status] : cases) {
    Client client(port_);
    client.send(request);
    const Answer answer = client.answer();
    EXPECT_EQ(answer.status, status) << request.substr(0, 120) << "\n" << answer.body;
    EXPECT_NE(answer.body.find("\"error\""), std::string::npos);
    EXPECT_TRUE(client.closed_within(5s)) << request.substr(0, 120);
  }
  EXPECT_EQ(Client(port_).request("POST", "/", "fine").status, 200);
}

TEST_F(Http, AHeaderValueCannotAddAHeader) {
  EXPECT_EQ(write_response({.status = 200, .content_type = {}, .headers = {{"X", "a\r\nEvil: 1"}}, .body = {}}, {}).find("\nEvil"),
            std::string::npos);
}

TEST_F(Http, DropsSlowSenders) {
  Limits limits;
  limits.header_timeout = 200ms;
  limits.body_timeout = 300ms;
  limits.linger_timeout = 100ms;
  start(limits);
  Client silent(port_), header(port_), body(port_);
  header.send("POST / HTTP/1.1\r\nHost: x\r\n");
  body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
  std::thread trickle([&] {  // keeps sending, so only an overall deadline can end it
    for (int i = 0; i < 100 && header.send("X"); ++i) {
      body.send("x");
      std::this_thread::sleep_for(20ms);
    }
  });
  EXPECT_EQ(header.answer().status, 408);
  EXPECT_EQ(body.answer().status, 408);
  EXPECT_TRUE(silent.closed_within(5s));
  trickle.join();
}

TEST_F(Http, HalfReadRequestsCannotCrowdOutOthers) {
  Limits limits;
  limits.half_read = 8;
  start(limits);
  std::vector<std::unique_ptr<Client>> slow;
  for (int i = 0; i < 40; ++i) {
    slow.push_back(std::make_unique<Client>(port_));
    slow.back()->send("POST / HTTP/1.1\r\nX: ");
  }
  EXPECT_EQ(Client(port_).request("POST", "/", "through").body, "through");
  EXPECT_TRUE(eventually([&] { return server_->counts().half_read <= 8; }));
  EXPECT_EQ(slow.front()->answer().status, 408);
}

TEST_F(Http, TooManyConnectionsGet503OnceNoneIsIdle) {
  Limits limits;
  limits.connections = 4;
  start(limits);
  std::vector<std::unique_ptr<Client>> busy;
  for (int i = 0; i < 4; ++i) {
    busy.push_back(std::make_unique<Client>(port_));
    busy.back()->send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return server_->counts().active == i + 1 || left_ > 0; }));
  }
  Client extra(port_);
  EXPECT_EQ(extra.answer().status, 503);
}

TEST_F(Http, StreamsAndTellsWhenTheClientLeaves) {
  start();
  Client client(port_);
  client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto exchange = held();
  ASSERT_TRUE(exchange);
  exchange->send(sse_event("2"));
  exchange->send(std::string(sse_done));
  exchange->end();
  const Answer answer = client.answer();
  EXPECT_EQ(answer.header("content-type"), "text/event-stream");
  EXPECT_EQ(test::events(answer.body), (std::vector<std::string>{"1", "2", "[DONE]"}));
  EXPECT_EQ(left_, 0);
  EXPECT_EQ(client.request("POST", "/", "again").body, "again");

  for (const char* path : {"/stream", "/hold"}) {  // noticed without a byte being sent, streamed or not
    const int before = left_;
    Client leaver(port_);
    leaver.send(std::string("GET ") + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(eventually([&] { return server_->counts().active == 1; }));
    leaver.close();
    EXPECT_TRUE(eventually([&] { return left_ == before + 1; })) << path;
    EXPECT_TRUE(eventually([&] { return server_->counts().active == 0; })) << path;
  }
}

TEST_F(Http, AStreamThatNobodyReadsIsClosed) {
  Limits limits;
  limits.unsent_bytes = 100'000;
  start(limits);
  Client client(port_, 4096);
  client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto exchange = held();
  ASSERT_TRUE(exchange);
  for (int i = 0; i < 20'000 && !exchange->closed(); ++i) {
    exchange->send(sse_event(std::string(1000, 'x')));
    if (i % 100 == 0) std::this_thread::sleep_for(1ms);
  }
  EXPECT_TRUE(eventually([&] { return exchange->closed(); }));
  EXPECT_EQ(left_, 1);
}

TEST_F(Http, ADroppedExchangeOrAThrowingHandlerIsAnswered500) {
  start();
  Client client(port_);
  EXPECT_EQ(client.request("GET", "/drop").status, 500);
  EXPECT_EQ(client.request("GET", "/throw").status, 500);
}

TEST_F(Http, DrainWaitsForStreamsThenReturns) {
  start();
  Client client(port_), idle(port_);
  EXPECT_EQ(idle.request("POST", "/", "x").status, 200);
  client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto exchange = held();
  ASSERT_TRUE(exchange);
  server_->drain(20s);
  EXPECT_TRUE(idle.closed_within(5s));
  EXPECT_EQ(Client(port_).request("POST", "/", "still answered").status, 200);
  exchange->send(std::string(sse_done));
  exchange->end();
  const Answer answer = client.answer();
  EXPECT_TRUE(answer.complete);
  EXPECT_EQ(test::events(answer.body).back(), "[DONE]");
  thread_.join();
  EXPECT_EQ(left_, 0);
}

TEST_F(Http, DrainEndsAtOnceWhenAllConnectionsAreIdle) {
  start();
  Client one(port_), two(port_);
  EXPECT_EQ(one.request("POST", "/", "x").status, 200);
  EXPECT_EQ(two.request("POST", "/", "x").status, 200);
  const auto before = std::chrono::steady_clock::now();
  server_->drain(60s);
  thread_.join();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 30s);
}

TEST_F(Http, DrainGivesUpAfterItsPatience) {
  start();
  Client client(port_);
  client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(held());
  server_->drain(100ms);
  thread_.join();
  EXPECT_EQ(left_, 1);
}

}  // namespace
}  // namespace vernier::serve
