// See generation_answer.hpp.
#include "server/api/generation_answer.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <utility>

#include "server/http/writer.hpp"
#include "vernier/core/error.hpp"

namespace vernier::serve {

GenerationAnswer::GenerationAnswer(std::shared_ptr<const Served> served, Metrics& metrics, std::shared_ptr<Exchange> exchange,
                                   AnswerPlan plan)
    : served_(std::move(served)), metrics_(metrics), exchange_(std::move(exchange)), plan_(std::move(plan)) {}

void GenerationAnswer::start(std::vector<GenerationRequest> requests) {
  choices_.resize(requests.size() * static_cast<std::size_t>(plan_.n));
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    choices_[i].whole.index = static_cast<int>(i);
    choices_[i].whole.logprobs = plan_.logprobs;
    if (!plan_.echo.empty()) choices_[i].whole.text = plan_.echo[i / static_cast<std::size_t>(plan_.n)];
  }
  exchange_->on_closed([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->client_left();
  });
  for (std::size_t i = 0; i < requests.size(); ++i) {
    {
      const std::scoped_lock lock(mutex_);
      ++unfinished_;
    }
    const Submitted got = served_->backend.submit(
        std::move(requests[i]), [self = shared_from_this(), i](const GenerationEvent& event) { self->received(i, event); });
    if (got.status != Submitted::Status::accepted) {
      submission_refused(got);
      break;
    }
    const std::scoped_lock lock(mutex_);
    ids_.push_back(got.id);
  }
  {
    const std::scoped_lock lock(mutex_);
    released_ = true;
    for (const auto& [prompt, event] : std::exchange(early_, {})) process(prompt, event);
    cancel_ = cancel_ || left_;
  }
  cancel_all();
}

void GenerationAnswer::submission_refused(const Submitted& why) {
  const std::scoped_lock lock(mutex_);
  --unfinished_;
  cancel_ = true;
  switch (why.status) {
    case Submitted::Status::queue_full: return fail(ApiError(429, why.message, {}, "queue_full"));
    case Submitted::Status::draining: return fail(ApiError(503, "the server is shutting down", {}, "shutting_down"));
    case Submitted::Status::prompt_too_long: return fail(ApiError(400, why.message, plan_.prompt_field, "context_length_exceeded"));
    default: return fail(ApiError(400, why.message, {}, "invalid_value"));
  }
}

void GenerationAnswer::client_left() {
  {
    const std::scoped_lock lock(mutex_);
    left_ = cancel_ = true;
  }
  cancel_all();
}

/// Tells the engine, if something has asked for it. Without our lock: the engine's thread may be in received().
void GenerationAnswer::cancel_all() {
  std::vector<GenerationId> ids;
  {
    const std::scoped_lock lock(mutex_);
    if (!cancel_ || !released_) return;
    ids.swap(ids_);
  }
  for (const GenerationId id : ids) served_->backend.cancel(id);
}

void GenerationAnswer::received(std::size_t prompt, const GenerationEvent& event) {
  {
    const std::scoped_lock lock(mutex_);
    if (!released_) return early_.emplace_back(prompt, event), void();
    process(prompt, event);
  }
  cancel_all();
}

void GenerationAnswer::process(std::size_t prompt, const GenerationEvent& event) {
  Choice& choice = choices_.at(prompt * static_cast<std::size_t>(plan_.n) + static_cast<std::size_t>(event.choice));
  if (event.finish != FinishReason::none) metrics_.answer(plan_.tier, event.finish);
  if (event.finish == FinishReason::failed) {
    cancel_ = true;
    fail(ApiError(500, "generation failed: " + event.error, {}, "generation_failed"));
  } else if (event.finish == FinishReason::cancelled) {
    if (!left_) fail(ApiError(503, "the answer was cancelled because the server is shutting down", {}, "shutting_down"));
    choice.whole.finish = event.finish;
  } else if (!event.text.empty() || !event.tokens.empty() || event.finish != FinishReason::none) {
    send_part(choice, {.index = choice.whole.index,
                       .text = event.text,
                       .tokens = event.tokens,
                       .logprobs = plan_.logprobs,
                       .finish = event.finish,
                       .text_offset = 0});
  }
  if (!event.last) return;
  metrics_.request(plan_.tier, event.usage, event.timing);
  usage_.prompt_tokens += event.usage.prompt_tokens;
  usage_.completion_tokens += event.usage.completion_tokens;
  usage_.cached_tokens += event.usage.cached_tokens;
  timing_.first_token = std::max(timing_.first_token, event.timing.first_token);
  timing_.total = std::max(timing_.total, event.timing.total);
  if (--unfinished_ == 0) finish();
}

void GenerationAnswer::send_part(Choice& choice, ChoiceText part) {
  const auto now = Clock::now();
  if (choice.last != Clock::time_point{} && !part.text.empty())
    metrics_.inter_token(plan_.tier, std::chrono::duration<double>(now - choice.last).count());
  choice.last = now;
  choice.whole.finish = part.finish;
  if (!plan_.stream) {
    choice.whole.text += part.text;
    std::move(part.tokens.begin(), part.tokens.end(), std::back_inserter(choice.whole.tokens));
    return;
  }
  if (answered_ || left_) return;
  begin_stream();
  part.text_offset = choice.whole.text_offset;
  choice.whole.text_offset += count_characters(part.text);
  const bool first = !std::exchange(choice.begun, true);
  if (first) part.text = std::exchange(choice.whole.text, {}) + part.text;  // the echo goes in front
  // The reason to end comes alone in the last chunk, with an empty delta, as OpenAI sends it.
  const FinishReason finish = std::exchange(part.finish, FinishReason::none);
  if (first || !part.text.empty() || !part.tokens.empty()) exchange_->send(sse_event(chunk(plan_.info, part, first, plan_.include_usage)));
  if (finish != FinishReason::none) {
    const ChoiceText end{.index = part.index, .text = {}, .tokens = {}, .logprobs = false, .finish = finish, .text_offset = 0};
    exchange_->send(sse_event(chunk(plan_.info, end, false, plan_.include_usage)));
  }
}

void GenerationAnswer::begin_stream() {
  if (std::exchange(streaming_, true)) return;
  Response head;
  head.content_type = "text/event-stream; charset=utf-8";
  head.headers = plan_.headers;
  head.headers.push_back({"Cache-Control", "no-store"});
  head.headers.push_back({"X-Accel-Buffering", "no"});  // proxies must not gather events
  exchange_->begin_stream(std::move(head));
}

void GenerationAnswer::finish() {
  if (std::exchange(answered_, true)) return;
  if (left_) return write_line(499, "client_left");
  if (plan_.stream) {
    begin_stream();
    if (plan_.include_usage) exchange_->send(sse_event(usage_chunk(plan_.info, usage_)));
    exchange_->send(std::string(sse_done));
    exchange_->end();
  } else {
    std::vector<ChoiceText> choices;
    for (Choice& choice : choices_) choices.push_back(std::move(choice.whole));
    Response response;
    response.headers = plan_.headers;
    response.body = whole_answer(plan_.info, choices, usage_);
    exchange_->respond(std::move(response));
  }
  write_line(200, {});
}

void GenerationAnswer::fail(const ApiError& error) {
  if (left_ || std::exchange(answered_, true)) return;  // finish() writes the line of a client that left
  const std::string body = boost::json::serialize(error_json(error));
  if (streaming_) {
    exchange_->send(sse_event(body));
    exchange_->end();
  } else {
    Response response;
    response.status = error.status();
    response.headers = plan_.headers;
    if (error.status() == 429 || error.status() == 503) response.headers.push_back({"Retry-After", std::to_string(plan_.retry_after)});
    response.body = body;
    exchange_->respond(std::move(response));
  }
  write_line(streaming_ ? 200 : error.status(), error.code());
}

void GenerationAnswer::write_line(int status, const std::string& code) {
  RequestLine& line = plan_.line;
  line.status = status;
  line.error_code = code;
  line.prompt_tokens = usage_.prompt_tokens;
  line.completion_tokens = usage_.completion_tokens;
  line.first_token_seconds = timing_.first_token;
  line.total_seconds = timing_.total;
  line.finish = choices_.empty() ? "" : std::string(name(choices_.front().whole.finish));
  log_request(line, true);
  metrics_.http(line.path, status);
}

}  // namespace vernier::serve
