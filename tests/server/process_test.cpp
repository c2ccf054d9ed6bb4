// The real program with a tiny model: what it prints, how it starts and ends, and many clients at once whose answers must be the ones that
// they get alone.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <thread>

#include "server/client.hpp"
#include "support/damaged_model.hpp"
#include "support/files.hpp"

namespace vernier::serve {
namespace {

using namespace std::chrono_literals;
using test::Answer;
using test::Client;
namespace json = boost::json;

std::string program() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "bin" / "vernier-server").string();
}

/// vernier-server with these arguments; its output is read from a pipe.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments) {
    int out[2];
    if (::pipe(out) != 0) throw std::runtime_error("no pipe");
    arguments.insert(arguments.begin(), program());
    std::vector<char*> argv;
    for (std::string& word : arguments) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(out[1], 1);
      ::dup2(out[1], 2);
      ::close(out[0]);
      ::close(out[1]);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(out[1]);
    out_ = out[0];
  }
  ~Process() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      exit_code();
    }
    ::close(out_);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// Reads output until `text` has come, or the end.
  bool wait_for(const std::string& text) {
    char bytes[4096];
    while (output.find(text) == std::string::npos) {
      const ssize_t got = ::read(out_, bytes, sizeof bytes);
      if (got <= 0) return false;
      output.append(bytes, static_cast<std::size_t>(got));
    }
    return true;
  }

  /// The port that it says it listens on; 0 if it never does.
  int port() {
    const std::string mark = "listening on http://127.0.0.1:";
    if (!wait_for(mark)) return 0;
    const std::size_t at = output.find(mark);
    while (output.find('\n', at) == std::string::npos && wait_for("\n")) {
    }
    return std::atoi(output.c_str() + at + mark.size());
  }

  void signal(int number) { ::kill(pid_, number); }

  /// Waits for the end; -signal if one killed it.
  int exit_code() {
    wait_for("\1");  // to the end of the output, so that the program never blocks on a full pipe
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  std::string output;

 private:
  pid_t pid_ = -1;
  int out_ = -1;
};

std::vector<std::string> tiny(std::vector<std::string> more = {}) {
  std::vector<std::string> out{
      "--model", std::string(VERNIER_TEST_DATA) + "/models/chat", "--port", "0", "--threads", "2", "--kv-cache-memory", "64"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

std::string body_of(int client, bool stream) {
  const char* tiers[] = {"nf4", "i8", "f16"};
  json::object body{
      {"messages",
       {{{"role", "user"},
         {"content", "client " + std::to_string(client * 7919) + std::string(static_cast<std::size_t>(client % 5) * 9, 'x')}}}},
      {"temperature", 0},
      {"max_tokens", 24 + client % 17},
      {"ignore_eos", true},
      {"stream", stream},
      {"vernier", {{"tier", tiers[client % 3]}}}};
  return json::serialize(body);
}

std::string text_of(const Answer& answer) {
  if (answer.status != 200) return "status " + std::to_string(answer.status) + " " + answer.body;
  if (answer.header("content-type").starts_with("application/json"))
    return std::string(json::parse(answer.body).at("choices").at(0).at("message").at("content").as_string());
  std::string out;
  const auto stream = test::events(answer.body);
  if (stream.empty() || stream.back() != "[DONE]") return "a stream without end";
  for (const std::string& event : stream) {
    if (event == "[DONE]") break;
    const json::value chunk = json::parse(event);
    for (const json::value& choice : chunk.at("choices").as_array())
      if (const auto* content = choice.at("delta").as_object().if_contains("content")) out.append(content->as_string());
  }
  return out;
}

class Program : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(program())) GTEST_SKIP() << program() << " is not built";
  }
};

TEST_F(Program, ThirtyTwoClientsGetWhatTheyGetAlone) {
  Process server(tiny({"--max-num-seqs", "12"}));
  const int port = server.port();
  ASSERT_GT(port, 0) << server.output;
  constexpr int clients = 32;
  std::vector<std::string> alone;
  for (int i = 0; i < clients; ++i) alone.push_back(text_of(Client(port).request("POST", "/v1/chat/completions", body_of(i, false))));
  for (const std::string& text : alone) ASSERT_FALSE(text.empty() || text.starts_with("status ")) << text;

  std::atomic<int> wrong{0}, answered{0}, left{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < clients; ++i)
    threads.emplace_back([&, i] {
      for (int round = 0; round < 3; ++round) {
        const std::string body = body_of(i, (i + round) % 2 == 0);
        if ((i + round) % 3 == 0) {  // leaves, at once or after the first bytes
          Client leaver(port);
          leaver.send("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                      body);
          if (i % 2) leaver.receive(50ms);
          ++left;
          continue;
        }
        const std::string text = text_of(Client(port).request("POST", "/v1/chat/completions", body));
        ++answered;
        if (text != alone[static_cast<std::size_t>(i)]) {
          ++wrong;
          ADD_FAILURE() << "client " << i << " got\n" << text << "\ninstead of\n" << alone[static_cast<std::size_t>(i)];
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(answered + left, 3 * clients);

  // Nothing leaked: every page is back, nobody runs or waits.
  bool idle = false;
  for (int i = 0; i < 400 && !idle; ++i) {
    const std::string metrics = Client(port).request("GET", "/metrics").body;
    idle = true;
    for (const char* tier : {"nf4", "i8", "f16"})
      for (const char* gauge : {"vernier_num_requests_running", "vernier_num_requests_waiting"})
        idle = idle && metrics.find(std::string(gauge) + "{model_name=\"chat\",tier=\"" + tier + "\"} 0\n") != std::string::npos;
    if (!idle) std::this_thread::sleep_for(25ms);
  }
  EXPECT_TRUE(idle);
  server.signal(SIGTERM);
  EXPECT_EQ(server.exit_code(), 0) << server.output;
}

TEST_F(Program, SigtermLetsStreamsEndAndExitsWithZero) {
  Process server(tiny({"--drain-timeout", "60"}));
  const int port = server.port();
  ASSERT_GT(port, 0) << server.output;
  const std::string body =
      R"({"messages":[{"role":"user","content":"x"}],"max_tokens":400,"n":8,"ignore_eos":true,"stream":true,"seed":1,"vernier":{"tier":"f16"}})";
  Client client(port);
  client.send("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  ASSERT_TRUE(client.receive_until("data: "));
  server.signal(SIGTERM);
  ASSERT_TRUE(server.wait_for("shutting down"));
  const Answer health = Client(port).request("GET", "/health");
  EXPECT_TRUE(health.status == 503 || health.status == 0) << health.status;  // 0: all streams had ended by then
  const Answer answer = client.answer();
  EXPECT_TRUE(answer.complete);
  const auto stream = test::events(answer.body);
  ASSERT_FALSE(stream.empty());
  EXPECT_EQ(stream.back(), "[DONE]");
  EXPECT_EQ(server.exit_code(), 0) << server.output;
}

TEST_F(Program, ADrainThatRunsOutOfTimeStillExitsWithZero) {
  Process server(tiny({"--drain-timeout", "0"}));
  const int port = server.port();
  ASSERT_GT(port, 0) << server.output;
  const std::string body = R"({"messages":[{"role":"user","content":"x"}],"max_tokens":450,"n":16,"ignore_eos":true,"stream":true})";
  Client client(port);
  client.send("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  ASSERT_TRUE(client.receive_until("data: "));
  server.signal(SIGINT);
  EXPECT_EQ(server.exit_code(), 0) << server.output;
}

TEST_F(Program, BadCommandLinesGetOneClearLine) {
  struct Case {
    std::vector<std::string> arguments;
    int code;
    const char* words;
  };
  const std::string model = std::string(VERNIER_TEST_DATA) + "/models/chat";
  const Case cases[] = {
      {{}, 2, "--model is required"},
      {{"-m", model, "--port", "99999"}, 2, "--port"},
      {{"-m", model, "--port", "http"}, 2, "--port"},
      {{"-m", model, "--frobnicate"}, 2, "--frobnicate"},
      {{"-m", model, "--tiers", "nf4,f32"}, 2, "f32"},
      {{"-m", model, "--tiers", "nf4,nf4"}, 2, "--tiers names nf4 twice"},
      {{"-m", model, "--tiers", "nf4", "--tier", "f16"}, 2, "--tier is f16, which --tiers does not name"},
      {{"-m", model, "-ctk", "q4_0"}, 2, "q4_0"},
      {{"-m", model, "-ctk", "i8", "-ctv", "f16"}, 2, "keys and values have one format here"},
      {{"-m", model, "--log-level", "loud"}, 2, "loud"},
      {{"-m", model, "-ngl", "99"}, 2, "a model runs on the one that --device names"},
      {{"-m", model, "--port", "0", "--device", "tpu"}, 1, "'tpu', expected auto, cpu, cuda or cuda:N"},
      {{"-m", model, "--port", "0", "--device", "cuda"}, 1, "--device cpu runs on the processor"},
      {{"-m", "/nowhere/model.gguf", "--port", "0"}, 1, "/nowhere/model.gguf"},
      {{"-m", model, "--port", "0", "-c", "100000"}, 1, "--ctx-size is 100000, but the model was made for 512 positions"},
      {{"-m", model, "--port", "0", "--chat-template-file", "/nowhere/x.jinja"}, 1, "/nowhere/x.jinja"},
      {{"-m", model, "--host", "999.1.1.1", "--port", "0"}, 1, "999.1.1.1"},
  };
  for (const Case& one : cases) {
    std::vector<std::string> arguments = one.arguments;
    arguments.insert(arguments.end(), {"--api-key", "k"});
    Process server(arguments);
    EXPECT_EQ(server.exit_code(), one.code) << server.output;
    EXPECT_NE(server.output.find(one.words), std::string::npos) << one.words << "\n" << server.output;
    const std::size_t line = server.output.rfind("vernier-server: ");
    ASSERT_NE(line, std::string::npos) << server.output;
    EXPECT_EQ(server.output.find('\n', line), server.output.size() - 1) << server.output;
  }
}

/// Weights are read after the start, and an unusable model is no less refused for that.
TEST_F(Program, AModelWhoseWeightsAreNoNumbersEndsIt) {
  const vernier::test::TemporaryFolder folder;
  const std::string tensor = "model.layers.0.mlp.gate_proj.weight";
  vernier::test::copy_with_nan(std::string(VERNIER_TEST_DATA) + "/models/chat", folder.path("model"), tensor, 1, 2);
  Process server(
      {"-m", folder.path("model"), "--port", "0", "--threads", "1", "--kv-cache-memory", "64", "--tiers", "nf4", "--tier", "nf4"});
  EXPECT_EQ(server.exit_code(), 1) << server.output;
  EXPECT_NE(server.output.find("tensor " + tensor + ": vernier::quantize: the weight at row 1, column 2 is nan"), std::string::npos)
      << server.output;
}

TEST_F(Program, TakesTheNamesOfOtherServersFlags) {
  Process server({std::string(VERNIER_TEST_DATA) + "/models/chat", "--port", "0", "-t", "1", "-c", "128", "-ctk", "f16", "-np", "2", "-a",
                  "mine", "--tiers", "f16", "--tier", "f16", "--log-level", "off"});
  const int port = server.port();
  ASSERT_GT(port, 0) << server.output;
  const json::value model = json::parse(Client(port).request("GET", "/v1/models").body).at("data").at(0);
  EXPECT_EQ(model.at("id"), "mine");
  EXPECT_EQ(model.at("max_model_len"), 128);
  EXPECT_TRUE(std::string(model.at("vernier").at("device").as_string()).starts_with("cpu (")) << "heads of 8 are for no GPU";
  ASSERT_EQ(model.at("vernier").at("tiers").as_array().size(), 1u);
  EXPECT_EQ(model.at("vernier").at("tiers").at(0).at("kv"), "f16");
  EXPECT_EQ(model.at("vernier").at("tiers").at(0).at("weight_bytes_by_format").as_object().size(), 1u);
  server.signal(SIGTERM);
  EXPECT_EQ(server.exit_code(), 0);
}

}  // namespace
}  // namespace vernier::serve
