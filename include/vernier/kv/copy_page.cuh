// Copies one page of a KV cache to another, in all layers and heads: what a sequence does before it writes to a page that others hold.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vernier/cuda/isa.cuh"
#include "vernier/cuda/vector.cuh"
#include "vernier/kv/layout.hpp"

namespace vernier::cuda {

/// A block copies one run; the grid is (layers * kv_heads). 2 * run_bytes move, once each, in 16-byte accesses.
struct CopyPage {
  struct Args {
    KvLayout layout;
    std::uint8_t* memory;
    int from, to;
  };
  static constexpr int threads = 128, shared_bytes = 0;

  __device__ static void run(const Args& args, unsigned char*) {
    const int heads = args.layout.geometry.kv_heads, row = static_cast<int>(blockIdx.x);
    const std::uint8_t* const from = args.memory + args.layout.run(row / heads, row % heads, args.from);
    std::uint8_t* const to = args.memory + args.layout.run(row / heads, row % heads, args.to);
    const int bytes = static_cast<int>(args.layout.run_bytes());  // a multiple of 64
    for (int at = 16 * static_cast<int>(threadIdx.x); at < bytes; at += 16 * threads)
      store_vector<std::uint8_t, 16>(to + at, load_vector<std::uint8_t, 16>(from + at));
  }
};

}  // namespace vernier::cuda
