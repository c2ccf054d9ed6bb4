// What becomes of the many things that a benchmark tries: measured, failed, or left because time was up.
#pragma once

#include <cstdio>

#include "cuda/plan.hpp"
#include "cuda/row.hpp"
#include "vernier/core/error.hpp"

namespace vernier::bench {

class Tally {
 public:
  /// A device that has failed once may fail at everything: after so many failures in a row nothing more is tried.
  static constexpr int most_failures = 5;

  explicit Tally(int seconds) : deadline_(seconds) {}

  /// Runs `measure`, if there is time. An Error becomes a line of kind "error", and the rest goes on: device time is dear.
  template <class F>
  void attempt(F&& measure) {
    if (deadline_.passed() || in_a_row_ == most_failures) {
      ++left_;
      return;
    }
    try {
      measure();
      in_a_row_ = 0;
    } catch (const Error& error) {
      Row("error").add("message", error.what()).print();
      ++failed_;
      ++in_a_row_;
    }
  }

  int left() const { return left_; }
  int failed() const { return failed_; }

  /// The last line, of kind "end", and the status of the program: 1 if anything has failed.
  int finish() const {
    Row("end").add("not_measured_for_time", left_).add("failed", failed_).print();
    if (failed_ != 0) std::fprintf(stderr, "%d of what was tried has failed\n", failed_);
    return failed_ == 0 ? 0 : 1;
  }

 private:
  Deadline deadline_;
  int left_ = 0, failed_ = 0, in_a_row_ = 0;
};

}  // namespace vernier::bench
