// bench.onednn: the same plain products by Vernier and by oneDNN in turn, A B A B, in the layer shapes of Llama-3.2-1B and Llama-3.1-8B:
// f16 weights beside oneDNN's f32, bf16 beside bf16, int8 beside u8 * s8. oneDNN's weights are packed in advance as ours are; its int8 has
// no scales per group, which ours pays for. m below 16 reads a different matrix each time, as decoding does. Medians, one line a product.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <dnnl.hpp>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "common/flags.hpp"
#include "common/limits.hpp"
#include "common/random_matrix.hpp"
#include "common/spread.hpp"
#include "vernier/gemm/gemm.hpp"
#include "vernier/gemm/precompiled.hpp"

namespace {

using namespace vernier;
using bench::median;
using dnnl::memory;

struct Kind {
  const char* name;
  Precision weight;
  cpu::Multiply multiply;
  memory::data_type x, w, y;
};

constexpr Kind kinds[] = {
    {"f16 beside f32", Precision::f16, cpu::Multiply::f32, memory::data_type::f32, memory::data_type::f32, memory::data_type::f32},
    {"bf16 beside bf16", Precision::bf16, cpu::Multiply::bf16, memory::data_type::bf16, memory::data_type::bf16, memory::data_type::f32},
    {"int8 beside u8s8", Precision::i8, cpu::Multiply::i8, memory::data_type::u8, memory::data_type::s8, memory::data_type::s32},
};

struct Shape {
  const char* model;
  int n, k;
};

constexpr Shape shapes[] = {
    {"1B q, o", 2048, 2048}, {"1B up", 8192, 2048}, {"1B down", 2048, 8192}, {"8B q, o", 4096, 4096}, {"8B down", 4096, 14336}};

/// y = x * W^T with `copies` different W, prepared once.
class OneDnn {
 public:
  OneDnn(const Kind& kind, int m, int n, int k, int copies) : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    const memory::desc x({m, k}, kind.x, memory::format_tag::ab), w({k, n}, kind.w, memory::format_tag::any),
        y({m, n}, kind.y, memory::format_tag::ab);
    const dnnl::matmul::primitive_desc description({x, w, y}, engine_);
    product_ = dnnl::matmul(description);
    x_ = filled(description.src_desc());
    y_ = filled(description.dst_desc());
    for (int i = 0; i < copies; ++i) w_.push_back(filled(description.weights_desc()));
  }

  void run(std::size_t i) {
    product_.execute(stream_, {{DNNL_ARG_SRC, x_}, {DNNL_ARG_WEIGHTS, w_[i % w_.size()]}, {DNNL_ARG_DST, y_}});
    stream_.wait();
  }

 private:
  memory filled(const memory::desc& description) {
    memory made(description, engine_);
    std::memset(made.get_data_handle(), 1, description.get_size());
    return made;
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::matmul product_;
  memory x_, y_;
  std::vector<memory> w_;
};

struct Settings {
  int threads = 2, reps = 7, mib = 256;
  std::vector<int> m{1, 8, 512};
};

Settings parse(int argc, char** argv) {
  Settings s;
  bench::Flags flags("bench.onednn", argc, argv);
  flags.read("--threads", s.threads);
  flags.read("--m", s.m);
  flags.read("--mib", s.mib);
  flags.read("--reps", s.reps);
  flags.finish();
  return s;
}

void compare(cpu::ThreadPool& pool, const Settings& s, const Kind& kind, const Shape& shape, int m) {
  std::vector<PackedMatrix> ours;
  const std::size_t budget = m < 16 ? static_cast<std::size_t>(s.mib) << 20 : 1;
  for (std::size_t bytes = 0; bytes < budget; bytes += ours.back().bytes())
    ours.push_back(bench::random_matrix(pool, shape.n, shape.k, kind.weight, static_cast<unsigned>(ours.size())));
  const int copies = static_cast<int>(ours.size());
  OneDnn theirs(kind, m, shape.n, shape.k, copies);
  std::vector<float> x(static_cast<std::size_t>(m) * static_cast<std::size_t>(shape.k), 0.5f),
      y(static_cast<std::size_t>(m) * static_cast<std::size_t>(shape.n), 0.0f);
  cpu::GemmWorkspace workspace;
  const cpu::GemmOptions options{.multiply = kind.multiply};
  const auto seconds = [&](auto&& one) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // the other side's threads stop spinning
    one(std::size_t{0});
    const double start = bench::now();
    for (int i = 0; i < copies; ++i) one(static_cast<std::size_t>(i));
    return (bench::now() - start) / copies;
  };
  std::vector<double> a, b;
  for (int rep = 0; rep <= s.reps; ++rep) {
    a.push_back(seconds([&](std::size_t i) {
      cpu::gemm(pool, MatrixView<const float>(x.data(), m, shape.k), ours[i].view(), MatrixView<float>(y.data(), m, shape.n), workspace,
                options);
    }));
    b.push_back(seconds([&](std::size_t i) { theirs.run(i); }));
    if (rep == 0) a.clear(), b.clear();
  }
  const double operations = 2.0 * m * shape.n * shape.k;
  std::printf("%-17s %-8s n %5d k %5d m %4d  vernier %9.1f us %7.1f GOP/s  onednn %9.1f us %7.1f GOP/s  ratio %.2f\n", kind.name,
              shape.model, shape.n, shape.k, m, median(a) * 1e6, operations / median(a) * 1e-9, median(b) * 1e6,
              operations / median(b) * 1e-9, median(b) / median(a));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) try {
  const Settings s = parse(argc, argv);
  setenv("OMP_NUM_THREADS", std::to_string(s.threads).c_str(), 1);  // before oneDNN asks
  cpu::ThreadPool pool(s.threads);
  for (const Kind& kind : kinds)
    for (const Shape& shape : shapes)
      for (int m : s.m) compare(pool, s, kind, shape, m);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
