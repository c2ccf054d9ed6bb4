// tensor_map(): host code that describes a tensor to the copy engine of sm_90. Not linked with the driver: its function is asked for when
// the first map is made, so that programs start without one.
#pragma once

#if defined(__CUDACC__)

#include <cuda.h>

#include "vernier/cuda/device.cuh"
#include "vernier/cuda/ptx_bulk_sm90.cuh"
#include "vernier/cuda/tensor.cuh"

namespace vernier::cuda {

/// The map of a tensor in the current device's memory, to be passed to a kernel by value. Throws Error if the driver is too old for tensor
/// maps, or refuses the shape.
inline TensorMap tensor_map(const Tensor& t) {
  constexpr std::string_view where = "vernier::cuda::tensor_map";
  check_tensor(t);
  static const auto encode = [where] {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult found{};
    check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &found), where);
    expect(found == cudaDriverEntryPointSuccess && function != nullptr, where,
           "the driver has no cuTensorMapEncodeTiled; it must be of CUDA 12");
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function);
  }();
  constexpr CUtensorMapDataType types[] = {CU_TENSOR_MAP_DATA_TYPE_UINT8, CU_TENSOR_MAP_DATA_TYPE_UINT16, CU_TENSOR_MAP_DATA_TYPE_UINT32};
  constexpr CUtensorMapSwizzle swizzles[] = {CU_TENSOR_MAP_SWIZZLE_NONE, CU_TENSOR_MAP_SWIZZLE_32B, CU_TENSOR_MAP_SWIZZLE_64B,
                                             CU_TENSOR_MAP_SWIZZLE_128B};
  cuuint64_t size[3], stride[2];
  cuuint32_t box[3];
  const cuuint32_t step[3] = {1, 1, 1};
  for (std::size_t d = 0; d < 3; ++d) {
    size[d] = static_cast<cuuint64_t>(t.size[d]);
    box[d] = static_cast<cuuint32_t>(t.box[d]);
  }
  for (std::size_t d = 0; d < 2; ++d) stride[d] = static_cast<cuuint64_t>(t.stride_bytes[d]);
  TensorMap map{};
  const CUresult result = encode(&map.bits, types[t.element_bytes / 2], static_cast<cuuint32_t>(t.rank()), const_cast<void*>(t.data), size,
                                 stride, box, step, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzles[static_cast<int>(t.swizzle)],
                                 CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  expect(result == CUDA_SUCCESS, where, "cuTensorMapEncodeTiled refuses the shape, CUresult ", static_cast<int>(result));
  return map;
}

}  // namespace vernier::cuda

#else
#include "simt/tensor_map.hpp"  // the emulator's, on the include path as isa.cuh says
#endif
