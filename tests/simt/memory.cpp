// Ordered and packed accesses to global memory, and vectors of shared memory with a count of their bank conflicts.
#include <cstring>

#include "simt/isa.hpp"
#include "simt/warp.hpp"

namespace simt::detail {

void SharedAccesses::add(Lane& lane, std::uint32_t offset, int bytes, Where where) {
  Site& site = sites_[{where.file, where.line, bytes}];
  const std::size_t turn = site.turns[static_cast<std::size_t>(lane.id())]++;
  if (turn >= site.requests.size()) site.requests.resize(turn + 1);
  Request& request = site.requests[turn];
  request.offsets[static_cast<std::size_t>(lane.id())] = offset;
  request.lanes |= lane.bit();
}

int SharedAccesses::conflicts() const {
  int sum = 0;
  for (const auto& [key, site] : sites_)
    for (const Request& request : site.requests) sum += bank_conflicts(request.offsets, request.lanes, std::get<2>(key));
  return sum;
}

}  // namespace simt::detail

namespace vernier::cuda {

using simt::Memory;
namespace impl = simt::detail;

std::uint32_t shared_address(const void* p, Where where) { return impl::shared_offset(p, 0, 1, "cvta.to.shared", where); }

int ld_acquire(const int* p, Where where) { return static_cast<int>(impl::atomic_load(p, 4, Memory::acquire, where)); }
void st_release(int* p, int value, Where where) { impl::atomic_store(p, static_cast<std::uint32_t>(value), 4, Memory::release, where); }

namespace {

int add_int(const char* name, int* p, int value, Memory order, Where where) {
  constexpr auto add = [](int a, int b) { return static_cast<int>(static_cast<unsigned>(a) + static_cast<unsigned>(b)); };
  return simt::atomic(name, p, value, add, order, where);
}

template <class T>
std::uint32_t add_pair(std::uint32_t a, std::uint32_t b) {
  return detail::map_pair<T>([&](int i) { return detail::element<T>(a, i) + detail::element<T>(b, i); });
}

}  // namespace

void red_release_add(int* p, int value, Where where) { (void)add_int("red.release.add", p, value, Memory::release, where); }
int atom_acq_rel_add(int* p, int value, Where where) { return add_int("atom.acq_rel.add", p, value, Memory::acq_rel, where); }
void red_add(float* p, float value, Where where) {
  (void)simt::atomic(
      "red.add.f32", p, value, [](float a, float b) { return a + b; }, Memory::relaxed, where);
}
void red_add_f16x2(std::uint32_t* p, std::uint32_t value, Where where) {
  constexpr auto add = [](std::uint32_t a, std::uint32_t b) { return add_pair<f16>(a, b); };
  (void)simt::atomic("red.add.f16x2", p, value, add, Memory::relaxed, where);
}
void red_add_bf16x2(std::uint32_t* p, std::uint32_t value, Where where) {
  constexpr auto add = [](std::uint32_t a, std::uint32_t b) { return add_pair<bf16>(a, b); };
  (void)simt::atomic("red.add.bf16x2", p, value, add, Memory::relaxed, where);
}

namespace {

void expect_aligned(const void* p, std::size_t bytes, const char* name, Where where) {
  if (reinterpret_cast<std::uintptr_t>(p) % bytes != 0)
    impl::fault(std::string(name) + ": the address is not a multiple of " + std::to_string(bytes), where);
}

template <std::size_t N>
void load_global(std::uint32_t (&r)[N], const void* p, Where where) {
  const impl::Quiet quiet;
  expect_aligned(p, sizeof r, "ld.global", where);
  impl::note_read(p, sizeof r, "ld.global", where);
  std::memcpy(r, p, sizeof r);
}

template <std::size_t N>
void store_global(void* p, const std::uint32_t (&r)[N], Where where) {
  const impl::Quiet quiet;
  expect_aligned(p, sizeof r, "st.global", where);
  impl::note_write(p, sizeof r, "st.global", where);
  std::memcpy(p, r, sizeof r);
}

template <std::size_t N>
void load_shared(std::uint32_t (&r)[N], const void* p, Where where) {
  const impl::Quiet quiet;
  impl::Lane& lane = impl::self();
  lane.warp->accesses.add(lane, impl::shared_offset(p, sizeof r, sizeof r, "ld.shared", where), sizeof r, where);
  impl::note_read(p, sizeof r, "ld.shared", where);
  std::memcpy(r, p, sizeof r);
}

template <std::size_t N>
void store_shared(void* p, const std::uint32_t (&r)[N], Where where) {
  const impl::Quiet quiet;
  impl::Lane& lane = impl::self();
  lane.warp->accesses.add(lane, impl::shared_offset(p, sizeof r, sizeof r, "st.shared", where), sizeof r, where);
  impl::note_write(p, sizeof r, "st.shared", where);
  std::memcpy(p, r, sizeof r);
}

}  // namespace

void ld_global_stream(std::uint32_t (&r)[1], const void* p, Where where) { load_global(r, p, where); }
void ld_global_stream(std::uint32_t (&r)[2], const void* p, Where where) { load_global(r, p, where); }
void ld_global_stream(std::uint32_t (&r)[4], const void* p, Where where) { load_global(r, p, where); }
void st_global_stream(void* p, const std::uint32_t (&r)[1], Where where) { store_global(p, r, where); }
void st_global_stream(void* p, const std::uint32_t (&r)[2], Where where) { store_global(p, r, where); }
void st_global_stream(void* p, const std::uint32_t (&r)[4], Where where) { store_global(p, r, where); }
void ld_shared(std::uint32_t (&r)[1], const void* p, Where where) { load_shared(r, p, where); }
void ld_shared(std::uint32_t (&r)[2], const void* p, Where where) { load_shared(r, p, where); }
void ld_shared(std::uint32_t (&r)[4], const void* p, Where where) { load_shared(r, p, where); }
void st_shared(void* p, const std::uint32_t (&r)[1], Where where) { store_shared(p, r, where); }
void st_shared(void* p, const std::uint32_t (&r)[2], Where where) { store_shared(p, r, where); }
void st_shared(void* p, const std::uint32_t (&r)[4], Where where) { store_shared(p, r, where); }

}  // namespace vernier::cuda
