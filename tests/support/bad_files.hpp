// Runs one crafted defect: opening must throw Error quickly, with little memory, and with a message of one to three lines that names the
// file. Brings the counted operators, so include it in one source file of a program.
#pragma once

#include <gtest/gtest.h>

#include <ctime>
#include <string>

#include "support/counted_memory.hpp"
#include "support/error_table.hpp"
#include "support/files.hpp"
#include "vernier/core/error.hpp"

namespace vernier::test {

/// Calls `open`, which is to refuse `path` inside `folder`, and enters its message in `table`. `bytes` is the size of what it reads.
template <class Open>
void expect_refused(ErrorTable& table, const TemporaryFolder& folder, const std::string& defect, std::size_t bytes, const Open& open) {
  SCOPED_TRACE(defect);
  std::string message;
  const std::size_t start = CountedMemory::start();
  const std::clock_t began =
      std::clock();  // processor time, so that a busy machine fails nothing; what blocks meets the time limit of ctest
  try {
    open();
    ADD_FAILURE() << "was accepted";
    return;
  } catch (const Error& error) {
    message = error.what();
  }
  const std::size_t peak = CountedMemory::peak_since(start);
  const double seconds = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
  EXPECT_LT(seconds, 2.0);
  // A valid file of JSON takes at most the text and eight times as much for its values; 64 KiB cover names, messages and parser state.
  EXPECT_LT(peak, (std::size_t{1} << 16) + 16 * bytes);

  const std::size_t at = message.find(folder.path());
  EXPECT_EQ(at, 0u) << "the message does not begin with the file: " << message;
  EXPECT_LE(message.size(), 400u) << message;
  for (std::size_t found = at; found != message.npos; found = message.find(folder.path())) {
    const bool inside = message.compare(found + folder.path().size(), 1, "/") == 0;
    message.replace(found, folder.path().size() + (inside ? 1 : 0), inside ? "" : "folder");
  }
  table.add(defect, message);
}

}  // namespace vernier::test
