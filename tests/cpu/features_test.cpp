// The instruction set that is used: forced ones are obeyed or refused by name.
#include "vernier/cpu/features.hpp"

#include <gtest/gtest.h>

#include <string>

namespace vernier::cpu {
namespace {

std::string refusal(Isa machine, std::string_view forced) {
  try {
    choose_isa(machine, forced);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Features, ForceAnInstructionSetThatTheMachineHas) {
  EXPECT_EQ(choose_isa(Isa::avx512, ""), Isa::avx512);
  EXPECT_EQ(choose_isa(Isa::avx512, "avx2"), Isa::avx2);
  EXPECT_EQ(choose_isa(Isa::avx2, "scalar"), Isa::scalar);
}

TEST(Features, RefuseOneThatItLacksOrThatIsNone) {
  EXPECT_EQ(refusal(Isa::avx2, "avx512"), "VERNIER_CPU: this machine has no avx512; the most it runs is avx2");
  EXPECT_EQ(refusal(Isa::avx512, "neon"), "VERNIER_CPU: 'neon' is no instruction set; expected scalar, avx2 or avx512");
}

TEST(Features, AreConsistent) {
  const Features found = detect_features();
  EXPECT_EQ(found.isa, features().isa);
  EXPECT_TRUE(!found.avx512_bf16 || found.isa == Isa::avx512);
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();  // a second opinion
  EXPECT_EQ(found.amd_family != 0, __builtin_cpu_is("amd") != 0);
  EXPECT_EQ(found.isa >= Isa::avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
  EXPECT_EQ(found.isa == Isa::avx512,
            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl"));
#endif
}

}  // namespace
}  // namespace vernier::cpu
