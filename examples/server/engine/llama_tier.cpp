#include "server/engine/llama_tier.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "vernier/core/math.hpp"
#include "vernier/kv/sequence.hpp"

namespace vernier::serve {

namespace {

class LlamaTier : public TierModel {
 public:
  LlamaTier(std::unique_ptr<model::PlacedModel> llama, const LlamaTierConfig& config)
      : llama_(std::move(llama)),
        cache_(llama_->make_cache(config.kv, config.pages)),
        context_(config.context == 0 ? llama_->config().context : config.context) {
    expect(context_ > 0, "vernier::serve::make_llama_tier", "context = ", context_, ", expected positive");
  }

  int vocabulary() const override { return llama_->config().vocab; }
  int context() const override { return context_; }
  int page_tokens() const override { return cache_->config().page_tokens; }
  int total_pages() const override { return cache_->num_pages(); }
  int free_pages() const override { return cache_->free_pages(); }

  int open() override { return place(KvSequence(*cache_), 0); }
  int fork(int sequence, int tokens) override { return place(at(sequence).pages.fork(tokens), tokens); }
  void close(int sequence) noexcept override { sequences_[static_cast<std::size_t>(sequence)].reset(); }

  bool reserve(int sequence, int tokens) override {
    Sequence& s = at(sequence);
    return s.pages.extend(std::max(0, s.tokens + tokens - s.pages.tokens()));
  }

  void forward(std::span<const Chunk> chunks, std::span<model::Output> outputs) override {
    batch_.clear();
    tokens_.clear();
    for (const Chunk& chunk : chunks) {
      const Sequence& s = at(chunk.sequence);
      batch_.push_back({s.pages.pages(), s.tokens, static_cast<int>(chunk.tokens.size())});
      tokens_.insert(tokens_.end(), chunk.tokens.begin(), chunk.tokens.end());
    }
    llama_->forward(*cache_, batch_, tokens_, outputs);
    for (const Chunk& chunk : chunks) at(chunk.sequence).tokens += static_cast<int>(chunk.tokens.size());
  }

 private:
  struct Sequence {
    KvSequence pages;
    int tokens = 0;  // with keys and values; pages may have room for more
  };

  Sequence& at(int sequence) { return *sequences_[static_cast<std::size_t>(sequence)]; }

  int place(KvSequence pages, int tokens) {
    const auto free = std::find(sequences_.begin(), sequences_.end(), std::nullopt);
    const auto slot = free != sequences_.end() ? free : sequences_.emplace(free);
    slot->emplace(Sequence{std::move(pages), tokens});
    return static_cast<int>(slot - sequences_.begin());
  }

  std::unique_ptr<model::PlacedModel> llama_;
  std::shared_ptr<KvPages> cache_;  // after llama_, which it must not outlive
  int context_;
  std::vector<std::optional<Sequence>> sequences_;  // after cache_: they give their pages back to it
  // Of the forward that runs: kept, so that a warm one does not allocate.
  std::vector<KvChunk> batch_;
  std::vector<int> tokens_;
};

}  // namespace

std::unique_ptr<TierModel> make_llama_tier(std::unique_ptr<model::PlacedModel> model, const LlamaTierConfig& config) {
  return std::make_unique<LlamaTier>(std::move(model), config);
}

int pages_for(const KvConfig& kv, int context, int sequences) {
  const std::int64_t pages = static_cast<std::int64_t>(ceil_div(context, kv.page_tokens)) * sequences;
  return static_cast<int>(std::min<std::int64_t>(pages, std::numeric_limits<int>::max()));
}

}  // namespace vernier::serve
