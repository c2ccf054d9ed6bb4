#include "server/engine/ledger.hpp"

#include <utility>

namespace vernier::serve {

void make_answers(Generation& g) {
  for (int choice = 0; choice < g.request.n; ++choice) {
    ops::Sampler sampler(g.request.sampling, static_cast<std::uint32_t>(choice));
    sampler.accept_prompt(g.request.prompt);
    const auto state = choice == 0 ? Answer::State::waiting : Answer::State::follows;
    g.answers.push_back(std::unique_ptr<Answer>(new Answer{.generation = &g,
                                                           .choice = choice,
                                                           .state = state,
                                                           .tokens = g.request.prompt,
                                                           .sampler = std::move(sampler),
                                                           .text = AnswerText(g.request.stop)}));
  }
  g.unfinished = g.request.n;
  g.usage.prompt_tokens = static_cast<int>(g.request.prompt.size());
}

Generation& Ledger::add(std::unique_ptr<Generation> generation) {
  return *generations_.emplace(generation->id, std::move(generation)).first->second;
}

Generation* Ledger::find(GenerationId id) {
  const auto at = generations_.find(id);
  return at == generations_.end() || at->second->unfinished == 0 ? nullptr : at->second.get();
}

std::vector<Generation*> Ledger::all() {
  std::vector<Generation*> out;
  for (auto& [id, generation] : generations_)
    if (generation->unfinished > 0) out.push_back(generation.get());
  return out;
}

void Ledger::text(Answer& answer, AnswerText::Released released) {
  if (released.text.empty() && (released.tokens.empty() || !answer.generation->request.logprobs)) return;
  GenerationEvent event{.choice = answer.choice, .text = std::move(released.text), .usage = answer.generation->usage};
  if (answer.generation->request.logprobs) event.tokens = std::move(released.tokens);
  send(*answer.generation, event);
}

void Ledger::finish(Answer& answer, FinishReason reason, AnswerText::Released released, std::string error) {
  Generation& g = *answer.generation;
  answer.state = Answer::State::done;
  switch (reason) {
    case FinishReason::none: break;
    case FinishReason::stop: ++endings_.stop; break;
    case FinishReason::length: ++endings_.length; break;
    case FinishReason::cancelled: ++endings_.cancelled; break;
    case FinishReason::failed: ++endings_.failed; break;
  }
  GenerationEvent event{.choice = answer.choice,
                        .text = std::move(released.text),
                        .finish = reason,
                        .stop = std::move(released.stop),
                        .error = std::move(error),
                        .usage = g.usage};
  if (g.request.logprobs) event.tokens = std::move(released.tokens);
  send(g, event);
  if (--g.unfinished > 0) return;
  g.timing.total = g.seconds();
  send(g, {.choice = answer.choice, .last = true, .usage = g.usage, .timing = g.timing});
  finished_.push_back(g.id);
}

int Ledger::purge() {
  for (GenerationId id : finished_) generations_.erase(id);
  const int count = static_cast<int>(finished_.size());
  finished_.clear();
  return count;
}

// Whoever listens may be gone or out of memory; that is no reason to stop serving the others.
void Ledger::send(Generation& generation, const GenerationEvent& event) {
  if (generation.broken) return;
  try {
    generation.on_event(event);
  } catch (...) {
    generation.broken = true;
  }
}

}  // namespace vernier::serve
