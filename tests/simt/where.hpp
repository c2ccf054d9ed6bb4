// Where in a kernel something happened, and the exception that tells it. Every emulated instruction takes a Where as its last argument.
#pragma once

#include <stdexcept>

namespace simt {

/// A place in the source: that of the caller, by its default argument. std::source_location would need clang 15.
struct Where {
  const char* file = "";
  unsigned line = 0;
  static constexpr Where here(const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) { return {file, line}; }
  friend constexpr bool operator==(const Where&, const Where&) = default;
};

/// A kernel did what a GPU forbids, or can never end. what() names the instruction, the values, the threads and the source lines.
class Fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace simt
