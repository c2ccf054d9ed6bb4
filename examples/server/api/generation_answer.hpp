// One HTTP request on its way through the engine: submits, gathers events, answers whole or as a stream, cancels when the client leaves.
// Errors before the first event is sent are HTTP statuses; later ones are an event of the stream.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/api/error.hpp"
#include "server/api/response.hpp"
#include "server/api/served.hpp"
#include "server/http/exchange.hpp"
#include "server/observe/log.hpp"
#include "server/observe/metrics.hpp"

namespace vernier::serve {

/// How to answer; fixed before the engine is asked.
struct AnswerPlan {
  AnswerInfo info;
  std::vector<Header> headers;    // X-Vernier-..., X-Request-Id
  std::string prompt_field;       // "messages" or "prompt", for errors
  std::vector<std::string> echo;  // per prompt, the text in front of each of its answers; empty: none
  RequestLine line;               // for the log, filled in at the end
  int tier = 0, n = 1;
  bool stream = false, include_usage = false, logprobs = false;
  int retry_after = 1;  // seconds, when the queue is full
};

class GenerationAnswer : public std::enable_shared_from_this<GenerationAnswer> {
 public:
  GenerationAnswer(std::shared_ptr<const Served> served, Metrics& metrics, std::shared_ptr<Exchange> exchange, AnswerPlan plan);

  /// Submits one request per prompt, all or none. Returns at once; events do the rest.
  void start(std::vector<GenerationRequest> requests);

 private:
  using Clock = std::chrono::steady_clock;
  struct Choice {
    ChoiceText whole;  // so far; of a stream, text only as an offset
    bool begun = false;
    Clock::time_point last{};
  };

  void client_left();
  void submission_refused(const Submitted& why);
  void received(std::size_t prompt, const GenerationEvent& event);
  void process(std::size_t prompt, const GenerationEvent& event);
  void send_part(Choice& choice, ChoiceText part);
  void begin_stream();
  void finish();
  void fail(const ApiError& error);
  void cancel_all();
  void write_line(int status, const std::string& code);

  const std::shared_ptr<const Served> served_;
  Metrics& metrics_;
  const std::shared_ptr<Exchange> exchange_;
  AnswerPlan plan_;
  std::mutex mutex_;  // guards what follows; never held while the engine is called, whose thread may be waiting for it
  std::vector<Choice> choices_;
  std::vector<GenerationId> ids_;
  std::vector<std::pair<std::size_t, GenerationEvent>> early_;  // came before all prompts were submitted
  std::size_t unfinished_ = 0;                                  // requests in the engine
  Usage usage_;
  Timing timing_;
  bool released_ = false, streaming_ = false, answered_ = false, left_ = false, cancel_ = false;
};

}  // namespace vernier::serve
