// Libraries that the GPU benchmarks look for when they run: one that is missing leaves a reason.
#include "cuda/shared_library.hpp"

#include <gtest/gtest.h>

#include <cstddef>

#include "cuda/bitsandbytes.hpp"

namespace vernier::bench {
namespace {

TEST(SharedLibrary, TakesTheFirstThatIsThere) {
  SharedLibrary library({"", "/nowhere/libnothing.so", "libc.so.6"});
  EXPECT_EQ(library.why_not(), "");
  std::size_t (*length)(const char*) = nullptr;
  library.find("strlen", length);
  ASSERT_NE(length, nullptr);
  EXPECT_EQ(length("four"), 4u);
  void (*nothing)() = nullptr;
  library.find("there_is_no_such_function", nothing);
  EXPECT_EQ(nothing, nullptr);
  EXPECT_EQ(library.why_not(), "it has no there_is_no_such_function");
}

TEST(SharedLibrary, SaysWhyItIsMissing) {
  EXPECT_NE(SharedLibrary({"/nowhere/libnothing.so"}).why_not().find("libnothing"), std::string::npos);
  EXPECT_EQ(SharedLibrary({""}).why_not(), "no path was given");
  EXPECT_EQ(Bitsandbytes("libc.so.6").why_not(), "it has no cdequantize_blockwise_fp16_nf4");
}

}  // namespace
}  // namespace vernier::bench
