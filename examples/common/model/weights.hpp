// A model's weights in memory, each matrix in the format that a plan gives it, and the loader that fills them from a checkpoint.
// The formats are the library's; which tensor gets which is the caller's choice (a tier or a plan file).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "common/io/checkpoint.hpp"
#include "common/model/config.hpp"
#include "common/model/embedding.hpp"
#include "common/model/packing.hpp"
#include "common/model/quantize_tensor.hpp"
#include "common/model/weight_cache.hpp"
#include "vernier/cpu/parallel.hpp"
#include "vernier/layout/packed_matrix.hpp"
#include "vernier/layout/panel_source.hpp"

namespace vernier::model {

/// y = x * weight^T + bias. weight: (out, in).
struct Linear {
  std::shared_ptr<const PackedMatrix> weight;
  std::vector<float> bias = {};                    // (out), or empty
  std::shared_ptr<const PanelSource> source = {};  // of a weight that may not be packed yet

  PackedView view() const {
    PackedView view = weight->view();
    if (!weight->is_packed()) view.source = source.get();
    return view;
  }
};

/// One decoder layer. Norms: (hidden), q_norm and k_norm: (head_dim), empty where the architecture has none.
struct LayerWeights {
  std::vector<float> attention_norm;
  Linear q, k, v;  // (heads * head_dim, hidden), (kv_heads * head_dim, hidden) twice
  std::vector<float> q_norm, k_norm;
  Linear o;  // (hidden, heads * head_dim)
  std::vector<float> ffn_norm;
  Linear gate, up;  // (ffn, hidden)
  Linear down;      // (hidden, ffn)
};

/// Everything that a forward needs. Matrices are shared: two tiers that give a tensor the same format hold it once.
struct Weights {
  ModelConfig config;
  Embedding embedding;  // (vocab, hidden), read by row
  std::vector<LayerWeights> layers;
  std::vector<float> final_norm;     // (hidden)
  Linear head;                       // (vocab, hidden)
  std::shared_ptr<Packing> packing;  // what is not packed yet; null: nothing

  /// Packs what is not packed: for who reads the matrices themselves.
  void pack() const {
    if (packing) packing->finish();
  }

  /// Bytes of all matrices that one decoded token reads: codes and scales of every layer and of the head.
  std::size_t bytes_per_token() const;
};

/// The format of the matrix with this Hugging Face name, for example "model.layers.3.mlp.up_proj.weight". The embedding is asked for as
/// "model.embed_tokens.weight", the head as "lm_head.weight" even where the two are tied. An embedding in a format without scales stays in
/// the model's file, with the values that it has there.
using FormatOf = std::function<WeightFormat(std::string_view name)>;

/// Loads matrices from one checkpoint for any number of tiers, and holds those that a later tier may share.
class WeightLoader {
 public:
  using Progress = Packing::Progress;

  /// Neither checkpoint nor pool is owned.
  WeightLoader(const io::Checkpoint& checkpoint, cpu::ThreadPool& pool, WeightCache cache = {})
      : checkpoint_(&checkpoint), pool_(&pool), cache_(std::move(cache)), quantizer_(checkpoint, pool) {}

  /// Reads and quantises every tensor, in parallel. Matrices of a tier share huge pages: one that another tier shares keeps up to 32 MiB
  /// around it. Throws Error as the checkpoint and the quantiser do, naming the tensor.
  Weights load(const FormatOf& format_of, const Progress& progress = {});

  /// The same, but matrices that the weight cache does not have stay in the model's file for now: see Weights::packing. Forwards must run
  /// on this loader's pool, and loader and checkpoint outlive them, until all is packed. Values that are no numbers are found when they
  /// are read.
  Weights open(const FormatOf& format_of, const Progress& progress = {});

  /// Packs a piece of what is open, oldest tier first; false where nothing is left.
  bool pack_piece();

  /// Writes what the tiers so far have left for the cache, with all threads, once it is packed; see write_files().
  void keep();
  /// The same beside other work, by write_in_background(), of tiers that are packed. The thread holds the matrices until it ends.
  std::jthread keep_in_background() { return write_in_background(cache_, std::exchange(new_files_, {})); }

 private:
  struct Held {
    std::string name;
    WeightFormat format;
    std::weak_ptr<PackedMatrix> matrix;
  };

  std::vector<WantedMatrix> wanted(const FormatOf& format_of) const;
  Embedding embedding(const FormatOf& format_of);
  std::shared_ptr<PackedMatrix> held(std::string_view name, WeightFormat format) const;
  std::shared_ptr<PackedMatrix> matrix(std::string_view stored, WeightFormat format, bool may_wait);
  Linear linear(const std::string& prefix, const FormatOf& format_of, bool bias);
  Linear head(const FormatOf& format_of);
  LayerWeights layer(int index, const FormatOf& format_of);

  const io::Checkpoint* checkpoint_;
  cpu::ThreadPool* pool_;
  WeightCache cache_;
  TensorQuantizer quantizer_;
  std::vector<Held> held_;
  std::shared_ptr<Packing> packing_;     // of the tier that is being opened
  std::optional<CachedWeights> cached_;  // likewise
  std::vector<std::shared_ptr<Packing>> packings_;
  std::vector<NewWeightFile> new_files_;
};

}  // namespace vernier::model
