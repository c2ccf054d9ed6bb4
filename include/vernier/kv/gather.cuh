// The keys or values of one sequence as plain floats, for tests and tools: what the cache's codes stand for.
#pragma once

#include <cstdint>

#include "vernier/core/error.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/cuda/on_arch.cuh"
#include "vernier/kv/cache.cuh"
#include "vernier/types/type_of.hpp"

namespace vernier::cuda {

struct GatherArgs {
  KvLayout layout;
  const std::uint8_t* memory;
  int layer, head;
  bool values;
  const int* pages;       // the sequence's, in device memory
  MatrixView<float> out;  // (tokens, head_dim)
};

/// A block per token.
template <Precision P>
struct Gather {
  using Args = GatherArgs;
  static constexpr int threads = 32, shared_bytes = 0;

  __device__ static void run(const Args& args, unsigned char*) {
    const int position = static_cast<int>(blockIdx.x), tokens = args.layout.config.page_tokens, slot = position % tokens;
    const ConstKvRun run = args.layout.run_in(args.memory, args.layer, args.head, args.pages[position / tokens]);
    const auto* const row = reinterpret_cast<const CodeOf<P>*>(args.values ? run.values : run.keys) + slot * args.out.cols;
    float scale = 1;
    if constexpr (has_kv_scale(P)) scale = (args.values ? run.value_scales : run.key_scales)[slot];
    for (int d = static_cast<int>(threadIdx.x); d < args.out.cols; d += threads)
      args.out(position, d) = TypeOf<P>{static_cast<decltype(TypeOf<P>::bits)>(row[d])}.decode() * scale;
  }
};

/// out = the first out.rows keys, or values, of one head of a sequence. pages: its page table, on the device; out: (tokens, head_dim), on
/// the device. Throws Error where shapes disagree.
inline void gather(const KvCache& cache, int layer, int head, bool values, const int* pages, MatrixView<float> out, Stream stream) {
  constexpr const char* where = "vernier::cuda::gather";
  const KvGeometry& g = cache.geometry();
  expect(layer >= 0 && layer < g.layers && head >= 0 && head < g.kv_heads, where, "layer ", layer, ", head ", head, ": the cache has ",
         g.layers, " and ", g.kv_heads);
  expect(out.cols == g.head_dim, where, "out has ", out.cols, " columns, expected head_dim = ", g.head_dim);
  if (out.rows == 0) return;
  visit_precision(cache.config().precision, [&]<Precision P>() {
    if constexpr (is_kv_precision(P))
      launch_on<Gather<P>>(cache.arch(), {static_cast<unsigned>(out.rows)},
                           {cache.layout(), cache.memory(), layer, head, values, pages, out}, stream);
  });
}

}  // namespace vernier::cuda
