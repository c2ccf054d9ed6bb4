// GEMM kernels by name, for check_kernels.
#include "cuda/kernels.cuh"
#include "vernier/gemm/sm80.cuh"

namespace vernier::cuda {

template <Arch A>
struct gemm_f16_64x64 : GemmSm80<GemmConfig{.arch = A}, f16> {};
template <Arch A>
struct gemm_f16_128x128_bias : GemmSm80<GemmConfig{.arch = A, .tile_m = 128, .tile_n = 128, .warp_m = 64, .warp_n = 64}, f16, AddBias> {};
template <Arch A>
struct gemm_bf16_128x64_residual
    : GemmSm80<GemmConfig{.arch = A, .tile_m = 128, .tile_k = 64, .warp_m = 64, .stages = 4}, bf16, Then<AddBias, AddResidual>> {};

template void use<gemm_f16_64x64>();
template void use<gemm_f16_128x128_bias>();
template void use<gemm_bf16_128x64_residual>();

}  // namespace vernier::cuda
