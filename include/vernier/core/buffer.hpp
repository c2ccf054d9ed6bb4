// Aligned memory for codes, scales and activations. Not a container: elements are trivially copyable and never constructed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace vernier {

/// Every buffer starts on a cache line, which is also the widest vector.
inline constexpr std::size_t buffer_alignment = 64;

/// Bytes from which a buffer starts on a huge page and asks for such: decode reads weights, keys and values up to a third faster from them.
inline constexpr std::size_t huge_page = std::size_t{1} << 21;

/// The same for a buffer of zeros, which is taken from the system as it is touched: one with room for few tokens would be cleared whole for
/// the first of them, and to clear megabytes takes as long as to compute a token.
inline constexpr std::size_t huge_zeros = std::size_t{1} << 25;

/// Owns `size` elements of T, 64-byte aligned. Contents start undefined, but for zeroed(); growing discards them.
template <class T>
requires std::is_trivially_copyable_v<T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : size_(size) {
    if (size == 0) return;
    const std::align_val_t alignment{alignment_of(size_bytes())};
    data_ = {static_cast<T*>(::operator new(size_bytes(), alignment)), Free{alignment}};
    wish_for_huge_pages();
  }

  /// `size` elements of all zero bits. A large buffer takes memory from the system as it is touched, page by page.
  static Buffer zeroed(std::size_t size) {
    Buffer buffer;
    if (size == 0) return buffer;
    buffer.size_ = size;
    const std::size_t alignment = alignment_of(buffer.size_bytes());
    void* block = std::calloc(buffer.size_bytes() + alignment, 1);
    if (block == nullptr) throw std::bad_alloc();
    void* start = block;
    std::size_t space = buffer.size_bytes() + alignment;
    std::align(alignment, buffer.size_bytes(), start, space);
    buffer.data_ = {static_cast<T*>(start), Free{{}, block}};
    if (buffer.size_bytes() >= huge_zeros) buffer.wish_for_huge_pages();
    return buffer;
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  std::size_t size_bytes() const { return size_ * sizeof(T); }
  T& operator[](std::size_t i) { return data_.get()[i]; }
  const T& operator[](std::size_t i) const { return data_.get()[i]; }

  /// At least `size` elements, contents undefined. Never shrinks, so a warm caller does not allocate.
  void reserve_discard(std::size_t size) {
    if (size > size_) *this = Buffer(size);
  }

 private:
  struct Free {
    std::align_val_t alignment{buffer_alignment};
    void* block = nullptr;  // what calloc gave, if it did
    void operator()(T* p) const { block != nullptr ? std::free(block) : ::operator delete(p, alignment); }
  };

  static std::size_t alignment_of(std::size_t bytes) { return bytes < huge_page ? buffer_alignment : huge_page; }

  void wish_for_huge_pages() {  // which may be refused
#ifdef __linux__
    if (size_bytes() >= huge_page) (void)madvise(data_.get(), size_bytes() / huge_page * huge_page, MADV_HUGEPAGE);
#endif
  }

  std::unique_ptr<T[], Free> data_;
  std::size_t size_ = 0;
};

}  // namespace vernier
