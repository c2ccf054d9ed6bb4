// The kernels of ops/ by name, for check_kernels: what ptxas says of each is compared with registers.txt.
#include "cuda/kernels.cuh"
#include "vernier/ops/elementwise.cuh"
#include "vernier/ops/quantize_rows.cuh"
#include "vernier/ops/sample.cuh"

namespace vernier::cuda {

template <Arch A>
struct ops_norm_f16 : RowBlock<RowConfig{.arch = A, .norm = true}, AddedRows, MatrixView<f16>> {};
template <Arch A>
struct ops_norm_i8 : RowBlock<RowConfig{.arch = A, .threads = 512, .norm = true}, AddedRows, QuantizedRows<i8>> {};
template <Arch A>
struct ops_norm_e4m3_widest : RowBlock<RowConfig{.arch = A, .threads = 512, .chunks = 8, .norm = true}, AddedRows, QuantizedRows<e4m3>> {};
template <Arch A>
struct ops_swiglu_i8_widest : RowBlock<RowConfig{.arch = A, .threads = 512, .chunks = 8}, SwigluRows, QuantizedRows<i8>> {};
template <Arch A>
struct ops_swiglu_bf16 : MapRows<A, SwigluRows, bf16> {};
template <Arch A>
struct ops_gather_f16 : MapRows<A, TableRows<f16>, float> {};
template <Arch A>
struct ops_gather_nf4 : MapRows<A, PackedRows<Precision::nf4>, float> {};
template <Arch A>
struct ops_norm_heads : NormHeads<A> {};

template <Arch A>
struct ops_sample_best : SampleBest<SampleConfig{.arch = A}> {};
template <Arch A>
struct ops_sample_buckets : SampleBuckets<SampleConfig{.arch = A}> {};
template <Arch A>
struct ops_sample_draw : SampleDraw<SampleConfig{.arch = A}> {};

template void use<ops_norm_f16>();
template void use<ops_norm_i8>();
template void use<ops_norm_e4m3_widest>();
template void use<ops_swiglu_i8_widest>();
template void use<ops_swiglu_bf16>();
template void use<ops_gather_f16>();
template void use<ops_gather_nf4>();
template void use<ops_norm_heads>();
template void use<ops_sample_best>();
template void use<ops_sample_buckets>();
template void use<ops_sample_draw>();

}  // namespace vernier::cuda
