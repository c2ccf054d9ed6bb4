// A kernel without the __syncthreads() that it needs: under TSan, and in no other way for certain, this is a report.
#include "simt/launch.hpp"

int main() {
  float out[64] = {};
  simt::run({.grid = {}, .block = 64, .shared_bytes = 64 * sizeof(float)}, {}, [&](unsigned char* raw) {
    auto* shared = reinterpret_cast<float*>(raw);
    shared[threadIdx.x] = 1.0f;
    __syncwarp();
    out[threadIdx.x] = shared[63 - threadIdx.x];
  });
}
