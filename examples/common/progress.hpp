// Says how far long work is: one line that is rewritten on a terminal, a line at each quarter in a log.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "vernier/core/error.hpp"

namespace vernier {

/// Writes to standard error. One thread at a time.
class Progress {
 public:
  using Log = std::function<void(const std::string& line)>;

  /// `log` takes the lines where standard error is no terminal; without one they go there too.
  explicit Progress(Log log = {}) : log_(std::move(log)) {}

  /// `done` of `total` parts of `what`, for example "loading tier f16". Cheap enough for every part.
  void show(std::string_view what, std::size_t done, std::size_t total) {
    const int percent = total != 0 ? static_cast<int>(100 * done / total) : 100;
    if (what == what_ && percent == percent_) return;
    const std::string line = concat(what, " ", percent, " %");
    if (terminal_)
      std::fprintf(stderr, "\r%s%s", line.c_str(), percent == 100 ? "\n" : "");
    else if (what != what_ || percent / 25 != percent_ / 25)
      log_ ? log_(line) : static_cast<void>(std::fprintf(stderr, "%s\n", line.c_str()));
    what_ = what;
    percent_ = percent;
  }

 private:
  const bool terminal_ = ::isatty(STDERR_FILENO) != 0;
  Log log_;
  std::string what_;
  int percent_ = -1;
};

}  // namespace vernier
