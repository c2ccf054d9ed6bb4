// From an architecture that is known at run time to one that is known at compile time.
#pragma once

#include "vernier/policy/arch.hpp"

namespace vernier::bench {

/// use.template operator()<A>() for the CUDA architecture A that `arch` is.
template <class Use>
decltype(auto) visit_arch(Arch arch, Use&& use) {
  switch (arch) {
    case Arch::sm80: return use.template operator()<Arch::sm80>();
    case Arch::sm89: return use.template operator()<Arch::sm89>();
    default: return use.template operator()<Arch::sm90a>();
  }
}

}  // namespace vernier::bench
