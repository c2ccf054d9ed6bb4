// Families of probes as a parameterised test: every family, in every schedule of the emulator.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <tuple>

#include "cuda/machine_emulated.hpp"
#include "cuda/probe.hpp"

namespace simt {
inline void PrintTo(const Options& options, std::ostream* out) { *out << to_string(options); }
}  // namespace simt

namespace vernier::probes {

using EmulatedFamily = Family<EmulatedMachine>;

class Probes : public testing::TestWithParam<std::tuple<EmulatedFamily, simt::Options>> {
 protected:
  static void expect_right() {
    const auto& [family, options] = GetParam();
    EmulatedMachine machine(options);
    std::vector<Outcome> outcomes;
    family.probe(machine, outcomes);
    EXPECT_FALSE(outcomes.empty());
    for (const Outcome& outcome : outcomes) {
      EXPECT_EQ(outcome.wrong, 0) << outcome.name << ": " << outcome.example;
      EXPECT_GT(outcome.checked, 0) << outcome.name;
    }
  }
};

inline void PrintTo(const EmulatedFamily& family, std::ostream* out) { *out << family.name; }

/// "Matrix_ascending", "Matrix_random1".
inline std::string name_of(const testing::TestParamInfo<Probes::ParamType>& info) {
  const auto& [family, options] = info.param;
  const char* orders[] = {"ascending", "descending", "random"};
  const std::string seed = options.order == simt::Order::random ? std::to_string(options.seed) : "";
  return std::string(family.name) + "_" + orders[static_cast<int>(options.order)] + seed;
}

}  // namespace vernier::probes
