// From features to one number, and the share of each feature in it.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "vernier/router/features.hpp"

namespace vernier {

/// How much each feature adds to the score. A prompt without any signal gets `unknown` itself: no evidence is not evidence of an easy
/// prompt.
struct ScoreWeights {
  float entropy = 0.20f, lexical_density = 0.25f, code = 0.30f, json = 0.15f, math = 0.35f, unknown = 0.50f;

  friend constexpr bool operator==(const ScoreWeights&, const ScoreWeights&) = default;
};

/// The order of Score::parts and of the names.
enum class Feature : unsigned char { entropy, lexical_density, code, json, math };

constexpr std::string_view name(Feature f) {
  constexpr std::string_view names[] = {"entropy", "lexical-density", "code", "json", "math"};
  return names[static_cast<int>(f)];
}

/// The sum of weight times feature, kept within [0, 1], and its summands.
struct Score {
  float value = 0;
  bool has_signal = false;
  std::array<float, 5> parts{};  // by Feature

  /// The feature to name as the reason: the one of code, JSON and mathematics that adds most, if it adds a tenth at least, since each
  /// text has entropy and density and they say little in the presence of such signs; otherwise whichever adds most.
  constexpr Feature leading() const {
    const auto topic = std::max_element(parts.begin() + static_cast<int>(Feature::code), parts.end());
    const auto most = *topic >= 0.1f ? topic : std::max_element(parts.begin(), parts.end());
    return static_cast<Feature>(most - parts.begin());
  }
};

/// Whether the prompt says anything that the features understand: a sign of code, JSON or mathematics, or at least three words of which
/// one in five is an English function word. A single word, other languages without such signs and an empty prompt do not.
constexpr bool has_signal(const Features& f) {
  return f.code > 0 || f.json > 0 || f.math > 0 || (f.words >= 3 && f.function_words * 5 >= f.words);
}

/// The score of these features. Pure; the same for the same input everywhere.
constexpr Score score(const ScoreWeights& w, const Features& f) {
  Score out{.has_signal = has_signal(f)};
  if (!out.has_signal) {
    out.value = w.unknown;
    return out;
  }
  out.parts = {w.entropy * f.entropy, w.lexical_density * f.lexical_density, w.code * f.code, w.json * f.json, w.math * f.math};
  float sum = 0;
  for (float part : out.parts) sum += part;
  out.value = std::clamp(sum, 0.0f, 1.0f);
  return out;
}

}  // namespace vernier
