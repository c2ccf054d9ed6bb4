// See runner.hpp. As in llama-bench, tokens are random and nothing is sampled, and only the last token of a prompt gets logits.
#include "bench/runner.hpp"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>

#include "common/noise.hpp"

namespace vernier::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// The forward's speed does not depend on what the cached keys are, so noise stands for a prompt that would take minutes to run.
void fill(model::PlacedModel& llama, KvPages& cache, KvSequence& sequence, int tokens, std::uint32_t& random) {
  const int columns = cache.geometry().kv_heads * cache.geometry().head_dim, step = 512;
  const std::vector<float> values = noise(static_cast<std::size_t>(columns) * step, random);
  for (int done = 0; done < tokens; done += step) {
    const int count = std::min(step, tokens - done);
    expect(sequence.extend(count), "vernier-bench", "the KV cache is full at ", sequence.tokens(), " tokens");
    const KvChunk chunk = sequence.last(count);
    const MatrixView<const float> rows(values.data(), count, columns);
    for (int layer = 0; layer < cache.geometry().layers; ++layer) llama.append(cache, layer, {&chunk, 1}, rows, rows);
  }
}

}  // namespace

/// The sequences of a test and what the next forward does with them.
struct Runner::Batch {
  std::shared_ptr<KvPages> cache;
  std::vector<KvSequence> sequences;
  std::vector<KvChunk> chunks;
  std::vector<int> ids;
  std::vector<model::Output> outputs;

  explicit Batch(std::shared_ptr<KvPages> pages) : cache(std::move(pages)) {}

  void add(KvSequence& sequence, int count) {
    expect(sequence.extend(count), "vernier-bench", "the KV cache is full at ", sequence.tokens(), " tokens");
    chunks.push_back(sequence.last(count));
  }
};

Runner::Runner(std::shared_ptr<const model::Weights> weights, model::Device& device, std::function<Limits()> measure_limits,
               const Options& options)
    : weights_(std::move(weights)),
      measure_limits_(std::move(measure_limits)),
      multiplier_(device.memory().has_value() ? Multiplier::cuda : Multiplier::cpu),
      options_(&options),
      llama_(device.place(weights_, options.activations)) {}

/// Random tokens for the chunks; logits for the last token of the last `outputs` of them.
void Runner::forward(Batch& batch, int outputs) {
  const int tokens = std::accumulate(batch.chunks.begin(), batch.chunks.end(), 0, [](int sum, const KvChunk& c) { return sum + c.count; });
  const int vocab = llama_->config().vocab;
  batch.ids.resize(static_cast<std::size_t>(tokens));
  for (int& id : batch.ids) id = static_cast<int>((next_random(random_) >> 8) % static_cast<std::uint32_t>(vocab));
  batch.outputs.resize(static_cast<std::size_t>(outputs));
  for (int i = 0; i < outputs; ++i) batch.outputs[static_cast<std::size_t>(i)].row = tokens - outputs + i;
  llama_->forward(*batch.cache, batch.chunks, batch.ids, batch.outputs);
}

/// One repetition, and what it costs. Leaves the caches at the depth of the test.
Cost Runner::once(const Test& test, Batch& batch, int n_prompt, int n_gen) {
  Cost cost;
  const auto run = [&](int outputs) {
    cost += forward_cost(*weights_, options_->activations, *batch.cache, batch.chunks, outputs, multiplier_);
    forward(batch, outputs);
    batch.chunks.clear();
  };
  for (KvSequence& sequence : batch.sequences)
    for (int left = n_prompt; left > 0;) {
      const int count = std::min(left, options_->batch);
      batch.add(sequence, count);
      left -= count;
      run(left == 0 ? 1 : 0);
    }
  for (int i = 0; i < n_gen; ++i) {
    for (KvSequence& sequence : batch.sequences) batch.add(sequence, 1);
    run(test.sequences);
  }
  for (KvSequence& sequence : batch.sequences) sequence.truncate(test.depth);
  return cost;
}

Result Runner::run(const Test& test) {
  const KvConfig kv{.precision = test.kv};
  const int pages = (test.depth + test.phase.n_prompt + test.phase.n_gen) / kv.page_tokens + 1;
  Batch batch(llama_->make_cache(kv, pages * test.sequences));
  for (int i = 0; i < test.sequences; ++i) fill(*llama_, *batch.cache, batch.sequences.emplace_back(*batch.cache), test.depth, random_);
  if (options_->warmup) once(test, batch, test.phase.n_prompt, std::min(test.phase.n_gen, 2));

  Result result{.test = test, .cost = {}, .samples = {}};
  for (int i = 0; i < options_->repetitions; ++i) {
    Sample sample{.seconds = 0, .limits = measure_limits_()};
    const auto start = Clock::now();
    result.cost = once(test, batch, test.phase.n_prompt, test.phase.n_gen);
    sample.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    result.samples.push_back(sample);
  }
  return result;
}

}  // namespace vernier::bench
