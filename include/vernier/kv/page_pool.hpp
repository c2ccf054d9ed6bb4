// Reference counts and the list of free pages. It knows page numbers only, no memory and no sequences; not thread-safe, as the engine
// plans a step in one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "vernier/core/error.hpp"

namespace vernier {

/// Hands out the pages 0 .. size() - 1. An exhausted pool says no by returning no_page; it never throws for that.
class PagePool {
 public:
  static constexpr int no_page = -1;

  explicit PagePool(int pages) : references_(static_cast<std::size_t>(pages), 0), free_(static_cast<std::size_t>(pages)) {
    for (int i = 0; i < pages; ++i) free_[static_cast<std::size_t>(i)] = pages - 1 - i;  // page 0 goes first, then its neighbours
  }

  int size() const { return static_cast<int>(references_.size()); }
  int free() const { return static_cast<int>(free_.size()); }
  int used() const { return size() - free(); }
  /// How many holders the page has; 0 when it is free.
  int references(int page) const { return references_[index(page)]; }

  /// A page with one reference, or no_page.
  [[nodiscard]] int allocate() {
    if (free_.empty()) return no_page;
    const int page = free_.back();
    free_.pop_back();  // keeps its capacity, so release() never allocates
    references_[index(page)] = 1;
    return page;
  }

  /// One more holder of a page that has one.
  void retain(int page) {
    expect(references_[index(page)] > 0, "vernier::PagePool::retain", "page ", page, " is free");
    ++references_[index(page)];
  }

  /// One holder less; the last one frees the page.
  void release(int page) {
    expect(references_[index(page)] > 0, "vernier::PagePool::release", "page ", page, " is free already");
    if (--references_[index(page)] == 0) free_.push_back(page);
  }

 private:
  std::size_t index(int page) const {
    expect(page >= 0 && page < size(), "vernier::PagePool", "page ", page, " is not one of ", size());
    return static_cast<std::size_t>(page);
  }

  std::vector<int> references_;
  std::vector<int> free_;  // a stack
};

}  // namespace vernier
