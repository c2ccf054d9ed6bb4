// Which micro-kernel serves a precision on an instruction set. Data and a lookup; the kernels are in cpu_*.hpp.
#pragma once

#include "vernier/attention/cpu_scalar.hpp"
#include "vernier/attention/tile.hpp"
#include "vernier/cpu/features.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier {

/// The tile kernel for codes of p. Throws Error when p is no KV precision.
inline TileKernel attention_kernel(cpu::Isa, Precision p) {
  return visit_precision(p, []<Precision P>() -> TileKernel {
    if constexpr (is_kv_precision(P))
      return cpu::scalar::attention_tile<P>;
    else
      fail("vernier::attention_kernel", name(P), " is no KV precision, expected f16, bf16, i8, e4m3 or e5m2");
  });
}

}  // namespace vernier
