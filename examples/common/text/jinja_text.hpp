// A string that remembers which of its bytes the template wrote itself. Everything else came with a request and is never trusted.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace vernier::text::jinja {

/// UTF-8 bytes and the ranges of them that are trusted: sorted, disjoint, not touching, none empty.
struct Text {
  struct Range {
    std::size_t begin = 0, end = 0;
  };
  std::string bytes;
  std::vector<Range> trusted;
  bool markup = false;  // made by the `safe` or `escape` filter: `+` escapes its other operand

  Text() = default;
  Text(std::string text, bool is_trusted);

  bool all_trusted() const { return trusted.size() == 1 && trusted[0].begin == 0 && trusted[0].end == bytes.size(); }
  void append(std::string_view text, bool is_trusted);
  void append(const Text& text) { append(text, 0, text.bytes.size()); }
  /// Appends bytes [begin, end) of `text` with their origin.
  void append(const Text& text, std::size_t begin, std::size_t end);
  Text slice(std::size_t begin, std::size_t end) const;

  /// Calls visit(bytes, trusted) for each stretch of one origin, in order.
  template <class Visit>
  void for_each_run(const Visit& visit) const {
    std::size_t at = 0;
    for (const Range& range : trusted) {
      if (range.begin > at) visit(std::string_view(bytes).substr(at, range.begin - at), false);
      visit(std::string_view(bytes).substr(range.begin, range.end - range.begin), true);
      at = range.end;
    }
    if (at < bytes.size()) visit(std::string_view(bytes).substr(at), false);
  }

 private:
  void trust(std::size_t begin, std::size_t end);
};

}  // namespace vernier::text::jinja
