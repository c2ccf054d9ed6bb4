#include "evaluate/sequences.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string_view>
#include <utility>

#include "common/io/mapped_file.hpp"
#include "common/text/tokenizer.hpp"
#include "vernier/core/error.hpp"

namespace vernier::evaluate {
namespace {

constexpr std::size_t text_limit = std::size_t{1} << 30;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; }

std::vector<int> parse_line(const std::string& path, int number, std::string_view line, int vocab) {
  std::vector<int> ids;
  while (true) {
    while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
    if (line.empty()) return ids;
    const std::size_t length = static_cast<std::size_t>(std::find_if(line.begin(), line.end(), is_space) - line.begin());
    const std::string_view word = line.substr(0, length);
    int id = -1;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    expect(error == std::errc() && end == word.data() + word.size() && id >= 0 && id < vocab, path, "line ", number, ": '",
           word.substr(0, 40), "' is not a token id from 0 to ", vocab - 1);
    ids.push_back(id);
    line.remove_prefix(length);
  }
}

}  // namespace

Sequences read_tokens(const std::string& path, int vocab, int context) {
  const std::string text = io::read_text_file(path, text_limit);
  Sequences sequences;
  int number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::vector<int> ids = parse_line(path, ++number, std::string_view(text).substr(at, end - at), vocab);
    expect(ids.size() <= static_cast<std::size_t>(context), path, "line ", number, " has ", ids.size(), " ids, more than the context of ",
           context, "; split it, or raise --ctx-size");
    if (!ids.empty()) sequences.push_back(std::move(ids));
    at = end + 1;
  }
  expect(!sequences.empty(), path, "holds no token ids");
  return sequences;
}

Sequences read_text(const std::string& path, const io::Checkpoint& checkpoint, int context) {
  const text::Tokenizer tokenizer =
      checkpoint.gguf() != nullptr ? text::Tokenizer::from_gguf(*checkpoint.gguf()) : text::Tokenizer::from_folder(checkpoint.path());
  const std::vector<int> ids = tokenizer.encode(io::read_text_file(path, text_limit), {.add_bos = tokenizer.add_bos_by_default()});
  expect(ids.size() >= 2, path, "is too short: ", ids.size(), " tokens, expected at least 2");
  Sequences sequences;
  for (std::size_t at = 0; at < ids.size(); at += static_cast<std::size_t>(context)) {
    const std::size_t count = std::min(ids.size() - at, static_cast<std::size_t>(context));
    sequences.emplace_back(ids.begin() + static_cast<std::ptrdiff_t>(at), ids.begin() + static_cast<std::ptrdiff_t>(at + count));
  }
  return sequences;
}

}  // namespace vernier::evaluate
