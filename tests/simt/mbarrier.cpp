// mbarriers: 8 bytes of shared memory, in an encoding of our own. A phase ends when all arrivals and all expected bytes are there.
#include <cstring>

#include "simt/cluster.hpp"
#include "simt/isa.hpp"

namespace simt::detail {
namespace {

constexpr std::uint64_t initialised = 0b01;  // memory starts as ones
constexpr int max_count = (1 << 20) - 1;

struct MbarrierState {
  std::uint64_t mark : 2, phase : 1, count : 20, missing : 20;
  std::int64_t bytes : 21;  // expected and not yet complete; negative while copies are ahead of the expectation
};
static_assert(sizeof(MbarrierState) == 8, "simt: an mbarrier is 8 bytes");

MbarrierState load(const std::uint64_t* barrier) {
  MbarrierState state;
  std::memcpy(&state, barrier, 8);
  return state;
}

MbarrierState load_checked(const std::uint64_t* barrier, const char* instruction, Where where) {
  const MbarrierState state = load(barrier);
  if (state.mark != initialised) throw Fault(std::string(instruction) + " on an mbarrier that was not initialised, at " + to_string(where));
  return state;
}

/// What threads release when they arrive and acquire when they have waited: one place for each parity, so that an arrival at the next
/// phase does not order a wait for this one.
const void* sync_of(const std::uint64_t* barrier, unsigned parity) { return reinterpret_cast<const char*>(barrier) + parity; }

void store(Block& block, std::uint64_t* barrier, MbarrierState state) {
  const bool ends = state.missing == 0 && state.bytes == 0;
  if (ends) {
    state.phase ^= 1;
    state.missing = state.count;
  }
  std::memcpy(barrier, &state, 8);
  if (ends) machine().wake_all(block, barrier);
}

void arrive(Block& block, std::uint64_t* barrier, int bytes, const char* instruction, Where where) {
  MbarrierState state = load_checked(barrier, instruction, where);
  if (state.missing == 0)
    fault(std::string(instruction) + ": the phase already has its " + std::to_string(state.count) + " arrivals", where);
  release(sync_of(barrier, state.phase));
  state.bytes += bytes;
  --state.missing;
  store(block, barrier, state);
}

/// At one of the block's own.
void arrive(std::uint64_t* barrier, int bytes, const char* instruction, Where where) {
  const Quiet quiet;
  (void)shared_offset(barrier, 8, 8, instruction, where);
  arrive(*self().block, barrier, bytes, instruction, where);
}

void wait(std::uint64_t* barrier, unsigned parity, const char* instruction, Where where) {
  const Quiet quiet;
  (void)shared_offset(barrier, 8, 8, instruction, where);
  if (parity > 1) fault(std::string(instruction) + ": parity " + std::to_string(parity) + "; it is 0 or 1", where);
  while (load_checked(barrier, instruction, where).phase == parity) machine().wait(barrier, instruction, where);
  acquire(sync_of(barrier, parity));
}

}  // namespace

void complete_bytes(Block& block, std::uint64_t* barrier, std::size_t bytes, Where where) {
  MbarrierState state = load_checked(barrier, "the end of a bulk copy", where);
  release(sync_of(barrier, state.phase));
  state.bytes -= static_cast<std::int64_t>(bytes);
  store(block, barrier, state);
}

void complete_arrival(Block& block, std::uint64_t* barrier, Where where) {
  MbarrierState state = load_checked(barrier, "cp.async.mbarrier.arrive", where);
  if (state.missing == 0)
    throw Fault("cp.async.mbarrier.arrive: the phase already has its " + std::to_string(state.count) + " arrivals, at " + to_string(where));
  release(sync_of(barrier, state.phase));
  --state.missing;
  store(block, barrier, state);
}

std::string describe_mbarrier(const void* barrier) {
  const MbarrierState state = load(static_cast<const std::uint64_t*>(barrier));
  return "phase parity " + std::to_string(state.phase) + ", " + std::to_string(state.missing) + " of " + std::to_string(state.count) +
         " arrivals and " + std::to_string(state.bytes) + " bytes missing";
}

}  // namespace simt::detail

namespace vernier::cuda {

namespace impl = simt::detail;

void mbarrier_init(std::uint64_t* barrier, int count, Where where) {
  const impl::Quiet quiet;
  (void)impl::shared_offset(barrier, 8, 8, "mbarrier.init", where);
  if (count < 1 || count > impl::max_count)
    impl::fault("mbarrier.init: a count of " + std::to_string(count) + "; 1 to " + std::to_string(impl::max_count) + " are possible",
                where);
  impl::note_write(barrier, 8, "mbarrier.init", where);
  impl::MbarrierState state{};
  state.mark = impl::initialised;
  state.count = state.missing = static_cast<std::uint64_t>(count) & impl::max_count;
  std::memcpy(barrier, &state, 8);
}

void mbarrier_arrive(std::uint64_t* barrier, Where where) { impl::arrive(barrier, 0, "mbarrier.arrive", where); }
void mbarrier_arrive_expect_tx(std::uint64_t* barrier, int bytes, Where where) {
  impl::arrive(barrier, bytes, "mbarrier.arrive.expect_tx", where);
}

void mbarrier_arrive_cluster(ClusterAddress barrier, Where where) {
  const impl::Quiet quiet;
  constexpr const char* name = "mbarrier.arrive.shared::cluster";
  const impl::Remote place = impl::remote(barrier, 8, 8, name, where);
  impl::arrive(*place.block, reinterpret_cast<std::uint64_t*>(place.at), 0, name, where);
}

bool mbarrier_test_parity(std::uint64_t* barrier, unsigned parity, Where where) {
  const impl::Quiet quiet;
  (void)impl::shared_offset(barrier, 8, 8, "mbarrier.test_wait.parity", where);
  if (impl::load_checked(barrier, "mbarrier.test_wait.parity", where).phase == parity)
    impl::machine().yield("mbarrier.test_wait.parity", where);  // whoever asks in a loop lets others go on
  if (impl::load(barrier).phase == parity) return false;
  impl::acquire(impl::sync_of(barrier, parity));
  return true;
}

void mbarrier_wait_parity(std::uint64_t* barrier, unsigned parity, Where where) {
  impl::wait(barrier, parity, "mbarrier.test_wait.parity", where);
}
void mbarrier_try_wait_parity(std::uint64_t* barrier, unsigned parity, Where where) {
  impl::wait(barrier, parity, "mbarrier.try_wait.parity", where);
}
void mbarrier_try_wait_parity_cluster(std::uint64_t* barrier, unsigned parity, Where where) {
  impl::wait(barrier, parity, "mbarrier.try_wait.parity.cluster", where);
}

}  // namespace vernier::cuda
