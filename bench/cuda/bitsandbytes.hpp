// NF4 by bitsandbytes 0.50, through the C functions that its Python code calls: without Python, whose part would flatter whoever has none.
#pragma once

#include <cstdint>
#include <string>

#include "cuda/shared_library.hpp"

namespace vernier::bench {

class Bitsandbytes {
 public:
  /// path: of libbitsandbytes_cuda*.so.
  explicit Bitsandbytes(const std::string& path) : library_({path}) {
    library_.find("cgemm_4bit_fp16", gemm_);
    library_.find("cdequantize_blockwise_fp16_nf4", dequantize_);
  }

  const std::string& why_not() const { return library_.why_not(); }

  /// y (m, n) = x (m, k) * w^T, f16; codes (n, k / 2), absmax (n, k / 64) float. stream: a cudaStream_t.
  void gemm(const void* x, const std::uint8_t* codes, const float* absmax, void* y, int m, int n, int k, void* stream) const {
    constexpr int block = 64, nf4 = 2;
    gemm_(x, codes, absmax, nullptr, nullptr, nullptr, y, nullptr, m, n, k, block, nf4, stream);
  }
  /// w (n, k) in f16.
  void dequantize(const std::uint8_t* codes, const float* absmax, void* w, int n, int k, void* stream) const {
    dequantize_(nullptr, codes, absmax, w, 64, n * k, stream);
  }

 private:
  // absmax may be nested, in 8 bits with a table and an offset: the three that are null here. So is the bias.
  using Gemm = void(const void* x, const std::uint8_t* codes, const float* absmax, const std::uint8_t* absmax_codes,
                    const float* absmax_table, const float* absmax_offset, void* y, const void* bias, int m, int n, int k, int block,
                    int kind, void* stream);
  using Dequantize = void(const float* table, const std::uint8_t* codes, const float* absmax, void* w, int block, int count, void* stream);

  SharedLibrary library_;
  Gemm* gemm_ = nullptr;
  Dequantize* dequantize_ = nullptr;
};

}  // namespace vernier::bench
