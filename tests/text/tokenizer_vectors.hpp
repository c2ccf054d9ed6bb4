// Reads what make_tokenizer_vectors.py wrote, and compares a tokenizer with it.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "common/text/tokenizer.hpp"
#include "vernier/core/error.hpp"

namespace vernier::test {

inline std::string read_data(const std::string& name) {
  std::ifstream in(std::string(VERNIER_TEST_DATA) + "/tokenizers/" + name, std::ios::binary);
  if (!in) throw std::runtime_error("no test data " + name);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Undoes \xNN.
inline std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text.substr(i, 2) == "\\x";
    out += escaped ? static_cast<char>(std::stoi(std::string(text.substr(i + 2, 2)), nullptr, 16)) : text[i];
    i += escaped ? 3 : 0;
  }
  return out;
}

/// The columns of every line.
inline std::vector<std::vector<std::string>> read_table(const std::string& name) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream in(read_data(name));
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string>& row = rows.emplace_back(1);
    for (const char c : line) {
      if (c == '\t')
        row.emplace_back();
      else
        row.back() += c;
    }
  }
  return rows;
}

inline std::vector<int> parse_ids(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<int>(in), {}};
}

/// Every vector of the file `name`, encoded as text or as the pieces of a chat, and decoded. Returns how many there were.
inline std::size_t check_vectors(const text::Tokenizer& tokenizer, const std::string& name) {
  const auto rows = read_table(name);
  const std::string before = unescape(rows.at(0).at(1)), after = unescape(rows.at(0).at(2));
  std::size_t wrong = 0;
  for (std::size_t i = 1; i < rows.size() && wrong < 10; ++i) {
    const std::string& mode = rows[i].at(0);
    const std::string text = unescape(rows[i].at(1));
    const std::vector<int> want = parse_ids(rows[i].at(2));
    const text::Piece pieces[] = {{before, true}, {text, false}, {after, true}};
    const std::vector<int> got = mode == "c" ? tokenizer.encode(std::span(pieces)) : tokenizer.encode(text, {.special = mode == "s"});
    EXPECT_EQ(got, want) << name << ":" << i + 1 << ": " << mode << " " << rows[i][1];
    wrong += got != want ? 1 : 0;
    if (mode != "c") {
      EXPECT_EQ(tokenizer.decode(want), unescape(rows[i].at(3))) << name << ":" << i + 1 << ": " << mode << " " << rows[i][1];
    }
  }
  return rows.size() - 1;
}

}  // namespace vernier::test
