// Kernels by name, for check_kernels.cmake: what ptxas says of each is compared with registers.txt.
#include "vernier/cuda/launch.cuh"
#include "vernier/gemm/sm80.cuh"

namespace vernier::cuda {

template <Arch A>
struct gemm_f16_64x64 : GemmSm80<GemmConfig{.arch = A}, f16> {};
template <Arch A>
struct gemm_f16_128x128_bias : GemmSm80<GemmConfig{.arch = A, .tile_m = 128, .tile_n = 128, .warp_m = 64, .warp_n = 64}, f16, AddBias> {};
template <Arch A>
struct gemm_bf16_128x64_residual
    : GemmSm80<GemmConfig{.arch = A, .tile_m = 128, .tile_k = 64, .warp_m = 64, .stages = 4}, bf16, Then<AddBias, AddResidual>> {};

template <template <Arch> class K>
void use() {
  (void)kernel<K<Arch::sm80>>;
  (void)kernel<K<Arch::sm89>>;
  (void)kernel<K<Arch::sm90a>>;
}
template void use<gemm_f16_64x64>();
template void use<gemm_f16_128x128_bias>();
template void use<gemm_bf16_128x64_residual>();

}  // namespace vernier::cuda
