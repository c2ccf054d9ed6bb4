// What every paged KV cache is, wherever its memory lies: a layout, and pages that are counted. The memory is cache.hpp's (CPU) and
// cache.cuh's (CUDA); sequence.hpp holds pages.
#pragma once

#include "vernier/kv/layout.hpp"
#include "vernier/kv/page_pool.hpp"

namespace vernier {

/// The layout and the page counts of a cache, and the one thing that a sequence asks of its memory: to copy a page. Neither copied nor
/// moved: sequences point at it, and it must outlive them.
class KvPages {
 public:
  KvPages(const KvPages&) = delete;
  KvPages& operator=(const KvPages&) = delete;

  const KvLayout& layout() const { return layout_; }
  const KvConfig& config() const { return layout_.config; }
  const KvGeometry& geometry() const { return layout_.geometry; }

  int num_pages() const { return pages_.size(); }
  int free_pages() const { return pages_.free(); }
  int used_pages() const { return pages_.used(); }
  /// Pages that `tokens` positions take.
  int pages_for(int tokens) const { return tokens / config().page_tokens + (tokens % config().page_tokens != 0 ? 1 : 0); }
  /// Reference counts; sequences manage them, a prefix index may too.
  PagePool& pages() { return pages_; }
  const PagePool& pages() const { return pages_; }

  /// Copies a page in all layers and heads.
  virtual void copy_page(int from, int to) = 0;

 protected:
  /// Throws Error on an impossible geometry.
  explicit KvPages(const KvLayout& layout)
      : layout_(layout), pages_((expect_kv(layout.config, layout.geometry), layout.geometry.num_pages)) {}
  ~KvPages() = default;

 private:
  KvLayout layout_;
  PagePool pages_;
};

}  // namespace vernier
