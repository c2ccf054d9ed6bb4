// Several elements that are loaded and stored together.
#pragma once

#include "vernier/cuda/isa.cuh"  // for __device__ on the emulator

namespace vernier::cuda {

/// N neighbours: read or written through a pointer to it, one access of up to 16 bytes, which must be aligned to its size.
template <class T, int N>
struct alignas(sizeof(T) * N) Vector {
  T at[N];
};

template <class T, int N>
__device__ __forceinline__ Vector<T, N> load_vector(const T* from) {
  return *reinterpret_cast<const Vector<T, N>*>(from);
}
template <class T, int N>
__device__ __forceinline__ void store_vector(T* to, const Vector<T, N>& value) {
  *reinterpret_cast<Vector<T, N>*>(to) = value;
}

}  // namespace vernier::cuda
