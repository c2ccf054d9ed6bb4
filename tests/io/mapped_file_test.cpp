// Mapping regular files, and the checks on names that every loader uses.
#include "common/io/mapped_file.hpp"

#include <gtest/gtest.h>

#include <utility>

#include "common/io/names.hpp"
#include "support/files.hpp"
#include "vernier/core/error.hpp"

namespace vernier {
namespace {

TEST(MappedFile, HoldsTheBytesAndOutlivesTheName) {
  const test::TemporaryFolder folder;
  const std::string path = folder.write("a", "hello");
  io::MappedFile file(path);
  std::filesystem::remove(path);
  const io::MappedFile moved = std::move(file);
  ASSERT_EQ(moved.size(), 5u);
  EXPECT_EQ(static_cast<char>(moved.bytes()[4]), 'o');
  EXPECT_EQ(moved.path(), path);
  moved.advise_streaming();
}

TEST(MappedFile, ReplacesAnother) {
  const test::TemporaryFolder folder;
  io::MappedFile file(folder.write("a", "one"));
  file = io::MappedFile(folder.write("b", "four"));
  EXPECT_EQ(file.size(), 4u);
}

TEST(MappedFile, TextIsLimited) {
  const test::TemporaryFolder folder;
  const std::string path = folder.write("a", "hello");
  EXPECT_EQ(io::read_text_file(path, 5), "hello");
  EXPECT_THROW(io::read_text_file(path, 4), Error);
}

TEST(MappedFile, RefusesAZeroByteInThePath) { EXPECT_THROW(io::MappedFile(std::string("/dev/null\0x", 11)), Error); }

TEST(Names, Utf8AsUnicodeDefinesIt) {
  for (const char* good : {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
                           "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(io::is_utf8(good)) << io::quoted(good);
  }
  for (const char* bad :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2x", "\xe0\x9f\xbf", "\xe1\x80", "\xed\xa0\x80", "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xe2\x82"}) {
    EXPECT_FALSE(io::is_utf8(bad)) << io::quoted(bad);
  }
}

TEST(Names, QuotesAreShortAndPrintable) {
  EXPECT_EQ(io::quoted("a\n\"\\\xff"), "\"a\\x0a\\x22\\x5c\\xff\"");
  EXPECT_EQ(io::quoted(std::string(1000, 'x')), "\"" + std::string(80, 'x') + "...\"");
}

}  // namespace
}  // namespace vernier
