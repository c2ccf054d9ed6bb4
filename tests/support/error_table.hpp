// docs/errors.md lists what goes wrong and the message that it gets. A test that provokes the errors of one section compares them with the
// document, in both directions, so the document cannot go stale. Run a test with VERNIER_WRITE_ERRORS=1 to rewrite its section.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace vernier::test {

class ErrorTable {
 public:
  using Row = std::pair<std::string, std::string>;  // defect, message

  /// `section` is the heading without "## ".
  explicit ErrorTable(std::string section) : section_(std::move(section)) {}

  /// One provoked error. Newlines of the message become spaces; no text may contain '|'.
  void add(const std::string& defect, std::string message) {
    for (char& c : message) c = c == '\n' ? ' ' : c;
    EXPECT_EQ((defect + message).find('|'), std::string::npos) << defect;
    rows_.emplace_back(defect, std::move(message));
  }

  std::size_t size() const { return rows_.size(); }

  /// Call last: compares with the document, or rewrites it.
  void check() const {
    const std::string path = VERNIER_TEST_DATA "/../../docs/errors.md";
    std::ifstream in(path);
    std::stringstream all;
    all << in.rdbuf();
    std::string text = all.str();
    const std::string heading = "## " + section_ + "\n";
    const std::size_t at = text.find(heading);
    ASSERT_NE(at, std::string::npos) << path << " has no section " << section_;
    const std::size_t begin = at + heading.size(), next = text.find("\n## ", begin);
    const std::size_t end = next == std::string::npos ? text.size() : next;
    if (std::getenv("VERNIER_WRITE_ERRORS") != nullptr) {
      std::ofstream(path) << text.replace(begin, end - begin, rendered());
      return;
    }
    EXPECT_EQ(text.substr(begin, end - begin), rendered())
        << "docs/errors.md differs from what happens; if the new messages are right, run this test with VERNIER_WRITE_ERRORS=1";
  }

 private:
  std::string rendered() const {
    std::string out = "\n| defect | message |\n|---|---|\n";
    for (const auto& [defect, message] : rows_) out += "| " + defect + " | `" + message + "` |\n";
    return out;
  }

  std::string section_;
  std::vector<Row> rows_;
};

}  // namespace vernier::test
