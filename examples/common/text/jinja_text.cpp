// Appending and slicing of text with its origin.
#include "common/text/jinja_text.hpp"

#include <algorithm>

namespace vernier::text::jinja {

Text::Text(std::string text, bool is_trusted) : bytes(std::move(text)) {
  if (is_trusted) trust(0, bytes.size());
}

void Text::trust(std::size_t begin, std::size_t end) {
  if (begin == end) return;
  if (!trusted.empty() && trusted.back().end == begin)
    trusted.back().end = end;
  else
    trusted.push_back({begin, end});
}

void Text::append(std::string_view text, bool is_trusted) {
  const std::size_t begin = bytes.size();
  bytes += text;
  if (is_trusted) trust(begin, bytes.size());
}

void Text::append(const Text& text, std::size_t begin, std::size_t end) {
  const std::size_t at = bytes.size();
  bytes.append(text.bytes, begin, end - begin);
  auto range = std::lower_bound(text.trusted.begin(), text.trusted.end(), begin, [](const Range& r, std::size_t b) { return r.end <= b; });
  for (; range != text.trusted.end() && range->begin < end; ++range)
    trust(at + std::max(range->begin, begin) - begin, at + std::min(range->end, end) - begin);
}

Text Text::slice(std::size_t begin, std::size_t end) const {
  Text out;
  out.append(*this, begin, end);
  out.markup = markup;
  return out;
}

}  // namespace vernier::text::jinja
