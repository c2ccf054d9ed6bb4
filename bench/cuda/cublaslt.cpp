// See cublaslt.hpp.
#include "cuda/cublaslt.hpp"

#include <type_traits>

#include "vernier/core/error.hpp"

namespace vernier::bench {

struct CublasLt::Functions {
  std::remove_pointer_t<decltype(&cublasLtCreate)>* create = nullptr;
  std::remove_pointer_t<decltype(&cublasLtDestroy)>* destroy = nullptr;
  std::remove_pointer_t<decltype(&cublasLtGetVersion)>* version = nullptr;
  std::remove_pointer_t<decltype(&cublasLtMatmul)>* matmul = nullptr;
  std::remove_pointer_t<decltype(&cublasLtMatmulDescCreate)>* product_create = nullptr;
  std::remove_pointer_t<decltype(&cublasLtMatmulDescDestroy)>* product_destroy = nullptr;
  std::remove_pointer_t<decltype(&cublasLtMatmulDescSetAttribute)>* product_set = nullptr;
  std::remove_pointer_t<decltype(&cublasLtMatrixLayoutCreate)>* layout_create = nullptr;
  std::remove_pointer_t<decltype(&cublasLtMatrixLayoutDestroy)>* layout_destroy = nullptr;
  std::remove_pointer_t<decltype(&cublasLtMatmulPreferenceCreate)>* preference_create = nullptr;
  std::remove_pointer_t<decltype(&cublasLtMatmulPreferenceDestroy)>* preference_destroy = nullptr;
  std::remove_pointer_t<decltype(&cublasLtMatmulPreferenceSetAttribute)>* preference_set = nullptr;
  std::remove_pointer_t<decltype(&cublasLtMatmulAlgoGetHeuristic)>* propose = nullptr;

  void find_in(SharedLibrary& library) {
    library.find("cublasLtCreate", create);
    library.find("cublasLtDestroy", destroy);
    library.find("cublasLtGetVersion", version);
    library.find("cublasLtMatmul", matmul);
    library.find("cublasLtMatmulDescCreate", product_create);
    library.find("cublasLtMatmulDescDestroy", product_destroy);
    library.find("cublasLtMatmulDescSetAttribute", product_set);
    library.find("cublasLtMatrixLayoutCreate", layout_create);
    library.find("cublasLtMatrixLayoutDestroy", layout_destroy);
    library.find("cublasLtMatmulPreferenceCreate", preference_create);
    library.find("cublasLtMatmulPreferenceDestroy", preference_destroy);
    library.find("cublasLtMatmulPreferenceSetAttribute", preference_set);
    library.find("cublasLtMatmulAlgoGetHeuristic", propose);
  }
};

namespace {

void check(cublasStatus_t status, const char* what) {
  expect(status == CUBLAS_STATUS_SUCCESS, "cuBLASLt", what, " failed with status ", static_cast<int>(status));
}

struct LtTypes {
  cudaDataType_t operand, result, scale;
  cublasComputeType_t compute;
};
LtTypes types_of(LtFormat format) {
  switch (format) {
    case LtFormat::bf16: return {CUDA_R_16BF, CUDA_R_16BF, CUDA_R_32F, CUBLAS_COMPUTE_32F};
    case LtFormat::fp8: return {CUDA_R_8F_E4M3, CUDA_R_16F, CUDA_R_32F, CUBLAS_COMPUTE_32F};
    case LtFormat::int8: return {CUDA_R_8I, CUDA_R_32I, CUDA_R_32I, CUBLAS_COMPUTE_32I};
    default: return {CUDA_R_16F, CUDA_R_16F, CUDA_R_32F, CUBLAS_COMPUTE_32F};
  }
}

}  // namespace

CublasLt::CublasLt(const std::string& path)
    : library_(path.empty() ? std::vector<std::string>{"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"} : std::vector{path}),
      functions_(std::make_unique<Functions>()) {
  functions_->find_in(library_);
  why_not_ = library_.why_not();
  if (!why_not_.empty()) return;
  const cublasStatus_t status = functions_->create(&handle_);
  if (status != CUBLAS_STATUS_SUCCESS) why_not_ = "cublasLtCreate failed with status " + std::to_string(static_cast<int>(status));
}

CublasLt::~CublasLt() {
  if (handle_ != nullptr) (void)functions_->destroy(handle_);
}

std::string CublasLt::version() const { return why_not_.empty() ? std::to_string(functions_->version()) : "none"; }

// In the library's column-major words w is (k, n), transposed; x is (k, m) and y (n, m).
LtProduct::LtProduct(const CublasLt& library, LtFormat format, int m, int n, int k, std::size_t workspace_bytes)
    : library_(&library), format_(format), workspace_bytes_(workspace_bytes) {
  expect(library.why_not().empty(), "cuBLASLt", library.why_not());
  const CublasLt::Functions& f = *library.functions_;
  const LtTypes types = types_of(format);
  const auto rows = static_cast<std::uint64_t>(n), cols = static_cast<std::uint64_t>(m), depth = static_cast<std::uint64_t>(k);
  cublasLtMatmulPreference_t preference = nullptr;
  try {
    check(f.product_create(&product_, types.compute, types.scale), "cublasLtMatmulDescCreate");
    const cublasOperation_t transposed = CUBLAS_OP_T;
    check(f.product_set(product_, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed), "TRANSA");
    check(f.layout_create(&w_, types.operand, depth, rows, k), "cublasLtMatrixLayoutCreate");
    check(f.layout_create(&x_, types.operand, depth, cols, k), "cublasLtMatrixLayoutCreate");
    check(f.layout_create(&y_, types.result, rows, cols, n), "cublasLtMatrixLayoutCreate");
    check(f.preference_create(&preference), "cublasLtMatmulPreferenceCreate");
    check(f.preference_set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes, sizeof workspace_bytes), "WORKSPACE");
    proposals_.resize(8);
    int found = 0;
    check(f.propose(library.handle_, product_, w_, x_, y_, y_, preference, static_cast<int>(proposals_.size()), proposals_.data(), &found),
          "cublasLtMatmulAlgoGetHeuristic");
    proposals_.resize(static_cast<std::size_t>(found));
    expect(found > 0, "cuBLASLt", "there is no algorithm for m = ", m, ", n = ", n, ", k = ", k);
  } catch (...) {
    if (preference != nullptr) (void)f.preference_destroy(preference);
    release();
    throw;
  }
  (void)f.preference_destroy(preference);
}

LtProduct::~LtProduct() { release(); }

void LtProduct::release() noexcept {
  const CublasLt::Functions& f = *library_->functions_;
  for (const cublasLtMatrixLayout_t layout : {w_, x_, y_})
    if (layout != nullptr) (void)f.layout_destroy(layout);
  if (product_ != nullptr) (void)f.product_destroy(product_);
}

void LtProduct::run(const LtOperands& o, void* workspace, cudaStream_t stream) const {
  const float one = 1, zero = 0;
  const int int_one = 1, int_zero = 0;
  const bool ints = format_ == LtFormat::int8;
  const void *const alpha = ints ? static_cast<const void*>(&int_one) : &one, *const beta =
                                                                                  ints ? static_cast<const void*>(&int_zero) : &zero;
  check(library_->functions_->matmul(library_->handle_, product_, alpha, o.w, w_, o.x, x_, beta, o.y, y_, o.y, y_,
                                     &proposals_[static_cast<std::size_t>(chosen_)].algo, workspace, workspace_bytes_, stream),
        "cublasLtMatmul");
}

}  // namespace vernier::bench
