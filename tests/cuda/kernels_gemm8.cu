// GEMM kernels of 8-bit weights by name, for check_kernels.
#include "cuda/kernels.cuh"
#include "vernier/gemm/mma_gemm.cuh"
#include "vernier/router/table_cuda.hpp"

namespace vernier::cuda {

/// The table's kernel for weights of P in parts of `Part` columns, multiplied as f16 or as P itself, of M tokens.
template <MmaKey Key, int M>
inline constexpr MmaConfig routed = DefaultMmaTable::rules[select<DefaultMmaTable>(Key, M)].config;
template <Arch A, Precision P, int Part, int M>
using Decoded = MmaGemm<routed<MmaKey{A, P, Precision::f16, Part}, M>, float>;
template <Arch A, Precision P, int Part, int M>
using AsItIs = MmaGemm<routed<MmaKey{A, P, P, Part}, M>, float>;

template <Arch A>
struct gemm8_i8_few : Decoded<A, Precision::i8, 0, 8> {};
template <Arch A>
struct gemm8_i8_few_by_32 : Decoded<A, Precision::i8, 32, 8> {};
template <Arch A>
struct gemm8_i8_many : Decoded<A, Precision::i8, 0, 64> {};
template <Arch A>
struct gemm8_e4m3_few : Decoded<A, Precision::e4m3, 0, 8> {};
template <Arch A>
struct gemm8_e4m3_many_blocks : Decoded<A, Precision::e4m3, 64, 64> {};
template <Arch A>
struct gemm8_e5m2_some : Decoded<A, Precision::e5m2, 0, 32> {};
template <Arch A>
struct gemm8_i8_i8_few : AsItIs<A, Precision::i8, 0, 8> {};
template <Arch A>
struct gemm8_i8_i8_many : AsItIs<A, Precision::i8, 0, 64> {};
template <Arch A>
struct gemm8_i8_i8_many_by_64 : AsItIs<A, Precision::i8, 64, 64> {};
template <Arch A>
struct gemm8_i8_i8_codes : MmaGemm<routed<MmaKey{A, Precision::i8, Precision::i8, 0}, 8>, i8, Then<AddBias, InUnits>> {};
template <Arch A>
struct gemm8_e4m3_e4m3_few : AsItIs<A, Precision::e4m3, 0, 8> {};
template <Arch A>
struct gemm8_e4m3_e4m3_many : AsItIs<A, Precision::e4m3, 0, 64> {};

template void use<gemm8_i8_few>();
template void use<gemm8_i8_few_by_32>();
template void use<gemm8_i8_many>();
template void use<gemm8_e4m3_few>();
template void use<gemm8_e4m3_many_blocks>();
template void use<gemm8_e5m2_some>();
template void use<gemm8_i8_i8_few>();
template void use<gemm8_i8_i8_many>();
template void use<gemm8_i8_i8_many_by_64>();
template void use<gemm8_i8_i8_codes>();
template void use_on<gemm8_e4m3_e4m3_few, Arch::sm89, Arch::sm90a>();
template void use_on<gemm8_e4m3_e4m3_many, Arch::sm89, Arch::sm90a>();

}  // namespace vernier::cuda
