// The paged KV cache of a CUDA device. Sequences (sequence.hpp) hold its pages as they do those of the CPU's; append.cuh writes,
// attention/attention.cuh reads.
#pragma once

#include <cstdint>

#include "vernier/core/error.hpp"
#include "vernier/cuda/on_arch.cuh"
#include "vernier/kv/copy_page.cuh"
#include "vernier/kv/pages.hpp"
#include "vernier/kv/sequence.hpp"

namespace vernier::cuda {

/// Pages in device memory that somebody else owns, in rows of one token.
class KvCache final : public KvPages {
 public:
  /// What a cache needs: layout_for(...).total_bytes() bytes. Throws nothing; KvCache checks.
  static constexpr KvLayout layout_for(const KvConfig& config, const KvGeometry& geometry) { return {config, geometry, KvOrder::rows}; }

  /// memory: that many bytes of device memory, 16-byte aligned, which must outlive the cache; what is in them does not matter. Work that
  /// sequences cause (copy_page) is put into `stream`, that of the steps. Throws Error on an impossible geometry, on one that CUDA kernels
  /// do not take, and where `arch` is no CUDA architecture.
  KvCache(const KvConfig& config, const KvGeometry& geometry, std::uint8_t* memory, Arch arch, Stream stream = {})
      : KvPages(layout_for(config, geometry)), memory_(memory), arch_(arch), stream_(stream) {
    constexpr const char* where = "vernier::cuda::KvCache";
    expect(is_cuda(arch), where, "arch = ", name(arch), ", expected sm80, sm89 or sm90a");
    expect(config.page_tokens >= 32, where, "page_tokens = ", config.page_tokens, ", expected 32, 64 or 128 (kernels take 32 keys a step)");
    expect(geometry.head_dim % 16 == 0, where, "head_dim = ", geometry.head_dim, ", expected a multiple of 16 (rows of 16-byte chunks)");
    expect(reinterpret_cast<std::uintptr_t>(memory) % 16 == 0, where, "the memory is not 16-byte aligned");
  }

  std::uint8_t* memory() const { return memory_; }
  Arch arch() const { return arch_; }

  /// Addresses on the device, which only kernels may read.
  ConstKvRun run(int layer, int head, int page) const { return layout().run_in<const std::uint8_t>(memory_, layer, head, page); }

  void copy_page(int from, int to) override {
    const auto runs = static_cast<unsigned>(geometry().layers) * static_cast<unsigned>(geometry().kv_heads);
    launch_on<CopyPage>(arch_, {runs}, {layout(), memory_, from, to}, stream_);
  }

 private:
  std::uint8_t* memory_;
  Arch arch_;
  Stream stream_;
};

}  // namespace vernier::cuda
