// Products by cuBLASLt, the toolkit's library: what a kernel of ours is held against. Loaded when the program runs, so that the program
// starts on a machine that has only a driver.
#pragma once

#include <cublasLt.h>

#include <memory>
#include <string>
#include <vector>

#include "cuda/shared_library.hpp"

namespace vernier::bench {

/// The formats in which both operands are.
enum class LtFormat : unsigned char { f16, bf16, fp8, int8 };

/// y = x * w^T for w (n, k), x (m, k) and y (m, n), all row-major; y in f16, bf16 for bf16, or int32 for int8.
struct LtOperands {
  const void* w = nullptr;
  const void* x = nullptr;
  void* y = nullptr;
};

class CublasLt;

/// One shape, with the algorithm that was chosen for it.
class LtProduct {
 public:
  LtProduct(const CublasLt& library, LtFormat format, int m, int n, int k, std::size_t workspace_bytes);
  ~LtProduct();
  LtProduct(const LtProduct&) = delete;
  LtProduct& operator=(const LtProduct&) = delete;

  /// The algorithms that cuBLASLt proposes, its favourite first.
  int algorithms() const { return static_cast<int>(proposals_.size()); }
  void choose(int algorithm) { chosen_ = algorithm; }
  int chosen() const { return chosen_; }

  /// Puts the product into the stream. workspace: that many bytes of device memory. Throws Error with cuBLAS's code.
  void run(const LtOperands& operands, void* workspace, cudaStream_t stream) const;

 private:
  void release() noexcept;

  const CublasLt* library_;
  LtFormat format_;
  std::size_t workspace_bytes_;
  cublasLtMatmulDesc_t product_ = nullptr;
  cublasLtMatrixLayout_t w_ = nullptr, x_ = nullptr, y_ = nullptr;
  std::vector<cublasLtMatmulHeuristicResult_t> proposals_;
  int chosen_ = 0;
};

class CublasLt {
 public:
  /// path: of the library; empty for wherever the loader finds it.
  explicit CublasLt(const std::string& path);
  ~CublasLt();
  CublasLt(const CublasLt&) = delete;
  CublasLt& operator=(const CublasLt&) = delete;

  /// Empty if it can be used.
  const std::string& why_not() const { return why_not_; }
  std::string version() const;

 private:
  friend class LtProduct;
  struct Functions;

  SharedLibrary library_;
  std::unique_ptr<Functions> functions_;
  cublasLtHandle_t handle_ = nullptr;
  std::string why_not_;
};

}  // namespace vernier::bench
