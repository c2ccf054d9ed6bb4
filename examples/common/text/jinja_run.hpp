// The state of one rendering that every part needs: the limits and what was used of them, the current line, and how to fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/text/chat_template.hpp"

namespace vernier::text::jinja {

/// Counts work and refuses too much of it. One per rendering; not shared between threads.
class Run {
 public:
  explicit Run(const TemplateLimits& limits) : limits(limits) {}

  const TemplateLimits limits;
  int line = 1;
  std::int64_t now = 0;

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    throw TemplateError(concat("chat template, line ", line, ": ", parts...), line);
  }

  /// Pays for `count` visited nodes or elements.
  void step(std::size_t count = 1) {
    steps_ += static_cast<std::int64_t>(count);
    if (steps_ > limits.steps) fail("stopped after ", limits.steps, " steps; the template or the conversation is too large");
  }
  /// Pays for building `bytes` of text or list.
  void charge(std::size_t bytes) {
    if (bytes > limits.output_bytes) fail("a text or list of ", bytes, " bytes exceeds the limit of ", limits.output_bytes);
    work_ += bytes;
    if (work_ > limits.work_bytes) fail("stopped after building ", limits.work_bytes, " bytes of text and lists");
  }

 private:
  friend class Depth;
  std::int64_t steps_ = 0;
  std::size_t work_ = 0;
  int depth_ = 0;
};

/// Counts one level of recursion for as long as it lives.
class Depth {
 public:
  explicit Depth(Run& run) : run_(run) {
    if (++run_.depth_ > run_.limits.depth) {
      --run_.depth_;
      run_.fail("nested more than ", run_.limits.depth, " levels deep");
    }
  }
  ~Depth() { --run_.depth_; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;

 private:
  Run& run_;
};

}  // namespace vernier::text::jinja
