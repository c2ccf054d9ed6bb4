// A kernel that reads one float behind its shared memory: ASan reports it, since the block got exactly what it asked for.
#include "simt/launch.hpp"

int main() {
  float out[64] = {};
  simt::run({.grid = {}, .block = 64, .shared_bytes = 64 * sizeof(float)}, {}, [&](unsigned char* raw) {
    auto* shared = reinterpret_cast<float*>(raw);
    shared[threadIdx.x] = 1.0f;
    __syncthreads();
    out[threadIdx.x] = shared[threadIdx.x + 1];
  });
}
