// Device memory, streams and graphs, on the emulated device: what owners promise, and what the emulator would catch of those who use them.
#include "vernier/cuda/memory.cuh"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "vernier/cuda/graph.cuh"
#include "vernier/cuda/launch.cuh"
#include "vernier/cuda/stream.cuh"

namespace vernier::cuda {
namespace {

/// y[i] = a * x[i] + y[i], one element a thread.
struct Axpy {
  struct Args {
    const float *a, *x;
    float* y;
    int n;
  };
  static constexpr Arch arch = Arch::sm80;
  static constexpr int threads = 32, shared_bytes = 0;
  static void run(const Args& args, unsigned char*) {
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < args.n) args.y[i] += *args.a * args.x[i];
  }
};

struct Problem {
  static constexpr int n = 70;
  PinnedBuffer<float> host_a{1}, host_x{n}, host_y{n};
  DeviceBuffer<float> a{1}, x{n}, y{n};
  OwnedStream stream;

  Problem() {
    *host_a.data() = 2;
    std::iota(host_x.data(), host_x.data() + n, 0.0f);
  }
  static std::span<const float> all(const PinnedBuffer<float>& buffer) { return {buffer.data(), buffer.size()}; }
  void send() {
    upload(all(host_a), a.data(), stream);
    upload(all(host_x), x.data(), stream);
    runtime::fill(y.data(), 0, y.size_bytes(), stream);
  }
  void compute() { launch<Axpy>({3}, {a.data(), x.data(), y.data(), n}, stream); }
  void receive() { download(y.data(), std::span<float>(host_y.data(), n), stream); }
};

TEST(Memory, ArrivesAndComesBackInTheOrderOfTheStream) {
  Problem p;
  p.send();
  p.compute();
  p.receive();
  EXPECT_TRUE(std::isnan(p.host_y.data()[5])) << "nothing runs before somebody waits";
  p.stream.synchronize();
  for (int i = 0; i < Problem::n; ++i) ASSERT_EQ(p.host_y.data()[i], 2.0f * static_cast<float>(i));
}

TEST(Memory, StartsAsNaN) {
  OwnedStream stream;
  DeviceBuffer<float> buffer(9);
  std::vector<float> host(9, 0.0f);
  download<float>(buffer.data(), host, stream);
  stream.synchronize();
  EXPECT_TRUE(std::all_of(host.begin(), host.end(), [](float x) { return std::isnan(x); }));
}

TEST(Memory, MovesWithItsOwner) {
  const std::size_t before = simt::device_memory::used();
  {
    DeviceBuffer<float> one(100), other(7);
    const float* const data = one.data();
    other = std::move(one);
    EXPECT_EQ(other.data(), data);
    EXPECT_EQ(other.size(), 100u);
    EXPECT_FALSE(other.reserve_discard(50));
    EXPECT_EQ(other.data(), data);
    EXPECT_TRUE(other.reserve_discard(101));
    EXPECT_EQ(other.size_bytes(), 404u);
    EXPECT_EQ(DeviceBuffer<float>(0).data(), nullptr);
  }
  EXPECT_EQ(simt::device_memory::used(), before);
}

TEST(Memory, SaysWhatIsFreeWhereThereIsTooLittle) {
  const simt::DeviceProperties properties = simt::device_properties();
  simt::device_properties().memory_bytes = simt::device_memory::used() + 1000;
  DeviceBuffer<float> some(100);
  try {
    const DeviceBuffer<float> more(151);
    ADD_FAILURE() << "604 bytes fit in 600";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), concat("vernier::cuda::DeviceBuffer: cannot allocate 604 bytes on the device; 600 of its ",
                                                simt::device_properties().memory_bytes, " bytes are free"));
  }
  EXPECT_EQ(runtime::memory_info().free_bytes, 600u);
  simt::device_properties() = properties;
}

TEST(Graph, ReplaysWithTheValuesOfTheDay) {
  Problem p;
  p.send();
  Graph graph;
  EXPECT_FALSE(graph);
  graph = Graph::record(p.stream, [&] {
    p.compute();
    p.receive();
  });
  EXPECT_TRUE(graph);
  p.stream.synchronize();
  EXPECT_TRUE(std::isnan(p.host_y.data()[1])) << "recording runs nothing";
  for (int run = 1; run <= 3; ++run) {  // 2 x + 3 x + 4 x
    *p.host_a.data() = static_cast<float>(run + 1);
    upload(Problem::all(p.host_a), p.a.data(), p.stream);
    graph.replay(p.stream);
    p.stream.synchronize();
    const float sum = static_cast<float>((run + 1) * (run + 2) / 2 - 1);
    for (int i = 0; i < Problem::n; ++i) ASSERT_EQ(p.host_y.data()[i], sum * static_cast<float>(i)) << "replay " << run;
  }
}

TEST(Graph, IsGivenUpWhenRecordingThrows) {
  Problem p;
  p.send();
  EXPECT_THROW((void)Graph::record(p.stream,
                                   [&]() -> void {
                                     p.compute();
                                     throw std::runtime_error("no");
                                   }),
               std::runtime_error);
  p.receive();
  p.stream.synchronize();
  EXPECT_EQ(p.host_y.data()[3], 0.0f) << "the launch before the exception must not run";
}

TEST(Graph, DoesNotWaitWhileItRecords) {
  Problem p;
  EXPECT_THROW((void)Graph::record(p.stream, [&] { p.stream.synchronize(); }), simt::Fault);
}

#ifdef __SANITIZE_ADDRESS__
TEST(MemoryDeathTest, TheHostMayNotTouchTheDevice) {
  DeviceBuffer<float> buffer(4);
  EXPECT_DEATH(*buffer.data() = 1, "use-after-poison");
}

TEST(MemoryDeathTest, KernelsStayInside) {
  Problem p;
  p.send();
  EXPECT_DEATH(
      {
        launch<Axpy>({3}, {p.a.data(), p.x.data(), p.y.data(), Problem::n + 1}, p.stream);
        p.stream.synchronize();
      },
      "heap-buffer-overflow|use-after-poison");
}
#endif

TEST(Devices, AreCounted) {
  const simt::DeviceProperties properties = simt::device_properties();
  EXPECT_EQ(runtime::device_count(), 1);
  EXPECT_EQ(runtime::device_info(0).capability, 80);
  simt::device_properties().count = 0;
  EXPECT_EQ(runtime::device_count(), 0);
  EXPECT_THROW(runtime::use_device(0), Error);
  simt::device_properties() = properties;
}

}  // namespace
}  // namespace vernier::cuda
