// A model's weights in the memory of a CUDA device: the matrices that share an input stacked into one, so that a layer is four products.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common/model/formats.hpp"
#include "common/model/weights.hpp"
#include "vernier/cuda/memory.cuh"
#include "vernier/cuda/stream.cuh"
#include "vernier/layout/mma_weights.hpp"
#include "vernier/quant/repack_mma.hpp"

namespace vernier::model {

/// Copies to the device and waits: for loading.
template <class T>
cuda::DeviceBuffer<T> to_device(std::span<const T> values, const cuda::OwnedStream& stream) {
  cuda::DeviceBuffer<T> buffer(values.size());
  cuda::upload(values, buffer.data(), stream);
  stream.synchronize();
  return buffer;
}

/// y = x * weight^T + bias on the device.
struct CudaLinear {
  CudaLinear() = default;
  CudaLinear(const cuda::PackedWeights& packed, std::span<const float> bias_, const cuda::OwnedStream& stream)
      : memory(to_device(packed.memory(), stream)), view(packed.view(memory.data())), bias(to_device(bias_, stream)) {}

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
CudaWeights to_cuda(const Weights& weights, Activations activations, const cuda::OwnedStream& stream);

namespace detail {

/// How matrices that share an input want it rounded.
inline Precision operand_of(std::initializer_list<const Linear*> parts, bool integers) {
  bool all_i8 = integers, all_bf16 = true, no_bf16 = true;
  for (const Linear* part : parts) {
    const WeightFormat format = part->weight->format();
    all_i8 = all_i8 && format.precision == Precision::i8 && format.scaling == Scaling::row;
    (format.precision == Precision::bf16 ? no_bf16 : all_bf16) = false;
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

/// Makes the products of a model, one after the other.
class CudaUploader {
 public:
  CudaUploader(Activations activations, const cuda::OwnedStream& stream) : integers_(activations != Activations::f32), stream_(stream) {}

  CudaLinear linear(const Linear& from, Precision operand) const {
    CudaLinear to(cuda::repack_mma(*from.weight), from.bias, stream_);
    to.operand = operand;
    return to;
  }

  CudaNorm norm(const std::vector<float>& weight, Precision operand) const { return {vector(weight), operand}; }
  cuda::DeviceBuffer<float> vector(const std::vector<float>& values) const { return to_device(std::span<const float>(values), stream_); }

  CudaLayer layer(const LayerWeights& from) const {
    CudaLayer to;
    const Precision qkv = detail::operand_of({&from.q, &from.k, &from.v}, integers_);
    const Precision gate_up = detail::operand_of({&from.gate, &from.up}, integers_);
    to.attention_norm = norm(from.attention_norm, qkv);
    to.q_norm = vector(from.q_norm);
    to.k_norm = vector(from.k_norm);
    to.ffn_norm = norm(from.ffn_norm, gate_up);
    if (alike({&from.q, &from.k, &from.v})) {
      to.qkv.emplace_back(cuda::repack_mma({from.q.weight.get(), from.k.weight.get(), from.v.weight.get()}),
                          detail::joined({&from.q, &from.k, &from.v}), stream_);
      to.qkv.back().operand = qkv;
    } else {
      for (const Linear* part : {&from.q, &from.k, &from.v}) to.qkv.push_back(linear(*part, qkv));
    }
    if (alike({&from.gate, &from.up})) {
      to.gate_up.emplace_back(cuda::repack_mma_gated(*from.gate.weight, *from.up.weight), std::span<const float>(), stream_);
      to.gate_up.back().operand = gate_up;
    } else {
      for (const Linear* part : {&from.gate, &from.up}) to.gate_up.push_back(linear(*part, gate_up));
    }
    to.o = linear(from.o, detail::operand_of({&from.o}, integers_));
    to.down = linear(from.down, detail::operand_of({&from.down}, integers_));
    return to;
  }

 private:
  static bool alike(std::initializer_list<const Linear*> parts) {
    for (const Linear* part : parts)
      if (part->weight->format() != (*parts.begin())->weight->format()) return false;
    return true;
  }

  bool integers_;
  const cuda::OwnedStream& stream_;
};

inline CudaWeights to_cuda(const Weights& weights, Activations activations, const cuda::OwnedStream& stream) {
  const CudaUploader uploader(activations, stream);
  CudaWeights to;
  to.config = weights.config;
  to.embedding = weights.embedding;
  for (const LayerWeights& layer : weights.layers) to.layers.push_back(uploader.layer(layer));
  const Precision head = detail::operand_of({&weights.head}, activations != Activations::f32);
  to.final_norm = uploader.norm(weights.final_norm, head);
  to.head = uploader.linear(weights.head, head);
  return to;
}

}  // namespace vernier::model
