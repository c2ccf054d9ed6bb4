// One tier's answers: who waits, who runs, what the next forward contains. Used by the engine's thread alone.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/engine.hpp"
#include "server/engine/ledger.hpp"
#include "server/engine/prefix_cache.hpp"

namespace vernier::serve {

/// Places for running answers, shared by all tiers.
struct Places {
  int free = 0;
};

class TierRunner {
 public:
  TierRunner(TierModel& model, const Vocabulary& vocabulary, const EngineConfig& config, Places& places, Ledger& ledger)
      : model_(model),
        vocabulary_(vocabulary),
        config_(config),
        places_(places),
        ledger_(ledger),
        cache_(model, static_cast<std::size_t>(config.cached_prefixes)) {}

  /// Puts an answer among those that wait, by age.
  void enqueue(Answer& answer);

  /// The oldest that waits, or nullptr.
  Answer* front() const { return waiting_.empty() ? nullptr : waiting_.front(); }

  /// Lets front() run if there are a place and pages for what it has to compute; false if not. Needs a front().
  bool admit_front();

  bool idle() const { return running_.empty(); }

  /// One forward over the running answers, and a token for each that has nothing left to compute.
  void step();

  /// Takes an answer out, wherever it is, and reports its end.
  void end(Answer& answer, FinishReason reason, AnswerText::Released released, std::string error = {});

  /// Ends what is unfinished of a request.
  void end_all(Generation& generation, FinishReason reason, const std::string& error = {});

  /// Ends every running answer's request: for a fault that belongs to none of them.
  void fail_running(const std::string& error);

  /// Forgets what is kept of ended answers.
  void clear_cache() { cache_.clear(); }

  TierStats stats() const;
  std::uint64_t preemptions() const { return preemptions_; }
  /// Requests that had their first step since the last call.
  int take_started() { return std::exchange(started_, 0); }

 private:
  /// An answer and how many of its tokens run in this step.
  struct Part {
    Answer* answer = nullptr;
    int count = 0;
    bool ends = false;  // nothing is left to compute after it, so a token follows
  };

  std::vector<Part> plan();
  bool make_room(Answer& answer, int count);
  void preempt(Answer& answer);
  void leave(Answer& answer, bool keep);
  int used_pages() const;
  int promised_pages() const;
  bool make_room_to_admit(int pages);

  void run(const std::vector<Part>& parts);
  void run_one_by_one(const std::vector<Part>& parts);
  void forward(const std::vector<Part>& parts);
  void draw(Answer& answer, int row);
  void advance(const std::vector<Part>& parts);
  void fork(Answer& follower);
  void enqueue_followers(Generation& generation);
  GeneratedToken chosen(Answer& answer, const model::Output& output);
  void take_token(Answer& answer, GeneratedToken token);

  TierModel& model_;
  const Vocabulary& vocabulary_;
  const EngineConfig& config_;
  Places& places_;
  Ledger& ledger_;
  PrefixCache cache_;

  std::vector<Answer*> waiting_;  // both by age
  std::vector<Answer*> running_;
  // Of the step that runs: kept, so that a warm one does not allocate.
  std::vector<Chunk> chunks_;
  std::vector<model::Output> outputs_;
  std::vector<Answer*> drawing_;  // (outputs): whose next token it is
  std::vector<float> logits_;     // one row, for the sampler to change
  TierStats stats_;
  std::uint64_t preemptions_ = 0;
  int started_ = 0;
};

}  // namespace vernier::serve
