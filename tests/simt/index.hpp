// uint3 and dim3: CUDA's own where its headers are there, so that a kernel may include those as well.
#pragma once

#if __has_include(<vector_types.h>)
#include <vector_types.h>
#else
struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
#endif
