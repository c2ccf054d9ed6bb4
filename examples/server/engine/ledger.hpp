// The requests that the engine has taken over: events go out here, and here a request ends. Data of the engine's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/engine/answer.hpp"

namespace vernier::serve {

/// How answers ended.
struct Endings {
  std::uint64_t stop = 0, length = 0, cancelled = 0, failed = 0;
};

/// Makes the answers of a request, on the thread of who submits it: they copy the prompt.
void make_answers(Generation& generation);

class Ledger {
 public:
  /// Takes over a request that has its answers.
  Generation& add(std::unique_ptr<Generation> generation);

  /// nullptr if unknown or finished.
  Generation* find(GenerationId id);
  std::vector<Generation*> all();

  /// Text for an answer that goes on. Says nothing if there is nothing to say.
  void text(Answer& answer, AnswerText::Released released);

  /// The last event of an answer, and of its request if it was the last answer. The answer must have left its tier. The memory of
  /// finished requests lives until purge().
  void finish(Answer& answer, FinishReason reason, AnswerText::Released released, std::string error = {});

  /// Forgets finished requests and returns how many there were.
  int purge();

  const Endings& endings() const { return endings_; }

 private:
  static void send(Generation& generation, const GenerationEvent& event);

  std::unordered_map<GenerationId, std::unique_ptr<Generation>> generations_;
  std::vector<GenerationId> finished_;
  Endings endings_;
};

}  // namespace vernier::serve
