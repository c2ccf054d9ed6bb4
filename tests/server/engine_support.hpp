// A toy model for tests of the engine. Its pages hold the tokens themselves, and its logits are a hash of all tokens that it reads back
// through the page table: any mix-up of pages, positions or batches changes the answer. It counts pages with the library's pool.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "server/engine/engine.hpp"
#include "vernier/core/math.hpp"
#include "vernier/kv/page_pool.hpp"

namespace vernier::serve::test {

inline constexpr int toy_vocabulary = 96;
inline constexpr int toy_end = 0;      // the end-of-text token
inline constexpr int toy_poison = 95;  // in a prompt: forward() throws for the whole batch
inline constexpr int toy_nan = 94;     // in a prompt: logits are NaN

struct ToyConfig {
  int context = 256;
  int pages = 64;
  int page_tokens = 4;
  std::uint64_t salt = 1;              // tiers with different salts give different answers
  bool endless = false;                // never prefer the end-of-text token
  std::chrono::microseconds delay{0};  // of each forward
};

/// What tests may look at while the engine owns the model.
struct ToyWatch {
  std::atomic<int> free_pages{0};
  std::atomic<int> open_sequences{0};
  std::atomic<int> largest_batch{0};
  std::atomic<int> most_tokens{0};
};

class ToyTier : public TierModel {
 public:
  explicit ToyTier(ToyConfig config, std::shared_ptr<ToyWatch> watch = std::make_shared<ToyWatch>())
      : config_(config), pool_(config.pages), memory_(static_cast<std::size_t>(config.pages * config.page_tokens)), watch_(watch) {
    watch_->free_pages = config.pages;
  }

  int vocabulary() const override { return toy_vocabulary; }
  int context() const override { return config_.context; }
  int page_tokens() const override { return config_.page_tokens; }
  int total_pages() const override { return pool_.size(); }
  int free_pages() const override { return pool_.free(); }

  int open() override {
    ++watch_->open_sequences;
    sequences_[next_] = {};
    return next_++;
  }

  int fork(int sequence, int tokens) override {
    const int handle = open();
    Sequence& s = sequences_[handle] = sequences_.at(sequence);
    s.tokens = tokens;
    s.pages.resize(static_cast<std::size_t>(ceil_div(tokens, config_.page_tokens)));
    for (int page : sequences_[handle].pages) pool_.retain(page);
    return handle;
  }

  void close(int sequence) noexcept override {
    for (int page : sequences_.at(sequence).pages) pool_.release(page);
    sequences_.erase(sequence);
    --watch_->open_sequences;
    watch_->free_pages = pool_.free();
  }

  bool reserve(int sequence, int tokens) override {
    Sequence& s = sequences_.at(sequence);
    const bool copy = s.tokens % config_.page_tokens != 0 && pool_.references(s.pages.back()) > 1;
    const int more = ceil_div(s.tokens + tokens, config_.page_tokens) - static_cast<int>(s.pages.size());
    if (std::max(more, 0) + (copy ? 1 : 0) > pool_.free()) return false;
    if (copy) {
      const int page = pool_.allocate();
      std::copy_n(&memory_[index(s.pages.back(), 0)], config_.page_tokens, &memory_[index(page, 0)]);
      pool_.release(std::exchange(s.pages.back(), page));
    }
    for (int i = 0; i < more; ++i) s.pages.push_back(pool_.allocate());
    watch_->free_pages = pool_.free();
    return true;
  }

  void forward(std::span<const Chunk> chunks, std::span<model::Output> outputs) override {
    if (config_.delay.count() > 0) std::this_thread::sleep_for(config_.delay);
    int tokens = 0;
    for (const Chunk& chunk : chunks) {
      tokens += static_cast<int>(chunk.tokens.size());
      for (int id : chunk.tokens)
        if (id == toy_poison) throw std::runtime_error("the toy model does not like token 95");
    }
    watch_->largest_batch = std::max(watch_->largest_batch.load(), static_cast<int>(chunks.size()));
    watch_->most_tokens = std::max(watch_->most_tokens.load(), tokens);
    logits_.resize(outputs.size() * toy_vocabulary);
    const MatrixView<float> logits(logits_.data(), static_cast<int>(outputs.size()), toy_vocabulary);
    int row = -1;
    for (const Chunk& chunk : chunks) {
      Sequence& s = sequences_.at(chunk.sequence);
      for (int id : chunk.tokens) {
        const int page = s.pages.at(static_cast<std::size_t>(s.tokens / config_.page_tokens));
        if (pool_.references(page) != 1) throw std::logic_error("a shared page is written");
        memory_[index(page, s.tokens % config_.page_tokens)] = id;
        ++s.tokens;
      }
      row += static_cast<int>(chunk.tokens.size());
      for (std::size_t i = 0; i < outputs.size(); ++i)
        if (outputs[i].row == row) fill(s, logits.row(static_cast<int>(i)));
    }
    model::finish_on_host(outputs, logits);
  }

 private:
  struct Sequence {
    std::vector<int> pages;
    int tokens = 0;
  };

  std::size_t index(int page, int slot) const { return static_cast<std::size_t>(page * config_.page_tokens + slot); }

  void fill(const Sequence& s, float* logits) const {
    std::uint64_t hash = 1469598103934665603ull * config_.salt;
    bool nan = false;
    for (int i = 0; i < s.tokens; ++i) {
      const int id = memory_[index(s.pages[static_cast<std::size_t>(i / config_.page_tokens)], i % config_.page_tokens)];
      hash = (hash ^ static_cast<std::uint64_t>(id)) * 1099511628211ull;
      nan |= id == toy_nan;
    }
    for (int id = 0; id < toy_vocabulary; ++id) {
      hash = hash * 6364136223846793005ull + 1442695040888963407ull;
      logits[id] = static_cast<float>(hash >> 40) / 2097152.0f;  // 0 to 8
      if (id >= toy_nan || (config_.endless && id == toy_end)) logits[id] = -100.0f;
      if (nan) logits[id] = std::nanf("");
    }
  }

  ToyConfig config_;
  PagePool pool_;
  std::vector<int> memory_;
  std::vector<float> logits_;
  std::map<int, Sequence> sequences_;
  int next_ = 0;
  std::shared_ptr<ToyWatch> watch_;
};

/// Token i is the character ' ' + i; two tokens are the halves of an 'é'.
class ToyVocabulary : public Vocabulary {
 public:
  std::string bytes(int id) const override {
    if (id == 1) return "\xC3";
    if (id == 2) return "\xA9";
    return id == toy_end ? "" : std::string(1, static_cast<char>(' ' + id));
  }
  bool ends(int id) const override { return id == toy_end; }
};

/// Collects the events of one request; any thread may wait for the end.
class Listener {
 public:
  struct Answer {
    std::string text;
    std::vector<GeneratedToken> tokens;
    FinishReason finish = FinishReason::none;
    std::string stop, error;
  };

  EventCallback callback() {
    return [this](const GenerationEvent& e) {
      const std::scoped_lock lock(mutex_);
      ++events_;
      after_last_ |= done_;
      if (e.last) {
        usage = e.usage;
        timing = e.timing;
        done_ = true;
        changed_.notify_all();
        return;
      }
      Answer& a = answers_[e.choice];
      after_last_ |= a.finish != FinishReason::none;
      a.text += e.text;
      a.tokens.insert(a.tokens.end(), e.tokens.begin(), e.tokens.end());
      a.finish = e.finish;
      a.stop = e.stop;
      a.error = e.error;
      changed_.notify_all();
    };
  }

  /// Waits until the last event; false after 60 seconds.
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), [&] { return done_; });
  }
  /// Waits until `events` have come, or the last.
  bool wait_for_events(int events) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), [&] { return done_ || events_ >= events; });
  }
  bool done() {
    const std::scoped_lock lock(mutex_);
    return done_;
  }
  Answer answer(int choice = 0) {
    const std::scoped_lock lock(mutex_);
    return answers_[choice];
  }
  /// Whether anything came after an end.
  bool out_of_order() {
    const std::scoped_lock lock(mutex_);
    return after_last_;
  }

  Usage usage;
  Timing timing;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int, Answer> answers_;
  int events_ = 0;
  bool done_ = false, after_last_ = false;
};

inline std::vector<std::unique_ptr<TierModel>> toy_tiers(std::vector<ToyConfig> configs, std::shared_ptr<ToyWatch> watch) {
  std::vector<std::unique_ptr<TierModel>> tiers;
  for (const ToyConfig& config : configs)
    tiers.push_back(std::make_unique<ToyTier>(config, configs.size() == 1 ? watch : std::make_shared<ToyWatch>()));
  return tiers;
}

/// An engine over toy tiers.
struct ToyEngine {
  explicit ToyEngine(ToyConfig only, EngineConfig config = {}) : ToyEngine(std::vector<ToyConfig>{only}, config) {}
  explicit ToyEngine(const std::vector<ToyConfig>& configs, EngineConfig config = {})
      : engine(toy_tiers(configs, watch), std::make_shared<ToyVocabulary>(), config) {}

  std::shared_ptr<ToyWatch> watch = std::make_shared<ToyWatch>();  // of the tier, if there is one only
  Engine engine;
};

/// The answer to a request by itself, in an engine of its own.
inline Listener::Answer alone(const GenerationRequest& request, std::vector<ToyConfig> configs, int choice = 0) {
  for (ToyConfig& config : configs) {
    config.pages = 4096;
    config.delay = {};
  }
  ToyEngine toy(configs);
  Listener listener;
  toy.engine.submit(request, listener.callback());
  listener.wait();
  return listener.answer(choice);
}

inline std::vector<int> toy_prompt(int length, unsigned seed) {
  std::vector<int> ids;
  std::uint64_t state = seed + 1;
  for (int i = 0; i < length; ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    ids.push_back(3 + static_cast<int>((state >> 33) % 90));
  }
  return ids;
}

}  // namespace vernier::serve::test
