// GEMM kernels by name, for check_kernels.
#include "cuda/kernels.cuh"
#include "vernier/gemm/mma_gemm.cuh"
#include "vernier/router/table_cuda.hpp"

namespace vernier::cuda {

/// The kernels of the table for f16 and nf4, and others that differ from them in registers.
template <Arch A, Precision P, int Part, int M>
inline constexpr MmaConfig routed =
    DefaultMmaTable::rules[select<DefaultMmaTable>(MmaKey{A, P, P == Precision::bf16 ? P : Precision::f16, Part}, M)].config;
template <Arch A>
struct gemm_f16_few : MmaGemm<routed<A, Precision::f16, 0, 8>, float> {};
template <Arch A>
struct gemm_f16_some : MmaGemm<routed<A, Precision::f16, 0, 32>, float> {};
template <Arch A>
struct gemm_f16_many : MmaGemm<routed<A, Precision::f16, 0, 64>, float> {};
template <Arch A>
struct gemm_bf16_many : MmaGemm<routed<A, Precision::bf16, 0, 64>, float, Then<AddBias, AddResidual>> {};
template <Arch A>
struct gemm_nf4_few : MmaGemm<routed<A, Precision::nf4, 64, 8>, float> {};
template <Arch A>
struct gemm_nf4_some : MmaGemm<routed<A, Precision::nf4, 64, 32>, float> {};
template <Arch A>
struct gemm_nf4_many : MmaGemm<routed<A, Precision::nf4, 64, 64>, f16> {};
template <Arch A>
struct gemm_nf4_gated : MmaGemm<routed<A, Precision::nf4, 64, 8>, f16, SwiGlu> {};
template <MmaConfig C>
constexpr MmaConfig exact() {
  MmaConfig c = C;
  c.exact_nf4 = true;
  return c;
}
template <Arch A>
struct gemm_nf4_exact : MmaGemm<exact<routed<A, Precision::nf4, 64, 8>>(), float> {};
template <Arch A>
struct gemm_nf4_exact_many : MmaGemm<exact<routed<A, Precision::nf4, 64, 64>>(), float> {};

template void use<gemm_f16_few>();
template void use<gemm_f16_some>();
template void use<gemm_f16_many>();
template void use<gemm_bf16_many>();
template void use<gemm_nf4_few>();
template void use<gemm_nf4_some>();
template void use<gemm_nf4_many>();
template void use<gemm_nf4_gated>();
template void use<gemm_nf4_exact>();
template void use<gemm_nf4_exact_many>();

}  // namespace vernier::cuda
