#include "server/engine/answer_text.hpp"

#include <algorithm>
#include <utility>

namespace vernier::serve {

StopMatcher::StopMatcher(std::vector<std::string> stops) {
  for (std::string& stop : stops) {
    Pattern p{std::move(stop), {}, 0};
    p.shorter.assign(p.text.size(), 0);
    for (std::size_t i = 1, k = 0; i < p.text.size(); ++i) {
      while (k > 0 && p.text[i] != p.text[k]) k = p.shorter[k - 1];
      if (p.text[i] == p.text[k]) ++k;
      p.shorter[i] = k;
    }
    patterns_.push_back(std::move(p));
  }
}

int StopMatcher::push(char byte) {
  int found = -1;
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    Pattern& p = patterns_[i];
    while (p.matched > 0 && p.text[p.matched] != byte) p.matched = p.shorter[p.matched - 1];
    if (p.text[p.matched] == byte) ++p.matched;
    if (p.matched < p.text.size()) continue;
    p.matched = p.shorter[p.matched - 1];
    if (found < 0 || p.text.size() > stop(found).size()) found = static_cast<int>(i);
  }
  return found;
}

std::size_t StopMatcher::held() const {
  std::size_t most = 0;
  for (const Pattern& p : patterns_) most = std::max(most, p.matched);
  return most;
}

namespace {

// What the bytes at the front are: `length` bytes of a character (or of a broken one's start), or not enough to tell.
struct Character {
  std::size_t length = 1;
  bool whole = false;
  bool needs_more = false;
};

// Well-formed sequences as the Unicode Standard lists them (table 3-7): the second byte of E0, ED, F0 and F4 has a narrower range.
Character character_at(std::string_view s) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {1, true, false};
  const std::size_t length = lead >= 0xC2 && lead <= 0xDF ? 2 : lead >= 0xE0 && lead <= 0xEF ? 3 : lead >= 0xF0 && lead <= 0xF4 ? 4 : 1;
  if (length == 1) return {1, false, false};
  for (std::size_t i = 1; i < length; ++i) {
    if (i == s.size()) return {i, false, true};
    const unsigned low = i == 1 && lead == 0xE0 ? 0xA0 : i == 1 && lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = i == 1 && lead == 0xED ? 0x9F : i == 1 && lead == 0xF4 ? 0x8F : 0xBF;
    if (byte(i) < low || byte(i) > high) return {i, false, false};
  }
  return {length, true, false};
}

}  // namespace

int take_characters(std::string& bytes, bool final, std::string& out) {
  int broken = 0;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const Character c = character_at(std::string_view(bytes).substr(at));
    if (c.needs_more && !final) break;
    if (c.whole)
      out.append(bytes, at, c.length);
    else
      out += "\xEF\xBF\xBD", ++broken;
    at += c.length;
  }
  bytes.erase(0, at);
  return broken;
}

AnswerText::Released AnswerText::push(GeneratedToken token) {
  const std::size_t begin = released_ + text_.size();
  bytes_ += token.bytes;
  tokens_.push_back({std::move(token), begin, begin});
  return grow(false);
}

AnswerText::Released AnswerText::flush() { return grow(true); }

AnswerText::Released AnswerText::grow(bool final) {
  std::string fresh;
  take_characters(bytes_, final, fresh);
  Released out;
  for (char byte : fresh) {
    text_ += byte;
    const int stop = matcher_.push(byte);
    if (stop < 0) continue;
    out.stopped = true;
    out.stop = matcher_.stop(stop);
    release(text_.size() - out.stop.size(), true, out);
    return out;
  }
  // A token that ends inside a character goes out with the character.
  if (!tokens_.empty()) tokens_.back().end = released_ + text_.size() + (bytes_.empty() ? 0 : 1);
  release(final ? text_.size() : text_.size() - matcher_.held(), final, out);
  return out;
}

void AnswerText::release(std::size_t until, bool over, Released& out) {
  out.text = text_.substr(0, until);
  text_.erase(0, until);
  released_ += until;
  while (!tokens_.empty() && (over ? tokens_.front().begin < released_ || !out.stopped : tokens_.front().end <= released_)) {
    out.tokens.push_back(std::move(tokens_.front().token));
    tokens_.pop_front();
  }
}

}  // namespace vernier::serve
