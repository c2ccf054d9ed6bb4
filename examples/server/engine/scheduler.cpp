#include "server/engine/scheduler.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "vernier/core/error.hpp"

namespace vernier::serve {

Engine::Scheduler::Scheduler(std::vector<std::unique_ptr<TierModel>> tiers, std::shared_ptr<const Vocabulary> vocabulary,
                             EngineConfig config, SpareTime spare_time)
    : models_(std::move(tiers)),
      vocabulary_(std::move(vocabulary)),
      config_(config),
      places_{config.max_sequences},
      spare_time_(std::move(spare_time)) {
  constexpr const char* where = "vernier::serve::Engine";
  expect(!models_.empty() && vocabulary_ != nullptr, where, "there are ", models_.size(), " tiers, expected at least one and a vocabulary");
  expect(config.max_sequences > 0, where, "max_sequences = ", config.max_sequences, ", expected positive");
  expect(config.max_queue > 0, where, "max_queue = ", config.max_queue, ", expected positive");
  expect(config.chunk_tokens > 0, where, "chunk_tokens = ", config.chunk_tokens, ", expected positive");
  expect(config.max_n > 0, where, "max_n = ", config.max_n, ", expected positive");
  for (const auto& model : models_) runners_.emplace_back(*model, *vocabulary_, config_, places_, ledger_);
  for (int tier = 0; tier < static_cast<int>(models_.size()); ++tier)
    expect(capacity(tier) > 1, where, "tier ", tier, " holds ", capacity(tier), " tokens, expected at least 2; give it more KV pages");
  settle();
  thread_ = std::thread([this] { loop(); });
}

Engine::Scheduler::~Scheduler() {
  {
    const std::scoped_lock lock(mutex_);
    stop_ = cancel_everything_ = stats_.draining = true;
  }
  wake_.notify_one();
  thread_.join();
}

int Engine::Scheduler::capacity(int tier) const {
  const TierModel& model = *models_[static_cast<std::size_t>(tier)];
  const std::int64_t held = static_cast<std::int64_t>(model.total_pages()) * model.page_tokens();
  return static_cast<int>(std::min<std::int64_t>(model.context(), held));
}

Submitted Engine::Scheduler::check(const GenerationRequest& r) const {
  const auto invalid = [](const auto&... parts) { return Submitted{Submitted::Status::invalid, 0, concat(parts...)}; };
  const int tiers = static_cast<int>(models_.size());
  if (r.tier < 0 || r.tier >= tiers) return invalid("tier = ", r.tier, ", expected 0 to ", tiers - 1);
  if (r.n < 1 || r.n > config_.max_n) return invalid("n = ", r.n, ", expected 1 to ", config_.max_n);
  if (r.max_tokens < 0) return invalid("max_tokens = ", r.max_tokens, ", expected at least 0");
  if (r.top_logprobs < 0 || r.top_logprobs > config_.max_top_logprobs)
    return invalid("top_logprobs = ", r.top_logprobs, ", expected 0 to ", config_.max_top_logprobs);
  if (r.prompt.empty()) return invalid("the prompt has no tokens");
  const int vocabulary = models_[static_cast<std::size_t>(r.tier)]->vocabulary();
  for (std::size_t i = 0; i < r.prompt.size(); ++i)
    if (r.prompt[i] < 0 || r.prompt[i] >= vocabulary)
      return invalid("token ", i, " of the prompt is ", r.prompt[i], ", expected 0 to ", vocabulary - 1);
  for (const auto& [id, bias] : r.sampling.logit_bias)
    if (id < 0 || id >= vocabulary) return invalid("logit_bias names token ", id, ", expected 0 to ", vocabulary - 1);
  if (std::any_of(r.stop.begin(), r.stop.end(), [](const std::string& s) { return s.empty(); })) return invalid("a stop string is empty");
  try {
    ops::Sampler{r.sampling};
  } catch (const Error& e) {
    return invalid(e.what());
  }
  const std::size_t most = static_cast<std::size_t>(capacity(r.tier)) - 1;
  if (r.prompt.size() > most)
    return {
        Submitted::Status::prompt_too_long, 0,
        concat("the prompt has ", r.prompt.size(), " tokens, but at most ", most, " leave room for an answer in a context of ", most + 1)};
  return {};
}

Submitted Engine::Scheduler::submit(GenerationRequest request, EventCallback on_event) {
  Submitted answer = check(request);
  auto generation = std::make_unique<Generation>();
  const int room = answer.status == Submitted::Status::accepted ? capacity(request.tier) - static_cast<int>(request.prompt.size()) : 0;
  generation->limit = request.max_tokens == 0 ? room : std::min(request.max_tokens, room);
  generation->request = std::move(request);
  generation->on_event = std::move(on_event);
  generation->submitted = Clock::now();
  if (answer.status == Submitted::Status::accepted) make_answers(*generation);
  {
    const std::scoped_lock lock(mutex_);
    if (stats_.draining)
      answer = {Submitted::Status::draining, 0, "the server is shutting down"};
    else if (answer.status == Submitted::Status::accepted && stats_.queued_requests >= config_.max_queue)
      answer = {Submitted::Status::queue_full, 0,
                concat("the queue is full: ", stats_.queued_requests, " requests are waiting; try again later")};
    if (answer.status != Submitted::Status::accepted) {
      ++stats_.refused;
      return answer;
    }
    answer.id = generation->id = ++last_id_;
    arrivals_.push_back(std::move(generation));
    ++live_;
    ++stats_.queued_requests;
  }
  wake_.notify_one();
  return answer;
}

void Engine::Scheduler::cancel(GenerationId id) {
  {
    const std::scoped_lock lock(mutex_);
    if (id == 0 || id > last_id_) return;
    cancels_.push_back(id);
  }
  wake_.notify_one();
}

int Engine::Scheduler::drain(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  stats_.draining = true;
  const bool ended = settled_.wait_for(lock, patience, [&] { return live_ == 0; });
  const int cancelled = ended ? 0 : live_;
  cancel_everything_ = true;  // and drops the prefix caches
  wake_.notify_one();
  settled_.wait(lock, [&] { return live_ == 0 && !cancel_everything_; });
  return cancelled;
}

EngineStats Engine::Scheduler::stats() const {
  const std::scoped_lock lock(mutex_);
  return stats_;
}

void Engine::Scheduler::loop() {
  while (take_orders()) {
    try {
      admit();
      step();
    } catch (...) {  // no memory for a list of the engine's own: better no answer than no server
      for (TierRunner& r : runners_) r.fail_running("the engine failed between two steps");
    }
    settle();
  }
}

// Waits until there is something to do; takes over arrivals and cancellations. False when the engine is to end.
bool Engine::Scheduler::take_orders() {
  std::vector<std::unique_ptr<Generation>> arrivals;
  std::vector<GenerationId> cancels;
  bool everything = false, stop = false;
  {
    std::unique_lock lock(mutex_);
    const bool idle = std::all_of(runners_.begin(), runners_.end(), [](const TierRunner& r) { return r.idle() && r.front() == nullptr; });
    if (idle) wait_for_orders(lock);
    arrivals.swap(arrivals_);
    cancels.swap(cancels_);
    everything = cancel_everything_;
    stop = stop_;
  }
  for (auto& arrival : arrivals) {
    Generation& generation = ledger_.add(std::move(arrival));
    runner(generation).enqueue(*generation.answers.front());
  }
  for (GenerationId id : cancels)
    if (Generation* generation = ledger_.find(id)) runner(*generation).end_all(*generation, FinishReason::cancelled);
  if (everything) end_everything();
  return !stop;
}

// Uses the time. The lock is held when it comes and when it goes.
void Engine::Scheduler::wait_for_orders(std::unique_lock<std::mutex>& lock) {
  const auto ordered = [&] { return stop_ || cancel_everything_ || !arrivals_.empty() || !cancels_.empty(); };
  while (spare_time_ && !ordered()) {
    lock.unlock();
    const bool more = spare_time_();
    lock.lock();
    if (!more) spare_time_ = {};
  }
  wake_.wait(lock, ordered);
}

void Engine::Scheduler::end_everything() {
  for (Generation* generation : ledger_.all()) runner(*generation).end_all(*generation, FinishReason::cancelled);
  for (TierRunner& r : runners_) r.clear_cache();
  settle();
  {
    const std::scoped_lock lock(mutex_);
    cancel_everything_ = false;
  }
  settled_.notify_all();
}

// Places go to the oldest answers of all tiers; a tier without pages does not hold up the others.
void Engine::Scheduler::admit() {
  std::vector<TierRunner*> open;
  for (TierRunner& r : runners_) open.push_back(&r);
  for (;;) {
    std::erase_if(open, [](const TierRunner* r) { return r->front() == nullptr; });
    const auto next = std::min_element(open.begin(), open.end(), [](auto* a, auto* b) { return older(a->front(), b->front()); });
    if (next == open.end()) return;
    if (!(*next)->admit_front()) open.erase(next);
  }
}

void Engine::Scheduler::step() {
  for (TierRunner& r : runners_) {
    if (r.idle()) continue;
    try {
      r.step();
    } catch (const std::exception& e) {
      r.fail_running(e.what());
    } catch (...) {
      r.fail_running("the model failed without a reason");
    }
  }
}

// Publishes what the others may know.
void Engine::Scheduler::settle() {
  const int ended = ledger_.purge();
  const Endings& endings = ledger_.endings();
  {
    const std::scoped_lock lock(mutex_);
    stats_.tiers.clear();
    stats_.preemptions = 0;
    for (TierRunner& r : runners_) {
      stats_.tiers.push_back(r.stats());
      stats_.preemptions += r.preemptions();
      stats_.queued_requests -= r.take_started();
    }
    stats_.finished_stop = endings.stop;
    stats_.finished_length = endings.length;
    stats_.cancelled = endings.cancelled;
    stats_.failed = endings.failed;
    live_ -= ended;
  }
  if (ended > 0) settled_.notify_all();
}

}  // namespace vernier::serve
