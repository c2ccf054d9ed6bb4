// Counts what operator new hands out, so that a test can bound the memory of a call. Include in one source file of a program only: it
// replaces the global operators.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace vernier::test {

struct CountedMemory {
  static std::atomic<std::size_t>& live() {
    static std::atomic<std::size_t> bytes{0};
    return bytes;
  }
  static std::atomic<std::size_t>& peak() {
    static std::atomic<std::size_t> bytes{0};
    return bytes;
  }

  /// Starts a measurement; peak_since() is the most that was live above this point.
  static std::size_t start() {
    peak() = live().load();
    return live();
  }
  static std::size_t peak_since(std::size_t start) { return peak() - start; }

  static void* take(std::size_t bytes) {
    auto* block = static_cast<std::size_t*>(std::malloc(bytes + header));
    if (block == nullptr) throw std::bad_alloc();
    *block = bytes;
    const std::size_t now = live() += bytes;
    for (std::size_t old = peak(); old < now && !peak().compare_exchange_weak(old, now);) {
    }
    return reinterpret_cast<char*>(block) + header;
  }
  static void give(void* memory) {
    if (memory == nullptr) return;
    auto* block = reinterpret_cast<std::size_t*>(static_cast<char*>(memory) - header);
    live() -= *block;
    std::free(block);
  }

 private:
  static constexpr std::size_t header = alignof(std::max_align_t);
};

}  // namespace vernier::test

void* operator new(std::size_t bytes) { return vernier::test::CountedMemory::take(bytes); }
void* operator new[](std::size_t bytes) { return vernier::test::CountedMemory::take(bytes); }
void operator delete(void* memory) noexcept { vernier::test::CountedMemory::give(memory); }
void operator delete[](void* memory) noexcept { vernier::test::CountedMemory::give(memory); }
void operator delete(void* memory, std::size_t) noexcept { vernier::test::CountedMemory::give(memory); }
void operator delete[](void* memory, std::size_t) noexcept { vernier::test::CountedMemory::give(memory); }
