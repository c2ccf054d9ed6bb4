// Unicode normalisation over ICU, and the normalisation steps of a tokenizer.
#include <unicode/normalizer2.h>

#include <algorithm>

#include "common/text/tokenizer_impl.hpp"
#include "vernier/core/error.hpp"

namespace vernier::text {
namespace {

const icu::Normalizer2& normalizer(Normalization form) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* found = form == Normalization::nfc    ? icu::Normalizer2::getNFCInstance(status)
                                  : form == Normalization::nfd  ? icu::Normalizer2::getNFDInstance(status)
                                  : form == Normalization::nfkc ? icu::Normalizer2::getNFKCInstance(status)
                                                                : icu::Normalizer2::getNFKDInstance(status);
  expect(U_SUCCESS(status) && found, "vernier::text::normalize_utf8", "ICU has no normalisation data: ", u_errorName(status));
  return *found;
}

/// A stretch of UTF-8 without broken bytes.
void append_normalized(std::string& out, std::string_view text, const icu::Normalizer2& form) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::StringPiece piece(text.data(), static_cast<std::int32_t>(text.size()));
  if (form.isNormalizedUTF8(piece, status)) {
    out += text;
    return;
  }
  std::string changed;
  icu::StringByteSink<std::string> sink(&changed);
  form.normalizeUTF8(0, piece, sink, nullptr, status);
  expect(U_SUCCESS(status), "vernier::text::normalize_utf8", "ICU failed on ", text.size(), " bytes: ", u_errorName(status));
  out += changed;
}

struct Tracked {
  std::string text;
  std::vector<TextRange> trusted;

  void add(std::string_view part, bool is_trusted) {
    const std::size_t begin = text.size();
    text += part;
    if (!is_trusted || part.empty()) return;
    if (!trusted.empty() && trusted.back().end == begin)
      trusted.back().end = text.size();
    else
      trusted.push_back({begin, text.size()});
  }
};

/// Calls visit(part, trusted) for the stretches of `text` in order.
template <class Visit>
void for_each_stretch(std::string_view text, const std::vector<TextRange>& trusted, Visit visit) {
  std::size_t at = 0;
  for (const TextRange range : trusted) {
    if (at < range.begin) visit(text.substr(at, range.begin - at), false);
    visit(text.substr(range.begin, range.end - range.begin), true);
    at = range.end;
  }
  if (at < text.size()) visit(text.substr(at), false);
}

std::string replace_all(std::string_view text, const std::string& from, const std::string& to) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t found; !from.empty() && (found = text.find(from, at)) != std::string_view::npos; at = found + from.size()) {
    out += text.substr(at, found - at);
    out += to;
  }
  return out += text.substr(at);
}

}  // namespace

std::string normalize_utf8(std::string_view text, Normalization form) {
  const icu::Normalizer2& instance = normalizer(form);
  std::string out;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    if (c.state != Utf8Char::State::valid) {
      append_normalized(out, text.substr(begin, at - begin), instance);
      out += text.substr(at, c.bytes);
      begin = at + c.bytes;
    }
    at += c.bytes;
  }
  append_normalized(out, text.substr(begin), instance);
  return out;
}

std::string normalize_text(const std::vector<NormalizeStep>& steps, std::string text, std::vector<TextRange>* trusted) {
  static const std::vector<TextRange> nothing;
  for (const NormalizeStep& step : steps) {
    const std::vector<TextRange>& ranges = trusted ? *trusted : nothing;
    Tracked out;
    if (step.kind == NormalizeStep::Kind::prepend && !text.empty()) out.add(step.to, !ranges.empty() && ranges.front().begin == 0);
    // Each stretch by itself: a character that forms across the border of trusted text would belong to neither.
    for_each_stretch(text, ranges, [&](std::string_view part, bool is_trusted) {
      if (step.kind == NormalizeStep::Kind::unicode)
        out.add(normalize_utf8(part, step.form), is_trusted);
      else if (step.kind == NormalizeStep::Kind::replace)
        out.add(replace_all(part, step.from, step.to), is_trusted);
      else
        out.add(part, is_trusted);
    });
    text = std::move(out.text);
    if (trusted) *trusted = std::move(out.trusted);
  }
  return text;
}

}  // namespace vernier::text
