// A model's weights in the memory of a CUDA device: the matrices that share an input stacked into one, so that a layer is four products.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/model/cuda_operand.hpp"
#include "common/model/cuda_staging.cuh"
#include "common/model/formats.hpp"
#include "common/model/weights.hpp"
#include "vernier/cuda/memory.cuh"
#include "vernier/layout/mma_weights.hpp"
#include "vernier/quant/repack_mma.hpp"

namespace vernier::model {

/// y = x * weight^T + bias on the device.
struct CudaLinear {
  cuda::DeviceBuffer<std::uint8_t> memory;
  cuda::WeightView view;
  cuda::DeviceBuffer<float> bias;      // (n), or empty
  Precision operand = Precision::f16;  // what x is rounded to: f16, bf16 or i8
};

/// An RMS norm, and what its result is rounded to: the operand of the product behind it.
struct CudaNorm {
  cuda::DeviceBuffer<float> weight;
  Precision operand = Precision::f16;
};

/// One decoder layer; see LayerWeights. Matrices of different formats cannot be stacked: then qkv are three, and gate_up two.
struct CudaLayer {
  CudaNorm attention_norm;
  std::vector<CudaLinear> qkv;
  cuda::DeviceBuffer<float> q_norm, k_norm;
  CudaLinear o;
  CudaNorm ffn_norm;
  std::vector<CudaLinear> gate_up;
  CudaLinear down;
};

/// Everything that a forward on the device needs. The embedding is read on the host, a row for each token.
struct CudaWeights {
  ModelConfig config;
  Embedding embedding;
  std::vector<CudaLayer> layers;
  CudaNorm final_norm;
  CudaLinear head;
};

/// Repacks and copies. Activations: i8 multiplies i8 weights with a scale per row as integers; bf16 weights are multiplied as bf16, all
/// others as f16. Throws Error where matrices that share an input would need it rounded in different ways, and where the device's memory is
/// too small.
CudaWeights to_cuda(const Weights& weights, Activations activations);

namespace detail {

/// How matrices that share an input want it rounded.
inline Precision operand_of(std::initializer_list<const Linear*> parts, bool integers) {
  bool all_i8 = true, all_bf16 = true, no_bf16 = true;
  for (const Linear* part : parts) {
    const Precision operand = cuda_operand(part->weight->format(), integers);
    all_i8 = all_i8 && operand == Precision::i8;
    (operand == Precision::bf16 ? no_bf16 : all_bf16) = false;
  }
  if (all_i8) return Precision::i8;
  expect(all_bf16 || no_bf16, "vernier::model::to_cuda",
         "bf16 weights share an input with others, but are multiplied as bf16 and the others as f16; give them one format in the plan");
  return all_bf16 ? Precision::bf16 : Precision::f16;
}

inline std::vector<float> joined(std::initializer_list<const Linear*> parts) {
  std::vector<float> all;
  for (const Linear* part : parts) all.insert(all.end(), part->bias.begin(), part->bias.end());
  return all;
}

}  // namespace detail

/// Makes the products of a model, one after the other; each is copied while the next is repacked. It fills what lives longer than itself,
/// since copies may still be under way when something goes wrong.
class CudaUploader {
 public:
  explicit CudaUploader(Activations activations) : integers_(activations != Activations::f32) {}

  void wait() const { staging_.wait(); }

  void linear(CudaLinear& to, const cuda::PackedWeights& packed, std::span<const float> bias, Precision operand) {
    to.memory = staging_.send(packed.memory());
    to.view = packed.view(to.memory.data());
    to.bias = staging_.send(bias);
    to.operand = operand;
  }
  void linear(CudaLinear& to, const Linear& from, Precision operand) { linear(to, cuda::repack_mma(*from.weight), from.bias, operand); }
  /// How this matrix alone wants its input.
  void linear(CudaLinear& to, const Linear& from) { linear(to, from, operand_of({&from})); }

  void vector(cuda::DeviceBuffer<float>& to, std::span<const float> values) { to = staging_.send(values); }
  void norm(CudaNorm& to, std::span<const float> weight, Precision operand) {
    vector(to.weight, weight);
    to.operand = operand;
  }

  void layer(CudaLayer& to, const LayerWeights& from) {
    const Precision qkv = operand_of({&from.q, &from.k, &from.v}), gate_up = operand_of({&from.gate, &from.up});
    norm(to.attention_norm, from.attention_norm, qkv);
    vector(to.q_norm, from.q_norm);
    vector(to.k_norm, from.k_norm);
    norm(to.ffn_norm, from.ffn_norm, gate_up);
    if (alike({&from.q, &from.k, &from.v})) {
      linear(to.qkv.emplace_back(), cuda::repack_mma({from.q.weight.get(), from.k.weight.get(), from.v.weight.get()}),
             detail::joined({&from.q, &from.k, &from.v}), qkv);
    } else {
      for (const Linear* part : {&from.q, &from.k, &from.v}) linear(to.qkv.emplace_back(), *part, qkv);
    }
    if (alike({&from.gate, &from.up})) {
      linear(to.gate_up.emplace_back(), cuda::repack_mma_gated(*from.gate.weight, *from.up.weight), {}, gate_up);
    } else {
      for (const Linear* part : {&from.gate, &from.up}) linear(to.gate_up.emplace_back(), *part, gate_up);
    }
    linear(to.o, from.o);
    linear(to.down, from.down);
  }

 private:
  Precision operand_of(std::initializer_list<const Linear*> parts) const { return detail::operand_of(parts, integers_); }

  static bool alike(std::initializer_list<const Linear*> parts) {
    for (const Linear* part : parts)
      if (part->weight->format() != (*parts.begin())->weight->format()) return false;
    return true;
  }

  bool integers_;
  CudaStaging staging_;
};

inline CudaWeights to_cuda(const Weights& weights, Activations activations) {
  CudaWeights to;
  to.config = weights.config;
  to.embedding = weights.embedding;
  CudaUploader uploader(activations);
  for (const LayerWeights& layer : weights.layers) uploader.layer(to.layers.emplace_back(), layer);
  uploader.linear(to.head, weights.head);
  uploader.norm(to.final_norm, weights.final_norm, to.head.operand);
  uploader.wait();
  return to;
}

}  // namespace vernier::model
