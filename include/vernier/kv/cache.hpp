// The paged KV cache of the CPU: memory for every page, allocated once. Nothing is computed here; see sequence.hpp for who holds its pages,
// append.hpp for writing and attention/attention.hpp for reading.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>

#include "vernier/core/buffer.hpp"
#include "vernier/core/error.hpp"
#include "vernier/kv/pages.hpp"
#include "vernier/kv/sequence.hpp"

namespace vernier {

/// Pages in host memory, in the order of the CPU's kernels.
class KvCache final : public KvPages {
 public:
  /// Allocates all pages, of zeros. The system gives their memory when they are first written. Throws Error on an impossible geometry, or
  /// when the memory cannot be had.
  KvCache(const KvConfig& config, const KvGeometry& geometry) : KvPages({config, geometry}) {
    const std::size_t bytes = layout().total_bytes();
    constexpr const char* where = "vernier::KvCache";
    expect(bytes <= static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()), where, geometry.num_pages, " pages of ",
           layout().page_bytes(), " bytes exceed the address space; lower num_pages");
    try {
      memory_ = Buffer<std::uint8_t>::zeroed(bytes);
    } catch (const std::bad_alloc&) {
      fail(where, "cannot allocate ", bytes, " bytes for ", geometry.num_pages, " pages of ", layout().page_bytes(),
           " bytes; lower num_pages");
    }
  }

  std::size_t bytes() const { return memory_.size_bytes(); }

  KvRun run(int layer, int head, int page) { return layout().run_in(memory_.data(), layer, head, page); }
  ConstKvRun run(int layer, int head, int page) const { return layout().run_in(memory_.data(), layer, head, page); }

  void copy_page(int from, int to) override {
    for (int layer = 0; layer < geometry().layers; ++layer)
      for (int head = 0; head < geometry().kv_heads; ++head)
        std::memcpy(run(layer, head, to).keys, run(layer, head, from).keys, layout().run_bytes());
  }

 private:
  Buffer<std::uint8_t> memory_;
};

}  // namespace vernier
