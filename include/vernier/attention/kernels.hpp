// Which micro-kernel serves a precision on an instruction set. A lookup; the kernels are in cpu_*.hpp. Compiling all of them takes
// seconds; a program of several translation units includes precompiled.hpp and pays once.
#pragma once

#include "vernier/attention/cpu_avx2.hpp"
#include "vernier/attention/cpu_avx2_prepare.hpp"
#include "vernier/attention/cpu_avx512.hpp"
#include "vernier/attention/cpu_avx512_prepare.hpp"
#include "vernier/attention/cpu_scalar.hpp"
#include "vernier/attention/tile.hpp"
#include "vernier/cpu/features.hpp"
#include "vernier/types/type_of.hpp"

namespace vernier {

/// The kernels of one instruction set.
template <cpu::Isa I>
struct IsaAttention {
  static AttentionKernel kernel(Precision p);
};

// Outside the class, hence not inline: an `extern template` then keeps the kernels out of a translation unit.
template <cpu::Isa I>
AttentionKernel IsaAttention<I>::kernel(Precision p) {
  return visit_precision(p, []<Precision P>() -> AttentionKernel {
    if constexpr (!is_kv_precision(P))
      fail("vernier::attention", name(P), " is no KV precision, expected f16, bf16, i8, e4m3 or e5m2");
#if defined(__x86_64__)
    else if constexpr (I == cpu::Isa::avx512 && P == Precision::i8)
      return {cpu::avx512::attention_tile<P>, cpu::avx512::prepare_int16};
    else if constexpr (I == cpu::Isa::avx512 && has_kv_scale(P))
      return cpu::features().avx512_bf16 ? AttentionKernel{cpu::avx512::attention_tile<P>, cpu::avx512::prepare_bf16}
                                         : IsaAttention<cpu::Isa::avx2>::kernel(P);
    else if constexpr (I == cpu::Isa::avx512)
      return {cpu::avx512::attention_tile<P>};
    else if constexpr (I == cpu::Isa::avx2 && P == Precision::i8)
      return {cpu::avx2::attention_tile<P>, cpu::avx2::prepare_int16};
    else if constexpr (I == cpu::Isa::avx2 && has_kv_scale(P))
      return {cpu::avx2::attention_tile<P>, cpu::avx2::prepare_lifted};
    else if constexpr (I == cpu::Isa::avx2)
      return {cpu::avx2::attention_tile<P>};
#endif
    else
      return {cpu::scalar::attention_tile<P>};
  });
}

/// The kernel for codes of p. Throws Error when p is no KV precision. The machine must have `isa`; see cpu::selected_isa().
inline AttentionKernel attention_kernel(cpu::Isa isa, Precision p) {
  switch (isa) {
    case cpu::Isa::avx512: return IsaAttention<cpu::Isa::avx512>::kernel(p);
    case cpu::Isa::avx2: return IsaAttention<cpu::Isa::avx2>::kernel(p);
    case cpu::Isa::scalar: break;
  }
  return IsaAttention<cpu::Isa::scalar>::kernel(p);
}

}  // namespace vernier
