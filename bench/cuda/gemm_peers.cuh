// The same products by other libraries, on the same weights.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "cuda/bitsandbytes.hpp"
#include "cuda/contest.cuh"
#include "cuda/cublaslt.hpp"
#include "cuda/gemm_operands.cuh"
#include "cuda/visit_arch.hpp"

namespace vernier::bench {

struct Peers {
  CublasLt cublaslt;
  Bitsandbytes bitsandbytes;
  cuda::DeviceBuffer<std::uint8_t> workspace{std::size_t{64} << 20};

  Peers(const std::string& cublaslt_path, const std::string& bitsandbytes_path)
      : cublaslt(cublaslt_path), bitsandbytes(bitsandbytes_path) {}
};

/// A matrix as cuBLASLt reads it: rows of f16 or bf16, or, where the activations are of 8 bits, of its own codes without their scales.
class LtWeights {
 public:
  LtWeights(Arch arch, Precision operand, const cuda::WeightView& w, const int* features, std::size_t l2_bytes,
            const cuda::OwnedStream& stream)
      : format_(operand == Precision::bf16   ? LtFormat::bf16
                : operand == Precision::e4m3 ? LtFormat::fp8
                : operand == Precision::i8   ? LtFormat::int8
                                             : LtFormat::f16),
        bytes_(static_cast<std::size_t>(w.n) * static_cast<std::size_t>(w.k) * static_cast<std::size_t>(bits(operand)) / 8),
        copies_(copies_for(bytes_, l2_bytes)),
        memory_(bytes_ * static_cast<std::size_t>(copies_)) {
    const auto rows = [&]<class T>(T*) { return MatrixView<T>(reinterpret_cast<T*>(memory_.data()), w.n, w.k); };
    switch (format_) {
      case LtFormat::f16:
        visit_arch(arch, [&]<Arch A>() { cuda::gather_rows<A>(w, features, rows(static_cast<f16*>(nullptr)), stream); });
        break;
      case LtFormat::bf16:
        visit_arch(arch, [&]<Arch A>() { cuda::gather_rows<A>(w, features, rows(static_cast<bf16*>(nullptr)), stream); });
        break;
      case LtFormat::fp8: cuda::launch_on<RowMajor<Precision::e4m3>>(arch, {4096}, {w, memory_.data(), nullptr}, stream); break;
      case LtFormat::int8: cuda::launch_on<RowMajor<Precision::i8>>(arch, {4096}, {w, memory_.data(), nullptr}, stream); break;
    }
    for (int copy = 1; copy < copies_; ++copy)
      cuda::runtime::copy(memory_.data() + bytes_ * static_cast<std::size_t>(copy), memory_.data(), bytes_, stream);
    stream.synchronize();
  }

  LtFormat format() const { return format_; }
  int copies() const { return copies_; }
  std::size_t bytes() const { return bytes_; }
  const std::uint8_t* copy(int i) const { return memory_.data() + bytes_ * static_cast<std::size_t>(i % copies_); }

 private:
  LtFormat format_;
  std::size_t bytes_;
  int copies_;
  cuda::DeviceBuffer<std::uint8_t> memory_;
};

/// An nf4 matrix as bitsandbytes has it.
class BnbWeights {
 public:
  BnbWeights(Arch arch, const cuda::WeightView& w, std::size_t l2_bytes, const cuda::OwnedStream& stream)
      : code_bytes_(static_cast<std::size_t>(w.n) * static_cast<std::size_t>(w.k) / 2),
        bytes_(code_bytes_ + code_bytes_ / 32 * sizeof(float)),
        copies_(copies_for(bytes_, l2_bytes)),
        memory_(bytes_ * static_cast<std::size_t>(copies_)) {
    cuda::launch_on<RowMajor<Precision::nf4>>(arch, {4096}, {w, memory_.data(), reinterpret_cast<float*>(memory_.data() + code_bytes_)},
                                              stream);
    for (int copy = 1; copy < copies_; ++copy)
      cuda::runtime::copy(memory_.data() + bytes_ * static_cast<std::size_t>(copy), memory_.data(), bytes_, stream);
    stream.synchronize();
  }

  int copies() const { return copies_; }
  std::size_t bytes() const { return bytes_; }
  const std::uint8_t* codes(int i) const { return memory_.data() + bytes_ * static_cast<std::size_t>(i % copies_); }
  const float* absmax(int i) const { return reinterpret_cast<const float*>(codes(i) + code_bytes_); }

 private:
  std::size_t code_bytes_, bytes_;
  int copies_;
  cuda::DeviceBuffer<std::uint8_t> memory_;
};

/// The fastest of what cuBLASLt proposes for a product, tried on the first copy.
inline void choose_fastest(LtProduct& product, const LtWeights& w, const GemmCall& call, void* y, Peers& peers,
                           const cuda::OwnedStream& stream) {
  GpuTimer timer;
  double best = 1e9;
  int chosen = 0;
  for (int algorithm = 0; algorithm < product.algorithms(); ++algorithm) {
    product.choose(algorithm);
    const auto work = [&](int times) {
      for (int i = 0; i < times; ++i) product.run({w.copy(i), call.x, y}, peers.workspace.data(), stream);
    };
    try {
      work(2);
      const double seconds = timer.seconds(stream, [&] { work(8); });
      if (seconds < best) best = seconds, chosen = algorithm;
    } catch (const Error&) {  // one that cannot run here
    }
  }
  product.choose(chosen);
}

}  // namespace vernier::bench
