// Kernels of the KV cache by name, for check_kernels.
#include "cuda/kernels.cuh"
#include "vernier/cuda/on_arch.cuh"
#include "vernier/kv/append_sm80.cuh"
#include "vernier/kv/copy_page.cuh"

namespace vernier::cuda {

template <Arch A>
struct kv_append_f16 : OnArch<A, Append<Precision::f16>> {};
template <Arch A>
struct kv_append_i8 : OnArch<A, Append<Precision::i8>> {};
template <Arch A>
struct kv_append_e4m3 : OnArch<A, Append<Precision::e4m3>> {};
template <Arch A>
struct kv_copy_page : OnArch<A, CopyPage> {};

template void use<kv_append_f16>();
template void use<kv_append_i8>();
template void use<kv_append_e4m3>();
template void use<kv_copy_page>();

}  // namespace vernier::cuda
