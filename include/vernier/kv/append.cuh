// Writing to the KV cache of a CUDA device: the entry. The kernel is in append_sm80.cuh; what is correct is vernier::append (append.hpp).
#pragma once

#include <cstdint>

#include "vernier/core/error.hpp"
#include "vernier/core/math.hpp"
#include "vernier/cuda/on_arch.cuh"
#include "vernier/kv/append_sm80.cuh"
#include "vernier/kv/cache.cuh"

namespace vernier::cuda {

namespace detail {

inline void expect_append(const AppendArgs& a) {
  constexpr const char* where = "vernier::cuda::append";
  using namespace vernier::detail;
  const KvGeometry& g = a.layout.geometry;
  expect(a.layer >= 0 && a.layer < g.layers, where, "layer = ", a.layer, ", the cache has ", g.layers);
  for (const auto* x : {&a.k, &a.v})
    expect(x->rows == a.k.rows && x->cols == g.kv_heads * g.head_dim, where, x == &a.k ? "k" : "v", " is (", x->rows, ", ", x->cols,
           "), expected (rows, kv_heads * head_dim) = (", a.k.rows, ", ", g.kv_heads * g.head_dim, ")");
  expect(a.q.cols % g.head_dim == 0 && (a.q.cols == 0 || a.q.rows == a.k.rows), where, "q is (", a.q.rows, ", ", a.q.cols,
         "), expected (rows, a multiple of head_dim) = (", a.k.rows, ", n * ", g.head_dim, ")");
  expect(a.rotary.half >= 0 && a.rotary.half % 4 == 0 && 2 * a.rotary.half <= g.head_dim, where, "the rotary table has ", a.rotary.half,
         " angles a position, expected a multiple of 4 up to head_dim / 2 = ", g.head_dim / 2);
  const auto aligned = [](const float* p, std::ptrdiff_t stride) {
    return reinterpret_cast<std::uintptr_t>(p) % 16 == 0 && stride % 4 == 0;
  };
  expect(aligned(a.q.data, a.q.stride) && aligned(a.k.data, a.k.stride) && aligned(a.v.data, a.v.stride) &&
             aligned(a.rotary.cos, a.rotary.stride) && aligned(a.rotary.sin, a.rotary.stride),
         where, "rows of q, k, v and of the rotary table must be 16-byte aligned");
}

}  // namespace detail

/// Turns queries and keys to their positions, in place and on the way, and writes the keys and values of a batch to one layer.
/// q: (rows, heads * head_dim), or without columns; k, v: (rows, kv_heads * head_dim), all on the device and 16-byte aligned; `rows` is
/// what the launch is made for, and the batch says how many there are. rotary: a view of a table on the device, of 'halves'. Codes and
/// scales of finite k and v are those of vernier::append, to the bit. Neither allocates nor waits. Throws Error, and launches nothing,
/// where shapes disagree; what is wrong with a batch KvBatchTables::fill has said.
inline void append(const KvCache& cache, int layer, const KvBatchView& batch, MatrixView<float> q, MatrixView<const float> k,
                   MatrixView<const float> v, const RotaryView& rotary, Stream stream) {
  const AppendArgs args{cache.layout(), cache.memory(), layer, batch, q, k, v, rotary};
  detail::expect_append(args);
  const KvGeometry& g = cache.geometry();
  if (k.rows == 0) return;
  const Grid grid{static_cast<unsigned>(k.rows), static_cast<unsigned>(ceil_div(q.cols / g.head_dim + 2 * g.kv_heads, 4))};
  visit_precision(cache.config().precision, [&]<Precision P>() {
    if constexpr (is_kv_precision(P)) launch_on<Append<P>>(cache.arch(), grid, args, stream);  // KvCache has refused the others
  });
}

}  // namespace vernier::cuda
