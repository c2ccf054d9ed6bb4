// Names, sizes and the way from a precision to its type.
#include "vernier/types/precision.hpp"

#include <gtest/gtest.h>

#include <string>

#include "vernier/types/type_of.hpp"

namespace vernier {
namespace {

TEST(Precision, NamesComeBack) {
  for (const Precision p : all_precisions) EXPECT_EQ(parse_precision(name(p)), p);
  for (const char* wrong : {"", "F16", "f16 ", "int8", "f", "?"}) EXPECT_EQ(parse_precision(wrong), std::nullopt) << wrong;
}

TEST(Precision, TypesHoldTheirBits) {
  for (const Precision p : all_precisions) {
    if (p == Precision::f32) continue;
    visit_precision(p, [&]<Precision P>() {
      EXPECT_EQ(P, p);
      EXPECT_GE(sizeof(TypeOf<P>) * 8, static_cast<std::size_t>(bits(p)));
      EXPECT_EQ(sizeof(TypeOf<P>), sizeof(CodeOf<P>));
      EXPECT_EQ(TypeOf<P>::encode(1.0f).decode(), 1.0f);
      EXPECT_EQ(TypeOf<P>::encode(0.0f).decode(), 0.0f);
    });
  }
}

TEST(Precision, F32HasNoCodeType) {
  try {
    visit_precision(Precision::f32, []<Precision>() {});
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("f32"), std::string::npos) << e.what();
  }
}

static_assert(std::is_same_v<TypeOf<Precision::e4m3>, e4m3> && std::is_same_v<CodeOf<Precision::bf16>, std::uint16_t>);

}  // namespace
}  // namespace vernier
