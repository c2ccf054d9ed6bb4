// Metadata of well-formed GGUF files: every type, and what typed access says when the type is another.
#include "common/io/gguf.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <utility>

#include "support/files.hpp"
#include "support/gguf_writer.hpp"
#include "vernier/core/error.hpp"

namespace vernier {
namespace {

using test::GgufWriter;
using test::raw;

struct Opened {
  test::TemporaryFolder folder;
  io::Gguf file;
  explicit Opened(const GgufWriter& writer) : file(io::MappedFile(folder.write("a.gguf", writer.bytes()))) {}
};

std::string message_of(const auto& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Gguf, ReadsEveryTypeOfValue) {
  GgufWriter writer;
  writer.set("u8", 0, raw<std::uint8_t>(200)).set("i8", 1, raw<std::int8_t>(-100)).set("u16", 2, raw<std::uint16_t>(60000));
  writer.set("i16", 3, raw<std::int16_t>(-30000)).u32("u32", 4000000000u).set("i32", 5, raw<std::int32_t>(-2000000000));
  writer.f32("f32", 0.25f).flag("bool", true).text("string", "naïve").set("u64", 10, raw<std::uint64_t>(1ull << 40));
  writer.set("i64", 11, raw<std::int64_t>(-(1ll << 40))).set("f64", 12, raw(0.1)).set("large", 10, raw(~0ull));
  const Opened opened(writer);
  const io::Gguf& file = opened.file;
  EXPECT_EQ(file.integer("u8"), 200);
  EXPECT_EQ(file.integer("i8"), -100);
  EXPECT_EQ(file.integer("u16"), 60000);
  EXPECT_EQ(file.integer("i16"), -30000);
  EXPECT_EQ(file.integer("u32"), 4000000000ll);
  EXPECT_EQ(file.integer("i32"), -2000000000);
  EXPECT_EQ(file.integer("u64"), 1ll << 40);
  EXPECT_EQ(file.integer("i64"), -(1ll << 40));
  EXPECT_EQ(file.integer("large"), std::numeric_limits<std::int64_t>::max());  // clipped, so it fails every range check
  EXPECT_EQ(file.number("f32"), 0.25);
  EXPECT_EQ(file.number("f64"), 0.1);
  EXPECT_EQ(file.number("i8"), -100);
  EXPECT_TRUE(file.flag_or("bool", false));
  EXPECT_EQ(file.text("string"), "naïve");
  EXPECT_EQ(file.integer_or("missing", 7), 7);
  EXPECT_EQ(file.number_or("missing", 0.5), 0.5);
  EXPECT_EQ(file.text_or("missing", "x"), "x");
  EXPECT_TRUE(file.flag_or("missing", true));
}

TEST(Gguf, ReadsArrays) {
  GgufWriter writer;
  writer.texts("tokens", {"a", "", "ü"}).array("types", 5, 3, raw(1) + raw(-3) + raw(6)).array("scores", 6, 2, raw(0.5f) + raw(-1.0f));
  writer.array("none", 8, 0, "").array("long", 11, 1, raw(1ll << 31));
  const Opened opened(writer);
  const io::Gguf& file = opened.file;
  EXPECT_EQ(file.texts("tokens"), (std::vector<std::string_view>{"a", "", "ü"}));
  EXPECT_EQ(file.integers("types"), (std::vector<std::int32_t>{1, -3, 6}));
  EXPECT_EQ(file.numbers("scores"), (std::vector<float>{0.5f, -1.0f}));
  EXPECT_EQ(file.numbers("types"), (std::vector<float>{1, -3, 6}));
  EXPECT_EQ(file.length("tokens"), 3u);
  EXPECT_EQ(file.length("missing"), 0u);
  EXPECT_TRUE(file.texts("none").empty());
  EXPECT_NE(message_of([&] { file.integers("long"); }).find("\"long\"[0] = 2147483648, expected a 32-bit integer"), std::string::npos);
}

TEST(Gguf, NamesTheKeyAndBothTypes) {
  GgufWriter writer;
  writer.u32("number", 1).text("text", "x").texts("texts", {"x"}).text("bytes", "\xff");
  const Opened opened(writer);
  const io::Gguf& file = opened.file;
  const auto ends = [&](const auto& call, const std::string& end) {
    const std::string message = message_of(call);
    EXPECT_EQ(message, file.path() + ": " + end);
  };
  ends([&] { file.text("number"); }, "\"number\" has type u32, expected string");
  ends([&] { file.integer("text"); }, "\"text\" has type string, expected an integer");
  ends([&] { file.integer("texts"); }, "\"texts\" has type array of string, expected a single value");
  ends([&] { file.integers("texts"); }, "\"texts\" has type array of string, expected array of integers");
  ends([&] { file.texts("text"); }, "\"text\" has type string, expected array");
  ends([&] { file.flag_or("number", true); }, "\"number\" has type u32, expected bool");
  ends([&] { file.text_or("number", ""); }, "\"number\" has type u32, expected string");
  ends([&] { file.number("missing"); }, "the metadata key \"missing\" is missing");
  ends([&] { file.text("bytes"); }, "\"bytes\" = \"\\xff\" is not UTF-8");
}

TEST(Gguf, FindsTensorsWhereTheyAre) {
  GgufWriter writer;
  writer.alignment = 64;
  writer.u32("general.alignment", 64).f32_tensor("b", {3}, {1, 2, 3}).f32_tensor("a", {2, 2}, {4, 5, 6, 7});
  const Opened opened(writer);
  ASSERT_EQ(opened.file.tensors().size(), 2u);
  const io::GgufTensor* a = opened.file.find_tensor("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->num_dims, 2);
  EXPECT_EQ(a->values(), 4u);
  float values[4];
  std::memcpy(values, a->data.data(), sizeof values);
  EXPECT_EQ(values[3], 7);
  EXPECT_EQ(opened.file.find_tensor("c"), nullptr);
  EXPECT_EQ(opened.file.tensors()[0].name, "b");
}

TEST(Gguf, ViewsSurviveAMove) {
  GgufWriter writer;
  writer.text("key", "value");
  Opened opened(writer);
  const std::string_view before = opened.file.text("key");
  const io::Gguf moved = std::move(opened.file);
  EXPECT_EQ(before, "value");
  EXPECT_EQ(moved.text("key").data(), before.data());
}

TEST(Gguf, VersionTwoIsReadToo) {
  GgufWriter writer = test::small_llama();
  writer.version = 2;
  EXPECT_EQ(Opened(writer).file.text("general.architecture"), "llama");
}

}  // namespace
}  // namespace vernier
