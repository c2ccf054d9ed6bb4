// What the engine remembers of a request and of each of its answers. Data of the engine's thread; see scheduler.hpp for what is done
// with it.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "server/engine/answer_text.hpp"
#include "server/engine/generation.hpp"
#include "vernier/ops/sample.hpp"

namespace vernier::serve {

using Clock = std::chrono::steady_clock;

struct Generation;

/// One of the n answers of a request.
struct Answer {
  enum class State : unsigned char {
    follows,  // shares the prompt of answer 0, which is still being computed
    waiting,  // for a place and pages
    running,  // has a sequence
    done,
  };

  Generation* generation = nullptr;
  int choice = 0;
  State state = State::waiting;
  std::vector<int> tokens{};  // prompt, then what was generated
  std::size_t computed = 0;   // of them: in the sequence's pages. At least one is always left: the next to run
  int sequence = -1;          // handle, if running
  int generated = 0;
  ops::Sampler sampler;
  AnswerText text;

  std::size_t left() const { return tokens.size() - computed; }
};

/// An accepted request.
struct Generation {
  GenerationId id = 0;
  GenerationRequest request{};
  EventCallback on_event{};
  int limit = 0;                                   // tokens of each answer
  std::vector<std::unique_ptr<Answer>> answers{};  // see make_answers()
  int unfinished = 0;
  bool started = false;  // has had its first step
  bool broken = false;   // the callback threw: it is not called any more
  Usage usage{};
  Timing timing{};
  Clock::time_point submitted{};

  double seconds() const { return std::chrono::duration<double>(Clock::now() - submitted).count(); }
};

/// Whether a is older than b: pages and places go to the older one.
inline bool older(const Answer* a, const Answer* b) {
  return std::pair(a->generation->id, a->choice) < std::pair(b->generation->id, b->choice);
}

}  // namespace vernier::serve
