// The order in which matrices are made is that in which a token reads them, and so their order in memory.
#include "common/model/weights.hpp"

#include <string>
#include <utility>

#include "common/model/formats.hpp"
#include "vernier/core/error.hpp"

namespace vernier::model {
namespace {
constexpr std::string_view embedding_name = "model.embed_tokens.weight";

/// A token needs one row of the embedding: without scales it is no smaller in memory than in the file.
bool stays_in_file(std::string_view name, const WeightFormat& format) { return name == embedding_name && format.scaling == Scaling::none; }

}  // namespace

std::size_t Weights::bytes_per_token() const {
  std::size_t bytes = head.weight->bytes();
  for (const LayerWeights& layer : layers)
    for (const Linear* linear : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down})
      bytes += linear->weight->bytes();
  return bytes;
}

std::vector<WantedMatrix> WeightLoader::wanted(const FormatOf& format_of) const {
  std::vector<WantedMatrix> all;
  for (std::string& name : matrix_names(checkpoint_->config())) {
    const WeightFormat format = format_of(name);
    if (stays_in_file(name, format)) continue;
    const io::StoredTensor* stored = checkpoint_->find(name);
    if (stored == nullptr) stored = &checkpoint_->shape(embedding_name);  // a tied head
    all.push_back({std::move(name), stored, format});
  }
  return all;
}

std::shared_ptr<PackedMatrix> WeightLoader::held(std::string_view name, WeightFormat format) const {
  for (const Held& held : held_)
    if (held.name == name && held.format == format)
      if (auto shared = held.matrix.lock()) return shared;
  return nullptr;
}

/// The next matrix of the tier: another tier's, or from the cache, or to be packed, now or later.
std::shared_ptr<PackedMatrix> WeightLoader::matrix(std::string_view stored, WeightFormat format, bool may_wait) {
  const io::StoredTensor& tensor = checkpoint_->shape(stored);
  may_wait = may_wait && panels_stand_alone(format);
  std::shared_ptr<PackedMatrix> found = held(stored, format);
  if (found && !found->is_packed() && !may_wait) found = nullptr;
  if (!found) {
    found = cached_->read(tensor.rows, tensor.cols, format, packing_->arena());
    if (!found && may_wait) found = std::make_shared<PackedMatrix>(tensor.rows, tensor.cols, format, std::shared_ptr<const std::uint8_t>());
    if (!found) {
      found = std::make_shared<PackedMatrix>(tensor.rows, tensor.cols, format, &packing_->arena());
      packing_->fill(stored, *found);
    }
    held_.push_back({std::string(stored), format, found});
  }
  cached_->keep(found);
  if (found->is_packed())
    packing_->skip(*found);
  else
    packing_->add(stored, found);
  return found;
}

Embedding WeightLoader::embedding(const FormatOf& format_of) {
  const WeightFormat format = format_of(embedding_name);
  if (!stays_in_file(embedding_name, format)) return std::shared_ptr<const PackedMatrix>(matrix(embedding_name, format, false));
  return Embedding(std::make_shared<const io::StoredRows>(checkpoint_->file_of(embedding_name), checkpoint_->shape(embedding_name)));
}

Linear WeightLoader::linear(const std::string& prefix, const FormatOf& format_of, bool bias) {
  const std::string name = prefix + ".weight";
  return {matrix(name, format_of(name), true), bias ? checkpoint_->read(prefix + ".bias") : std::vector<float>{},
          std::make_shared<const StoredPanels>(quantizer_, name)};
}

Linear WeightLoader::head(const FormatOf& format_of) {
  constexpr std::string_view name = "lm_head.weight";
  const std::string_view stored = checkpoint_->config().tied_embeddings ? embedding_name : name;
  return {matrix(stored, format_of(name), true), {}, std::make_shared<const StoredPanels>(quantizer_, stored)};
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

Weights WeightLoader::open(const FormatOf& format_of, const Progress& progress) {
  const ModelConfig& config = checkpoint_->config();
  const std::vector<WantedMatrix> matrices = wanted(format_of);
  std::size_t values = 0;
  for (const WantedMatrix& matrix : matrices)
    values += static_cast<std::size_t>(matrix.stored->rows) * static_cast<std::size_t>(matrix.stored->cols);
  cached_.emplace(cache_, *checkpoint_, matrices, *pool_);
  if (!cached_->found()) checkpoint_->advise_streaming();
  packing_ = std::make_shared<Packing>(*checkpoint_, quantizer_, values, progress, cache_.report);

  Weights weights;
  weights.config = config;
  weights.embedding = embedding(format_of);
  for (int i = 0; i < config.layers; ++i) weights.layers.push_back(layer(i, format_of));
  weights.final_norm = checkpoint_->read("model.norm.weight");
  weights.head = head(format_of);
  if (auto file = cached_->finish()) new_files_.push_back(std::move(*file));
  cached_.reset();
  weights.packing = packings_.emplace_back(std::exchange(packing_, nullptr));
  return weights;
}

Weights WeightLoader::load(const FormatOf& format_of, const Progress& progress) {
  Weights weights = open(format_of, progress);
  packings_.pop_back();  // nothing of it is left to pack_piece(), even where this fails
  std::exchange(weights.packing, nullptr)->finish();
  return weights;
}

bool WeightLoader::pack_piece() {
  for (const std::shared_ptr<Packing>& packing : packings_)
    if (packing->step()) return true;
  return false;
}

void WeightLoader::keep() {
  if (new_files_.empty()) return;
  for (const std::shared_ptr<Packing>& packing : packings_) packing->finish();
  write_files(cache_, std::exchange(new_files_, {}), *pool_);
}

}  // namespace vernier::model
