// Ids to text, at once or as they come.
#include "common/text/tokenizer_impl.hpp"
#include "vernier/core/error.hpp"

namespace vernier::text {

std::string Tokenizer::decode(std::span<const int> ids, DecodeOptions options) const {
  Decoder decoder(*this, options);
  std::string out;
  for (const int id : ids) out += decoder.push(id);
  return out += decoder.flush();
}

Decoder::Decoder(Tokenizer tokenizer, DecodeOptions options)
    : tokenizer_(std::move(tokenizer)), options_(options), at_start_(!options.continues && tokenizer_.impl().spec.strip_space) {}

std::string Decoder::push(int id) {
  std::string_view bytes = tokenizer_.bytes(id);
  if (bytes.empty() || (options_.skip_special && tokenizer_.impl().is_control(id))) return {};
  if (at_start_ && bytes[0] == ' ') bytes.remove_prefix(1);
  at_start_ = false;
  pending_ += bytes;
  return take(false);
}

std::string Decoder::flush() {
  at_start_ = !options_.continues && tokenizer_.impl().spec.strip_space;
  return take(true);
}

/// Moves whole characters out of `pending_`; with `all` also what is incomplete.
std::string Decoder::take(bool all) {
  std::string out;
  std::size_t at = 0;
  while (at < pending_.size()) {
    const Utf8Char c = utf8_at(pending_, at);
    if (c.state == Utf8Char::State::truncated && !all) break;
    if (c.state == Utf8Char::State::valid || !options_.replace_invalid)
      out.append(pending_, at, c.bytes);
    else
      append_utf8_char(out, c.value);
    at += c.bytes;
  }
  pending_.erase(0, at);
  return out;
}

}  // namespace vernier::text
