#include "simt/warp.hpp"

#include <algorithm>
#include <cstring>

#include "simt/isa.hpp"

namespace simt::detail {

namespace {

std::string hex(unsigned mask) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", mask);
  return text;
}

/// The meeting that a lane with this mask joins: one that has begun, or a new one. Faults if one that has begun is a different one.
Meeting& join(Warp& warp, const Collective& collective, unsigned mask, Where where) {
  for (Meeting& m : warp.meetings) {
    if (m.arrived == 0 || (m.mask & mask) == 0) continue;
    const bool same_place = !collective.aligned || m.where == where;
    if (m.mask != mask || std::strcmp(m.instruction, collective.name) != 0 || !same_place)
      fault(std::string("the warp has diverged: ") + collective.name + " with mask " + hex(mask) + " meets " + m.instruction +
                " with mask " + hex(m.mask) + " at " + to_string(m.where),
            where);
    return m;
  }
  for (Meeting& m : warp.meetings)
    if (m.arrived == 0 && m.mask == mask) return m;
  warp.meetings.push_back({.mask = mask});
  return warp.meetings.back();
}

}  // namespace

void meet(const Collective& collective, unsigned mask, void* mine, WarpOp op, Where where) {
  const Quiet quiet;
  Machine& m = machine();
  Lane& lane = self();
  if ((mask & lane.bit()) == 0) fault(std::string(collective.name) + ": the mask " + hex(mask) + " lacks the calling lane", where);
  if ((mask & ~lane.warp->alive) != 0)
    fault(std::string(collective.name) + ": the mask " + hex(mask) + " names lanes that have exited or do not exist, " +
              hex(mask & ~lane.warp->alive),
          where);
  Meeting& meeting = join(*lane.warp, collective, mask, where);
  if (meeting.arrived == 0) {
    meeting.instruction = collective.name;
    meeting.where = where;
  }
  meeting.arrived |= lane.bit();
  meeting.operands[static_cast<std::size_t>(lane.id())] = mine;
  const void* sync = &meeting.sync[meeting.generation % 2];
  if (collective.orders_memory) release(sync);
  if (meeting.arrived == mask) {
    op(meeting.operands);
    meeting.operands = {};
    meeting.arrived = 0;
    ++meeting.generation;
    m.progress();
    const int first = lane.rank - lane.id();
    for (int i = 0; i < 32; ++i)
      if ((mask >> i & 1u) != 0 && i != lane.id()) m.make_ready(*lane.block->lanes[static_cast<std::size_t>(first + i)]);
  } else {
    m.wait(&meeting, collective.name, where);
  }
  if (collective.orders_memory) acquire(sync);
}

int bank_conflicts(const std::array<std::uint32_t, 32>& offsets, unsigned mask, int bytes) {
  const int at_once = bytes <= 4 ? 32 : 128 / bytes;
  int extra = 0;
  for (int first = 0; first < 32; first += at_once) {
    std::array<std::array<std::uint32_t, 32>, 32> words;  // the different words of each bank: at most one of each lane
    std::array<int, 32> count{};
    for (int i = first; i < first + at_once; ++i)
      for (int b = 0; (mask >> i & 1u) != 0 && b < bytes; b += 4) {
        const std::uint32_t word = (offsets[static_cast<std::size_t>(i)] + static_cast<std::uint32_t>(b)) / 4;
        auto& in_bank = words[word % 32];
        int& n = count[word % 32];
        if (std::find(in_bank.begin(), in_bank.begin() + n, word) == in_bank.begin() + n) in_bank[static_cast<std::size_t>(n++)] = word;
      }
    extra += std::max(*std::max_element(count.begin(), count.end()), 1) - 1;
  }
  return extra;
}

// ---- shuffles, votes, matches and reductions: builtins.hpp declares them

namespace {

struct Exchange {
  std::uint64_t value = 0, result = 0;
  int argument = 0, width = 32;
  bool predicate = false;
};

constexpr Collective shuffle_names[] = {{"__shfl_sync"}, {"__shfl_xor_sync"}, {"__shfl_down_sync"}, {"__shfl_up_sync"}};

/// The lane whose value lane i gets, as in the PTX ISA's shfl.sync: out of range means its own.
int source_lane(Shuffle kind, int i, int argument, int width) {
  const int first = i / width * width;
  int from = i;
  switch (kind) {
    case Shuffle::index: return first + (argument & (width - 1));
    case Shuffle::exclusive_or: from = i ^ argument; return from < first + width ? from : i;
    case Shuffle::down: from = i + argument; return from < first + width ? from : i;
    case Shuffle::up: from = i - argument; return from >= first ? from : i;
  }
  return i;
}

template <Shuffle Kind>
void shuffle_op(const std::array<Exchange*, 32>& lanes) {
  ++machine().counters.collectives;
  for (int i = 0; i < 32; ++i) {
    Exchange* lane = lanes[static_cast<std::size_t>(i)];
    if (lane == nullptr) continue;
    const Exchange* from = lanes[static_cast<std::size_t>(source_lane(Kind, i, lane->argument, lane->width))];
    lane->result = from != nullptr ? from->value : ~std::uint64_t{0};  // a lane outside the mask: undefined, here NaN
  }
}

}  // namespace

std::uint64_t shuffle(Shuffle kind, unsigned mask, std::uint64_t value, ShuffleLanes lanes, Where where) {
  const Collective& name = shuffle_names[static_cast<int>(kind)];
  const int width = lanes.width;
  if (width < 1 || width > 32 || (width & (width - 1)) != 0)
    fault(std::string(name.name) + ": width " + std::to_string(width) + " is not a power of two up to 32", where);
  Exchange mine{.value = value, .argument = lanes.argument, .width = width};
  switch (kind) {
    case Shuffle::index:
      meet(
          name, mask, mine, [](const auto& all) { shuffle_op<Shuffle::index>(all); }, where);
      break;
    case Shuffle::exclusive_or:
      meet(
          name, mask, mine, [](const auto& all) { shuffle_op<Shuffle::exclusive_or>(all); }, where);
      break;
    case Shuffle::down:
      meet(
          name, mask, mine, [](const auto& all) { shuffle_op<Shuffle::down>(all); }, where);
      break;
    case Shuffle::up:
      meet(
          name, mask, mine, [](const auto& all) { shuffle_op<Shuffle::up>(all); }, where);
      break;
  }
  return mine.result;
}

unsigned ballot(unsigned mask, bool predicate, const char* name, Where where) {
  Exchange mine{.predicate = predicate};
  constexpr auto op = [](const std::array<Exchange*, 32>& lanes) {
    ++machine().counters.collectives;
    std::uint64_t votes = 0;
    for (std::size_t i = 0; i < 32; ++i) votes |= static_cast<std::uint64_t>(lanes[i] != nullptr && lanes[i]->predicate) << i;
    for (Exchange* lane : lanes)
      if (lane != nullptr) lane->result = votes;
  };
  meet({name}, mask, mine, op, where);
  return static_cast<unsigned>(mine.result);
}

unsigned match_any(unsigned mask, std::uint64_t value, const char* name, Where where) {
  Exchange mine{.value = value};
  constexpr auto op = [](const std::array<Exchange*, 32>& lanes) {
    ++machine().counters.collectives;
    for (Exchange* lane : lanes)
      for (std::size_t i = 0; lane != nullptr && i < 32; ++i)
        lane->result |= static_cast<std::uint64_t>(lanes[i] != nullptr && lanes[i]->value == lane->value) << i;
  };
  meet({name}, mask, mine, op, where);
  return static_cast<unsigned>(mine.result);
}

void exchange_all(unsigned mask, std::uint64_t value, std::array<std::uint64_t, 32>& values, const char* name, Where where) {
  struct All {
    std::uint64_t value;
    std::array<std::uint64_t, 32>* values;
  } mine{value, &values};
  constexpr auto op = [](const std::array<All*, 32>& lanes) {
    ++machine().counters.collectives;
    for (All* lane : lanes)
      for (std::size_t i = 0; lane != nullptr && i < 32; ++i) (*lane->values)[i] = lanes[i] != nullptr ? lanes[i]->value : 0;
  };
  meet({name}, mask, mine, op, where);
}

void syncwarp(unsigned mask, Where where) {
  int nothing = 0;
  meet(
      {.name = "__syncwarp", .orders_memory = true}, mask, nothing, [](const std::array<int*, 32>&) { ++machine().counters.collectives; },
      where);
}

}  // namespace simt::detail

namespace vernier::cuda {

bool elect_one(simt::Where where) {
  using namespace simt::detail;
  struct Candidate {
    bool elected;
  } mine{false};
  constexpr auto op = [](const std::array<Candidate*, 32>& lanes) {
    Machine& m = machine();
    ++m.counters.collectives;
    const std::size_t lane = m.options.order == simt::Order::ascending    ? 0
                             : m.options.order == simt::Order::descending ? 31
                                                                          : m.random() % 32;
    lanes[lane]->elected = true;  // any: the PTX ISA does not say which
  };
  meet({.name = "elect.sync", .aligned = true}, all_lanes, mine, op, where);
  return mine.elected;
}

}  // namespace vernier::cuda
