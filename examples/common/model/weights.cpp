// Streams each matrix through a small float buffer per slice: a whole matrix in float never exists.
#include "common/model/weights.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "vernier/core/buffer.hpp"
#include "vernier/core/error.hpp"
#include "vernier/quant/quantize.hpp"

namespace vernier::model {
namespace {

constexpr int slice_rows = 128;  // whole panels, and whole 128x128 blocks

PackedMatrix read_packed(const io::Checkpoint& checkpoint, std::string_view name, WeightFormat format, Arena& arena,
                         cpu::ThreadPool& pool) {
  const io::StoredTensor& stored = checkpoint.shape(name);
  PackedMatrix packed(stored.rows, stored.cols, format, &arena);
  const auto read_slice = [&](int first, int rows) {
    Buffer<float> values(static_cast<std::size_t>(rows) * static_cast<std::size_t>(stored.cols));
    const MatrixView<float> slice(values.data(), rows, stored.cols);
    checkpoint.read_rows(name, first, slice);
    quantize_rows(packed, first, slice);
  };
  try {
    if (format.scaling == Scaling::tensor) {
      read_slice(0, stored.rows);  // one scale needs all rows at once
    } else {
      pool.for_each(ceil_div(stored.rows, slice_rows), [&](std::int64_t slice) {
        const int first = static_cast<int>(slice) * slice_rows;
        read_slice(first, std::min(slice_rows, stored.rows - first));
      });
    }
  } catch (const Error& error) {
    fail(checkpoint.path(), "tensor ", name, ": ", std::string_view(error.what()));
  }
  return packed;
}

}  // namespace

std::size_t Weights::bytes_per_token() const {
  std::size_t bytes = head.weight->bytes();
  for (const LayerWeights& layer : layers)
    for (const Linear* linear : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down})
      bytes += linear->weight->bytes();
  return bytes;
}

void WeightLoader::advance(std::size_t values) {
  done_ += values;
  if (progress_) progress_(done_, total_);
}

std::shared_ptr<const PackedMatrix> WeightLoader::matrix(std::string_view name, std::string_view stored, const FormatOf& format_of) {
  const WeightFormat format = format_of(name);
  const io::StoredTensor& tensor = checkpoint_->shape(stored);
  const std::size_t values = static_cast<std::size_t>(tensor.rows) * static_cast<std::size_t>(tensor.cols);
  for (const Held& held : held_)
    if (held.name == stored && held.format == format)
      if (auto shared = held.matrix.lock()) {
        advance(values);
        return shared;
      }
  auto made = std::make_shared<const PackedMatrix>(read_packed(*checkpoint_, stored, format, arena_, *pool_));
  held_.push_back({std::string(stored), format, made});
  advance(values);
  return made;
}

Linear WeightLoader::linear(const std::string& prefix, const FormatOf& format_of, bool bias) {
  const std::string name = prefix + ".weight";
  return {matrix(name, name, format_of), bias ? checkpoint_->read(prefix + ".bias") : std::vector<float>{}};
}

LayerWeights WeightLoader::layer(int index, const FormatOf& format_of) {
  const ModelConfig& config = checkpoint_->config();
  const std::string prefix = concat("model.layers.", index, ".");
  const std::string attention = prefix + "self_attn.", mlp = prefix + "mlp.";
  LayerWeights layer;
  layer.attention_norm = checkpoint_->read(prefix + "input_layernorm.weight");
  layer.q = linear(attention + "q_proj", format_of, config.attention_bias);
  layer.k = linear(attention + "k_proj", format_of, config.attention_bias);
  layer.v = linear(attention + "v_proj", format_of, config.attention_bias);
  if (config.qk_norm) {
    layer.q_norm = checkpoint_->read(attention + "q_norm.weight");
    layer.k_norm = checkpoint_->read(attention + "k_norm.weight");
  }
  layer.o = linear(attention + "o_proj", format_of, config.attention_output_bias);
  layer.ffn_norm = checkpoint_->read(prefix + "post_attention_layernorm.weight");
  layer.gate = linear(mlp + "gate_proj", format_of, false);
  layer.up = linear(mlp + "up_proj", format_of, false);
  layer.down = linear(mlp + "down_proj", format_of, false);
  return layer;
}

Weights WeightLoader::load(const FormatOf& format_of, const Progress& progress) {
  const ModelConfig& config = checkpoint_->config();
  const auto values = [&](std::string_view name) {
    const io::StoredTensor& tensor = checkpoint_->shape(name);
    return static_cast<std::size_t>(tensor.rows) * static_cast<std::size_t>(tensor.cols);
  };
  const std::string_view embedding = "model.embed_tokens.weight", head = config.tied_embeddings ? embedding : "lm_head.weight";
  arena_ = Arena();  // matrices lie in the order in which a token reads them
  progress_ = progress;
  done_ = 0;
  total_ = config.tied_embeddings ? values(embedding) : 0;  // read twice, unless both get the same format
  for (const io::StoredTensor& tensor : checkpoint_->tensors())
    if (tensor.rows > 1) total_ += values(tensor.name);

  Weights weights;
  weights.config = config;
  weights.embedding = matrix(embedding, embedding, format_of);
  for (int i = 0; i < config.layers; ++i) weights.layers.push_back(layer(i, format_of));
  weights.final_norm = checkpoint_->read("model.norm.weight");
  weights.head = {matrix("lm_head.weight", head, format_of), {}};
  return weights;
}

}  // namespace vernier::model
