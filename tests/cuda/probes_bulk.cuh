// Probes of the copy engine of sm_90: bulk copies, tensor copies of one to three dimensions with every swizzle, and their barriers.
#pragma once

#include "cuda/probe.hpp"
#include "vernier/cuda/tensor_map.cuh"

namespace vernier::probes {

struct BulkArgs {
  const std::uint8_t* in;
  std::uint8_t* out;
};

/// Brings 2 KiB in as two copies on one barrier, twice, and stores them in reverse order.
template <Arch A>
struct BulkCopies {
  using Args = BulkArgs;
  static constexpr Arch arch = A;
  static constexpr int threads = 64, shared_bytes = 2048 + 8;
  __device__ static void run(const Args& args, unsigned char* raw) {
    auto* barrier = reinterpret_cast<std::uint64_t*>(raw + 2048);
    if (threadIdx.x == 0) {
      cuda::mbarrier_init(barrier, 1);
      cuda::fence_mbarrier_init();
    }
    __syncthreads();
    for (unsigned round = 0; round < 2; ++round) {
      if (threadIdx.x == 0) {
        cuda::mbarrier_arrive_expect_tx(barrier, 2048);
        cuda::bulk_load(raw, args.in + 2048 * round, 1536, barrier);
        cuda::bulk_load(raw + 1536, args.in + 2048 * round + 1536, 512, barrier);
      }
      cuda::mbarrier_try_wait_parity(barrier, round % 2);
      for (unsigned i = threadIdx.x; i < 2048; i += threads) raw[i] = static_cast<unsigned char>(raw[i] + 1);
      cuda::fence_proxy_async();
      __syncthreads();
      if (threadIdx.x == 0) {
        cuda::bulk_store(args.out + 2048 * (1 - round), raw, 1024);
        cuda::bulk_commit();
        cuda::bulk_store(args.out + 2048 * (1 - round) + 1024, raw + 1024, 1024);
        cuda::bulk_commit();
        cuda::bulk_wait<0>();
      }
      __syncthreads();
    }
  }
};

template <class Machine>
Outcome probe_bulk_copies(Machine& machine) {
  Outcome outcome{.name = "cp.async.bulk, mbarrier.expect_tx"};
  std::vector<std::uint8_t> in(4096), out(4096);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::uint8_t>(scramble(static_cast<std::uint32_t>(i)));
  machine.template launch<BulkCopies, Arch::sm90a>({}, BulkArgs{machine.array(in), machine.array(out)});
  for (std::size_t i = 0; i < in.size(); ++i)
    outcome.expect_equal(static_cast<std::uint8_t>(in[i] + 1), out[(i + 2048) % 4096], "byte " + std::to_string(i));
  return outcome;
}

constexpr int tensor_bytes = 8 << 10;  // at most, of a box

struct TensorArgs {
  cuda::TensorMap from, to;
  std::uint8_t* image;  // of shared memory
  int x, y, z, rank, bytes;
  bool store;
};

/// Loads one box and copies shared memory out as it is; then, if asked to, stores the box into another tensor.
template <Arch A>
struct TensorCopies {
  using Args = TensorArgs;
  static constexpr Arch arch = A;
  static constexpr int threads = 32, shared_bytes = tensor_bytes + 8;
  __device__ static void run(const Args& args, unsigned char* raw) {
    auto* barrier = reinterpret_cast<std::uint64_t*>(raw + tensor_bytes);
    if (threadIdx.x == 0) {
      cuda::mbarrier_init(barrier, 1);
      cuda::fence_mbarrier_init();
      cuda::mbarrier_arrive_expect_tx(barrier, args.bytes);
      if (args.rank == 1) cuda::tensor_load(raw, args.from, barrier, args.x);
      if (args.rank == 2) cuda::tensor_load(raw, args.from, barrier, args.x, args.y);
      if (args.rank == 3) cuda::tensor_load(raw, args.from, barrier, args.x, args.y, args.z);
    }
    __syncwarp();
    cuda::mbarrier_try_wait_parity(barrier, 0);
    for (int i = static_cast<int>(threadIdx.x); i < args.bytes; i += threads) args.image[i] = raw[i];
    cuda::fence_proxy_async();
    __syncwarp();
    if (args.store && threadIdx.x == 0) {
      if (args.rank == 1) cuda::tensor_store(args.to, raw, args.x);
      if (args.rank == 2) cuda::tensor_store(args.to, raw, args.x, args.y);
      if (args.rank == 3) cuda::tensor_store(args.to, raw, args.x, args.y, args.z);
      cuda::bulk_commit();
      cuda::bulk_wait<0>();
    }
  }
};

/// The 16-byte chunk of a row in which chunk `chunk` of row `row` lies: chunks are exchanged by 128-byte line, of which a row of 32 or 64
/// bytes is a part. From the figures of the CUDA programming guide's section on swizzling.
inline int swizzled_chunk(cuda::Swizzle swizzle, int row, int chunk) {
  switch (swizzle) {
    case cuda::Swizzle::none: return chunk;
    case cuda::Swizzle::b32: return chunk ^ row / 4 % 2;
    case cuda::Swizzle::b64: return chunk ^ row / 2 % 4;
    case cuda::Swizzle::b128: return chunk ^ row % 8;
  }
  return chunk;
}

/// 16-bit elements whose value is their index; the box begins outside the tensor, or ends there.
template <class Machine>
Outcome probe_tensor(Machine& machine, const char* name, cuda::Tensor tensor, std::array<int, 3> start, bool store = false) {
  Outcome outcome{.name = name};
  const int count = tensor.size[0] * tensor.size[1] * tensor.size[2];
  std::vector<std::uint16_t> in(static_cast<std::size_t>(count)), out(in.size());
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::uint16_t>(i + 1);
  const int bytes = tensor.box[0] * tensor.box[1] * tensor.box[2] * 2;
  std::vector<std::uint8_t> image(static_cast<std::size_t>(bytes));
  tensor.stride_bytes = {2 * tensor.size[0], 2 * tensor.size[0] * tensor.size[1]};
  TensorArgs args{};
  tensor.data = machine.array(in);
  args.from = cuda::tensor_map(tensor);
  tensor.data = machine.array(out);
  args.to = cuda::tensor_map(tensor);
  args.image = machine.array(image);
  args.x = start[0], args.y = start[1], args.z = start[2], args.rank = tensor.rank(), args.bytes = bytes, args.store = store;
  machine.template launch<TensorCopies, Arch::sm90a>({}, args);

  std::vector<std::uint16_t> stored(out.size());
  const int row_bytes = 2 * tensor.box[0];
  for (int z = 0; z < tensor.box[2]; ++z)
    for (int y = 0; y < tensor.box[1]; ++y)
      for (int x = 0; x < tensor.box[0]; ++x) {
        const int at[3] = {start[0] + x, start[1] + y, start[2] + z};
        bool inside = true;
        for (std::size_t d = 0; d < 3; ++d) inside = inside && at[d] >= 0 && at[d] < tensor.size[d];
        const int index = (at[2] * tensor.size[1] + at[1]) * tensor.size[0] + at[0];
        const int row = z * tensor.box[1] + y, chunk = swizzled_chunk(tensor.swizzle, row, 2 * x / 16);
        const auto byte = static_cast<std::size_t>(row * row_bytes + 16 * chunk + 2 * x % 16);
        outcome.expect_equal(inside ? index + 1 : 0, image[byte] | image[byte + 1] << 8,
                             "(" + std::to_string(x) + "," + std::to_string(y) + "," + std::to_string(z) + ")");
        if (inside && store) stored[static_cast<std::size_t>(index)] = static_cast<std::uint16_t>(index + 1);
      }
  for (std::size_t i = 0; i < out.size(); ++i) outcome.expect_equal(stored[i], out[i], "stored element " + std::to_string(i));
  return outcome;
}

template <class Machine>
void probe_bulk(Machine& machine, std::vector<Outcome>& outcomes) {
  using cuda::Swizzle;
  if (machine.arch() < Arch::sm90a) return;
  outcomes.push_back(probe_bulk_copies(machine));
  outcomes.push_back(probe_tensor(machine, "cp.async.bulk.tensor.1d", {.size = {200, 1, 1}, .box = {64, 1, 1}}, {160, 0, 0}, true));
  outcomes.push_back(probe_tensor(machine, "cp.async.bulk.tensor.2d", {.size = {96, 40, 1}, .box = {64, 32, 1}}, {-8, 20, 0}, true));
  outcomes.push_back(probe_tensor(machine, "cp.async.bulk.tensor.2d, swizzle 32",
                                  {.size = {96, 40, 1}, .box = {16, 32, 1}, .swizzle = Swizzle::b32}, {90, -3, 0}, true));
  outcomes.push_back(probe_tensor(machine, "cp.async.bulk.tensor.2d, swizzle 64",
                                  {.size = {96, 40, 1}, .box = {32, 32, 1}, .swizzle = Swizzle::b64}, {16, 8, 0}, true));
  outcomes.push_back(probe_tensor(machine, "cp.async.bulk.tensor.2d, swizzle 128",
                                  {.size = {96, 40, 1}, .box = {64, 32, 1}, .swizzle = Swizzle::b128}, {40, 20, 0}, true));
  outcomes.push_back(probe_tensor(machine, "cp.async.bulk.tensor.3d, swizzle 128",
                                  {.size = {64, 10, 5}, .box = {64, 8, 4}, .swizzle = Swizzle::b128}, {0, 4, 3}, true));
}

}  // namespace vernier::probes
