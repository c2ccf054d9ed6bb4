// A Llama on any backend as a PlacedModel.
#pragma once

#include <memory>
#include <utility>

#include "common/device/device.hpp"
#include "common/model/llama.hpp"

namespace vernier::model {

template <class Backend>
class PlacedLlama final : public PlacedModel {
 public:
  using Cache = typename Backend::Cache;

  PlacedLlama(std::shared_ptr<const typename Backend::Weights> weights, Backend backend) : llama_(std::move(weights), std::move(backend)) {}

  const ModelConfig& config() const override { return llama_.config(); }

  std::shared_ptr<KvPages> make_cache(const KvConfig& config, int pages) override {
    return llama_.backend().make_cache(config, llama_.kv_geometry(pages));
  }

  void reserve(int tokens, int outputs) override { llama_.reserve(tokens, outputs); }

  void forward(KvPages& cache, std::span<const KvChunk> batch, std::span<const int> tokens, std::span<Output> outputs) override {
    llama_.forward(static_cast<Cache&>(cache), batch, tokens, outputs);
  }

  void append(KvPages& cache, int layer, std::span<const KvChunk> batch, MatrixView<const float> k, MatrixView<const float> v) override {
    llama_.backend().append_rows(static_cast<Cache&>(cache), layer, batch, k, v);
  }

 private:
  Llama<Backend> llama_;
};

}  // namespace vernier::model
