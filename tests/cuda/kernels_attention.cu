// Attention kernels by name, for check_kernels.
#include "cuda/kernels.cuh"
#include "vernier/attention/block_sm80.cuh"
#include "vernier/attention/merge_sm80.cuh"
#include "vernier/cuda/on_arch.cuh"

namespace vernier::cuda {

template <Precision P, int HeadDim, int Warps>
using AttentionBody = AttentionSm80<AttentionConfig{.precision = P, .head_dim = HeadDim, .warps = Warps, .stages = Warps == 1 ? 3 : 2}>;

template <Arch A>
struct attention_decode_f16_128 : OnArch<A, AttentionBody<Precision::f16, 128, 1>> {};
template <Arch A>
struct attention_decode_i8_128 : OnArch<A, AttentionBody<Precision::i8, 128, 1>> {};
template <Arch A>
struct attention_decode_e4m3_128 : OnArch<A, AttentionBody<Precision::e4m3, 128, 1>> {};
template <Arch A>
struct attention_decode_e5m2_80 : OnArch<A, AttentionBody<Precision::e5m2, 80, 1>> {};
template <Arch A>
struct attention_prefill_bf16_128 : OnArch<A, AttentionBody<Precision::bf16, 128, 4>> {};
template <Arch A>
struct attention_prefill_e4m3_128 : OnArch<A, AttentionBody<Precision::e4m3, 128, 4>> {};
template <Arch A>
struct attention_prefill_i8_64 : OnArch<A, AttentionBody<Precision::i8, 64, 4>> {};
template <Arch A>
struct attention_merge : OnArch<A, MergeStates> {};

template void use<attention_decode_f16_128>();
template void use<attention_decode_i8_128>();
template void use<attention_decode_e4m3_128>();
template void use<attention_decode_e5m2_80>();
template void use<attention_prefill_bf16_128>();
template void use<attention_prefill_e4m3_128>();
template void use<attention_prefill_i8_64>();
template void use<attention_merge>();

}  // namespace vernier::cuda
