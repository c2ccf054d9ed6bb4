// Which micro-kernel serves a precision on an instruction set. Data and a lookup; the kernels are in cpu_*.hpp.
#pragma once

#include "vernier/attention/cpu_avx2.hpp"
#include "vernier/attention/cpu_avx512.hpp"
#include "vernier/attention/cpu_scalar.hpp"
#include "vernier/attention/tile.hpp"
#include "vernier/cpu/features.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier {

/// The tile kernel for codes of p. Throws Error when p is no KV precision. The machine must have `isa`; see cpu::selected_isa().
inline TileKernel attention_kernel(cpu::Isa isa, Precision p) {
  return visit_precision(p, [isa]<Precision P>() -> TileKernel {
    if constexpr (is_kv_precision(P)) {
#if defined(__x86_64__)
      if (isa == cpu::Isa::avx2) return cpu::avx2::attention_tile<P>;
      if (isa == cpu::Isa::avx512) return cpu::avx512::attention_tile<P>;
#endif
      return cpu::scalar::attention_tile<P>;
    } else {
      fail("vernier::attention_kernel", name(P), " is no KV precision, expected f16, bf16, i8, e4m3 or e5m2");
    }
  });
}

}  // namespace vernier
