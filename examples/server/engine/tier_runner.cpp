#include "server/engine/tier_runner.hpp"

#include <algorithm>
#include <exception>
#include <span>
#include <utility>

#include "vernier/core/error.hpp"
#include "vernier/core/math.hpp"
#include "vernier/ops/logits.hpp"

namespace vernier::serve {

namespace {

void insert_by_age(std::vector<Answer*>& list, Answer& answer) {
  list.insert(std::upper_bound(list.begin(), list.end(), &answer, older), &answer);
}

}  // namespace

void TierRunner::enqueue(Answer& answer) {
  answer.state = Answer::State::waiting;
  insert_by_age(waiting_, answer);
}

// Pages of running answers; those that two answers of a request share count twice.
int TierRunner::used_pages() const {
  int pages = 0;
  for (const Answer* a : running_) pages += ceil_div(static_cast<int>(a->computed), model_.page_tokens());
  return pages;
}

// Pages that running answers will still take for tokens that are known already.
int TierRunner::promised_pages() const {
  int pages = 0;
  for (const Answer* a : running_) pages += ceil_div(static_cast<int>(a->tokens.size()), model_.page_tokens());
  return pages - used_pages();
}

// Whether `pages` are free besides those that running answers will need; the prefix cache is emptied for it only if that helps.
bool TierRunner::make_room_to_admit(int pages) {
  if (running_.empty()) return true;  // alone it fits, see Engine::capacity and make_room()
  const int promised = promised_pages();
  if (pages + promised > model_.free_pages() && pages + promised > model_.total_pages() - used_pages()) return false;
  while (pages + promised > model_.free_pages())
    if (!cache_.evict_one()) return false;
  return true;
}

bool TierRunner::admit_front() {
  if (places_.free == 0) return false;
  Answer& answer = *waiting_.front();
  Generation& g = *answer.generation;
  const PrefixCache::Match match = cache_.find(std::span(answer.tokens).first(answer.tokens.size() - 1));
  try {
    answer.sequence = match.tokens > 0 ? model_.fork(match.sequence, match.tokens) : model_.open();
  } catch (const std::exception& e) {
    end_all(g, FinishReason::failed, e.what());
    return true;
  }
  // One more than its tokens need, or it might be the first to give way. A shared page that is not full will be copied.
  const int needed = ceil_div(static_cast<int>(answer.tokens.size()), model_.page_tokens()) + 1 - match.tokens / model_.page_tokens();
  if (!make_room_to_admit(needed)) {
    model_.close(std::exchange(answer.sequence, -1));
    return false;
  }
  waiting_.erase(waiting_.begin());
  --places_.free;
  answer.state = Answer::State::running;
  answer.computed = static_cast<std::size_t>(match.tokens);
  insert_by_age(running_, answer);
  stats_.cached_tokens += static_cast<std::uint64_t>(match.tokens);
  if (!g.started) {
    g.started = true;
    g.timing.queued = g.seconds();
    g.usage.cached_tokens = match.tokens;
    ++stats_.requests;
    ++started_;
  }
  return true;
}

// keep: what was computed may serve a later request.
void TierRunner::leave(Answer& answer, bool keep) {
  std::erase(waiting_, &answer);
  if (std::erase(running_, &answer) == 0) return;
  if (keep)
    cache_.keep(std::span(answer.tokens).first(answer.computed), answer.sequence);
  else
    model_.close(answer.sequence);
  answer.sequence = -1;
  answer.computed = 0;
  ++places_.free;
}

void TierRunner::preempt(Answer& answer) {
  leave(answer, false);
  enqueue(answer);
  ++answer.generation->timing.preemptions;
  ++preemptions_;
}

void TierRunner::end(Answer& answer, FinishReason reason, AnswerText::Released released, std::string error) {
  if (answer.state == Answer::State::done) return;
  leave(answer, reason != FinishReason::failed);
  ledger_.finish(answer, reason, std::move(released), std::move(error));
}

void TierRunner::end_all(Generation& generation, FinishReason reason, const std::string& error) {
  if (!generation.started) {
    generation.started = true;
    ++started_;
  }
  for (auto& answer : generation.answers)
    if (answer->state != Answer::State::done) end(*answer, reason, answer->text.flush(), error);
}

void TierRunner::fail_running(const std::string& error) {
  while (!running_.empty()) end_all(*running_.back()->generation, FinishReason::failed, error);
}

// Pages for `count` more tokens of an answer, from answers that are younger. False if the answer itself had to give way.
bool TierRunner::make_room(Answer& answer, int count) {
  while (!model_.reserve(answer.sequence, count)) {
    if (cache_.evict_one()) continue;
    Answer& youngest = *running_.back();
    if (&youngest == &answer && running_.size() == 1) {
      end_all(*answer.generation, FinishReason::failed, "the KV cache has no pages left although nothing else runs");
      return false;
    }
    preempt(youngest);
    if (&youngest == &answer) return false;
  }
  return true;
}

// Oldest first, so that who loses pages in make_room() has not been planned yet.
std::vector<TierRunner::Part> TierRunner::plan() {
  const auto writing = std::count_if(running_.begin(), running_.end(), [](const Answer* a) { return a->left() == 1; });
  // Prompts get what the answers leave, and a quarter of the step in any case.
  int budget = std::max(config_.chunk_tokens - static_cast<int>(writing), std::max(1, config_.chunk_tokens / 4));
  std::vector<Part> parts;
  for (std::size_t i = 0; i < running_.size(); ++i) {
    Answer& answer = *running_[i];
    const bool prompt = answer.left() > 1;
    const int count = prompt ? std::min(static_cast<int>(answer.left()), budget) : 1;
    if (count == 0) continue;
    if (!make_room(answer, count)) break;  // it was the youngest
    if (prompt) budget -= count;
    parts.push_back({&answer, count, static_cast<std::size_t>(count) == answer.left()});
  }
  return parts;
}

void TierRunner::step() {
  const std::vector<Part> parts = plan();
  if (!parts.empty()) run(parts);
}

void TierRunner::run(const std::vector<Part>& parts) {
  try {
    forward(parts);
  } catch (const std::exception& e) {
    if (parts.size() > 1)
      run_one_by_one(parts);
    else
      end_all(*parts[0].answer->generation, FinishReason::failed, e.what());
    return;
  }
  advance(parts);
}

// The batch failed: find out for whom, so that the others go on.
void TierRunner::run_one_by_one(const std::vector<Part>& parts) {
  for (const Part& part : parts) {
    if (part.answer->state != Answer::State::running) continue;  // its request has failed with another answer, or it gave way
    if (make_room(*part.answer, part.count)) run({part});
  }
}

void TierRunner::forward(const std::vector<Part>& parts) {
  chunks_.clear();
  outputs_.clear();
  drawing_.clear();
  int tokens = 0, places = places_.free;
  for (const auto& [answer, count, ends] : parts) {
    chunks_.push_back({answer->sequence, std::span(answer->tokens).subspan(answer->computed, static_cast<std::size_t>(count))});
    tokens += count;
    if (!ends) continue;
    // The other answers of a request start from the same logits, those that have a place; before the first, which may end with its token.
    if (answer->choice == 0 && answer->generated == 0)
      for (auto& other : answer->generation->answers)
        if (other->state == Answer::State::follows && places-- > 0) draw(*other, tokens - 1);
    draw(*answer, tokens - 1);
  }
  const Clock::time_point begin = Clock::now();
  model_.forward(chunks_, outputs_);
  stats_.step_seconds += std::chrono::duration<double>(Clock::now() - begin).count();
  ++stats_.steps;
}

// The model chooses the answer's next token, but for log-probabilities, which need all logits: then it is chosen here.
void TierRunner::draw(Answer& answer, int row) {
  outputs_.push_back({.row = row, .sampler = answer.generation->request.logprobs ? nullptr : &answer.sampler});
  drawing_.push_back(&answer);
}

void TierRunner::advance(const std::vector<Part>& parts) {
  for (const auto& [answer, count, ends] : parts) {
    answer->computed += static_cast<std::size_t>(count);
    stats_.prompt_tokens += static_cast<std::uint64_t>(count - (ends && answer->generated > 0 ? 1 : 0));
  }
  for (std::size_t i = 0; i < drawing_.size(); ++i) {
    Answer& answer = *drawing_[i];
    try {
      if (answer.state == Answer::State::follows) fork(answer);
      if (answer.choice == 0 && answer.generated == 0) enqueue_followers(*answer.generation);
      if (answer.state == Answer::State::running)  // or its request failed a moment ago
        take_token(answer, chosen(answer, outputs_[i]));
    } catch (const std::exception& e) {
      end_all(*answer.generation, FinishReason::failed, e.what());
    }
  }
}

// The prompt is computed: another answer starts from its pages.
void TierRunner::fork(Answer& follower) {
  const Answer& first = *follower.generation->answers.front();
  follower.sequence = model_.fork(first.sequence, static_cast<int>(first.computed));
  --places_.free;
  follower.computed = first.computed;
  follower.state = Answer::State::running;
  insert_by_age(running_, follower);
}

// Those for whom there was no place.
void TierRunner::enqueue_followers(Generation& generation) {
  for (auto& answer : generation.answers)
    if (answer->state == Answer::State::follows) enqueue(*answer);
}

GeneratedToken TierRunner::chosen(Answer& answer, const model::Output& output) {
  GeneratedToken token;
  if (output.sampler != nullptr) {
    if (!output.error.empty()) throw Error(output.error);
    token.id = output.token;
    return token;
  }
  logits_.assign(output.logits.begin(), output.logits.end());
  token.id = answer.sampler.sample(logits_);
  const ops::Logprobs logprobs(output.logits);
  token.logprob = logprobs(token.id);
  token.top = logprobs.top(static_cast<std::size_t>(answer.generation->request.top_logprobs));
  ++stats_.host_logits;
  return token;
}

void TierRunner::take_token(Answer& answer, GeneratedToken token) {
  Generation& g = *answer.generation;
  answer.sampler.accept(token.id);
  answer.tokens.push_back(token.id);
  ++answer.generated;
  ++g.usage.completion_tokens;
  ++stats_.generated_tokens;
  if (g.timing.first_token == 0) g.timing.first_token = g.seconds();

  const auto& stop_ids = g.request.stop_ids;
  const bool stop_id = std::find(stop_ids.begin(), stop_ids.end(), token.id) != stop_ids.end();
  if (stop_id || (!g.request.ignore_end && vocabulary_.ends(token.id))) {
    end(answer, FinishReason::stop, answer.text.flush());
    return;
  }
  token.bytes = vocabulary_.bytes(token.id);
  AnswerText::Released released = answer.text.push(std::move(token));
  if (released.stopped) {
    end(answer, FinishReason::stop, std::move(released));
  } else if (answer.generated == g.limit) {
    ledger_.text(answer, std::move(released));
    end(answer, FinishReason::length, answer.text.flush());
  } else {
    ledger_.text(answer, std::move(released));
  }
  if (g.broken) end_all(g, FinishReason::cancelled);
}

TierStats TierRunner::stats() const {
  TierStats out = stats_;
  out.running = static_cast<int>(running_.size());
  out.waiting = static_cast<int>(waiting_.size());
  out.pages_total = model_.total_pages();
  out.pages_used = std::min(used_pages(), out.pages_total - model_.free_pages());
  return out;
}

}  // namespace vernier::serve
