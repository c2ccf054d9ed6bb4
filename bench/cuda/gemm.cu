// bench.cuda.gemm: products of packed weights at the shapes of a model's layers, in every format, beside cuBLASLt and bitsandbytes, as
// lines of JSON. Every configuration is checked before it is timed. Weights are read from memory: so many copies take turns that none is
// left in L2 when it is its turn again. Rows come in order of importance, and --seconds ends the run early.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>

#include "common/flags.hpp"
#include "cuda/contest.cuh"
#include "cuda/gemm_call.cuh"
#include "cuda/gemm_operands.cuh"
#include "cuda/gemm_peers.cuh"
#include "cuda/gpu.cuh"
#include "cuda/measure_limits.cuh"
#include "cuda/plan.hpp"
#include "cuda/tally.hpp"

namespace vernier::bench {
namespace {

struct Settings {
  GemmSelection selection;
  std::string cublaslt, bitsandbytes;
  int rounds = 7, seconds = 0;
};

Settings parse(int argc, char** argv) {
  Settings s;
  Flags flags("bench.cuda.gemm", argc, argv);
  flags.read("--models", s.selection.models);
  flags.read("--formats", s.selection.formats);
  flags.read("--layers", s.selection.layers);
  flags.read("--m", s.selection.tokens);
  flags.read("--rounds", s.rounds);
  flags.read("--seconds", s.seconds);
  flags.read("--cublaslt", s.cublaslt);
  flags.read("--bitsandbytes", s.bitsandbytes);
  flags.finish();
  return s;
}

double peak_of(const DeviceLimits& limits, Precision operand) {
  switch (operand) {
    case Precision::bf16: return limits.bf16;
    case Precision::i8: return limits.int8;
    case Precision::e4m3: return limits.fp8;
    default: return limits.f16;
  }
}

/// One matrix in one format.
class Bench {
 public:
  Bench(const Gpu& gpu, const GemmCase& c, Peers& peers, const cuda::OwnedStream& stream, int rounds)
      : case_(&c),
        peers_(&peers),
        stream_(&stream),
        rounds_(rounds),
        arch_(gpu.arch),
        l2_bytes_(gpu.l2_bytes),
        weights_(gpu.arch, c.layer.n, c.layer.k, c.format.weights,
                 copies_for(cuda::PackedWeights(c.layer.n, c.layer.k, c.format.weights).memory().size(), gpu.l2_bytes), stream),
        operands_(gpu.arch, gpu.info.processors, *std::max_element(c.tokens.begin(), c.tokens.end()), c.layer.n, c.layer.k, stream) {
    if (peers.cublaslt.why_not().empty()) lt_.emplace(arch_, c.format.operand, weights_.view(0), operands_.features(), l2_bytes_, stream);
    if (c.format.weights.precision == Precision::nf4 && peers.bitsandbytes.why_not().empty())
      bnb_.emplace(arch_, weights_.view(0), l2_bytes_, stream);
    if (lt_ && lt_->format() == LtFormat::int8)
      int_y_.reserve_discard(static_cast<std::size_t>(c.layer.n) *
                             static_cast<std::size_t>(*std::max_element(c.tokens.begin(), c.tokens.end())));
  }

  void measure(int m, const DeviceLimits& limits) {
    GemmCall call = operands_.call(case_->format, weights_.view(0), m);
    const auto ours = [&](int i) {
      call.w = weights_.view(i);
      run_gemm(call);
    };
    double worst = 0;  // the second copy shows that views are right
    for (const int copy : {0, 1}) {
      operands_.forget_result();
      ours(copy);
      worst = std::max(worst, operands_.worst(call, noise_of(call)));
    }
    expect(worst <= 1, "bench.cuda.gemm", "wrong result: ", case_->format.name, ", n = ", case_->layer.n, ", k = ", case_->layer.k,
           ", m = ", m, ": an element is off by ", worst, " of what rounding explains");
    Contest contest(*stream_, rounds_);
    contest.add("vernier", weights_.copies(), ours);
    call.w = weights_.view(0);
    std::optional<LtProduct> product;
    add_cublaslt(contest, product, call);
    add_bitsandbytes(contest, product, call);
    print(m, worst, limits, contest.run());
  }

 private:
  std::string lt_name() const {
    switch (lt_ ? lt_->format() : LtFormat::f16) {
      case LtFormat::bf16: return "cublaslt bf16";
      case LtFormat::fp8: return "cublaslt fp8";
      case LtFormat::int8: return "cublaslt int8";
      default: return "cublaslt f16";
    }
  }

  /// Whether what is in y now is right; otherwise why not.
  std::string verdict(const GemmCall& call, const WeightNoise& noise, bool scaled) const {
    GemmCall plain = call;
    if (!scaled) plain.w.scales = nullptr;
    const double worst = operands_.worst(plain, noise, scaled);
    return worst <= 1 ? "" : concat("its result is off by ", worst, " of what rounding explains");
  }

  void add_cublaslt(Contest& contest, std::optional<LtProduct>& product, const GemmCall& call) {
    if (!lt_) return contest.add_missing(lt_name(), peers_->cublaslt.why_not());
    const bool ints = lt_->format() == LtFormat::int8;
    void* const y = ints ? static_cast<void*>(int_y_.data()) : call.y;
    const auto work = [this, &product, call, y](int i) { product->run({lt_->copy(i), call.x, y}, peers_->workspace.data(), *stream_); };
    std::string why_not;
    try {
      product.emplace(peers_->cublaslt, lt_->format(), call.m, call.w.n, call.w.k, peers_->workspace.size());
      choose_fastest(*product, *lt_, call, y, *peers_, *stream_);
      operands_.forget_result();
      work(0);
      if (!ints) why_not = verdict(call, {0x1p-11, 0}, lt_->format() != LtFormat::fp8);
    } catch (const Error& error) {
      why_not = error.what();
    }
    why_not.empty() ? contest.add(lt_name(), lt_->copies(), work) : contest.add_missing(lt_name(), why_not);
  }

  /// Its own kernel, and what it does instead for many tokens on a Hopper: the whole matrix to f16, then cuBLAS.
  void add_bitsandbytes(Contest& contest, std::optional<LtProduct>& product, const GemmCall& call) {
    if (case_->format.weights.precision != Precision::nf4) return;
    constexpr const char *fused = "bitsandbytes gemm", *dequantised = "bitsandbytes dequantise + cublaslt";
    if (!bnb_) {
      contest.add_missing(fused, peers_->bitsandbytes.why_not());
      return contest.add_missing(dequantised, peers_->bitsandbytes.why_not());
    }
    const auto gemm = [this, call](int i) {
      peers_->bitsandbytes.gemm(call.x, bnb_->codes(i), bnb_->absmax(i), call.y, call.m, call.w.n, call.w.k,
                                static_cast<cudaStream_t>(*stream_));
    };
    const auto both = [this, call, &product](int i) {
      peers_->bitsandbytes.dequantize(bnb_->codes(i), bnb_->absmax(i), f16_.data(), call.w.n, call.w.k,
                                      static_cast<cudaStream_t>(*stream_));
      product->run({f16_.data(), call.x, call.y}, peers_->workspace.data(), *stream_);
    };
    add_checked(contest, fused, call, gemm);
    if (!product || lt_->format() != LtFormat::f16) return contest.add_missing(dequantised, "there is no cuBLASLt");
    f16_.reserve_discard(static_cast<std::size_t>(call.w.n) * static_cast<std::size_t>(call.w.k));
    add_checked(contest, dequantised, call, both);
  }

  /// Rounds a weight once, to f16.
  void add_checked(Contest& contest, const char* name, const GemmCall& call, const Work& work) {
    operands_.forget_result();
    work(0);
    const std::string why_not = verdict(call, {0x1p-11, 0}, true);
    why_not.empty() ? contest.add(name, bnb_->copies(), work) : contest.add_missing(name, why_not);
  }

  void print(int m, double worst, const DeviceLimits& limits, const std::vector<Contest::Entry>& entries) const {
    const double n = case_->layer.n, k = case_->layer.k, operations = 2.0 * m * n * k;
    const double bytes = static_cast<double>(weights_.bytes()) + m * (k * bits(case_->format.operand) / 8 + n * 2);
    const double seconds = entries[0].seconds.median;
    Row row("gemm");
    row.add("model", case_->model.name).add("layer", case_->layer.name).add("format", case_->format.name).add("m", m);
    row.add("n", case_->layer.n).add("k", case_->layer.k).add("worst_of_bound", worst).add("bytes", bytes).add("operations", operations);
    add_entry(row, "vernier", entries[0]);
    if (entries[0].why_not.empty())
      row.add("gbs", bytes / seconds * 1e-9)
          .add("of_read", bytes / seconds / limits.read)
          .add("tops", operations / seconds * 1e-12)
          .add("of_peak", operations / seconds / peak_of(limits, case_->format.operand));
    Row peers;
    for (std::size_t i = 1; i < entries.size(); ++i) add_entry(peers, entries[i].name, entries[i]);
    row.add("peers", peers).print();
  }

  const GemmCase* case_;
  Peers* peers_;
  const cuda::OwnedStream* stream_;
  int rounds_;
  Arch arch_;
  std::size_t l2_bytes_;
  WeightCopies weights_;
  GemmOperands operands_;
  std::optional<LtWeights> lt_;
  std::optional<BnbWeights> bnb_;
  cuda::DeviceBuffer<std::int32_t> int_y_;
  cuda::DeviceBuffer<f16> f16_;
};

/// The program's status.
int run(const Settings& s, const Gpu& gpu) {
  Tally tally(s.seconds);
  Peers peers(s.cublaslt, s.bitsandbytes);
  const cuda::OwnedStream stream;
  const DeviceLimits limits = measure_limits(gpu);
  for (const GemmCase& c : gemm_plan(s.selection)) {
    std::optional<Bench> bench;
    for (const int m : c.tokens)
      tally.attempt([&] {
        if (!bench) bench.emplace(gpu, c, peers, stream, s.rounds);
        bench->measure(m, limits);
      });
  }
  Row("peers")
      .add("cublaslt", peers.cublaslt.version())
      .add("bitsandbytes", peers.bitsandbytes.why_not().empty() ? "loaded" : peers.bitsandbytes.why_not())
      .print();
  return tally.finish();
}

}  // namespace
}  // namespace vernier::bench

int main(int argc, char** argv) try {
  using namespace vernier::bench;
  const Settings settings = parse(argc, argv);
  (void)gemm_plan(settings.selection);  // refuses what there is not, device or no device
  const std::optional<Gpu> gpu = find_gpu();
  if (!gpu) return 0;
  print_gpu(*gpu, Nvml(*gpu));
  return run(settings, *gpu);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
