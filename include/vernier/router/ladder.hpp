// Request routing: a ladder of tiers over the score, fixed and checked while compiling, and the decision with its reason.
#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>

#include "vernier/core/error.hpp"
#include "vernier/policy/tier.hpp"
#include "vernier/router/score.hpp"

namespace vernier {

/// A tier, and the scores that it serves: those below `below` that no rung before it took.
struct Rung {
  static constexpr float unbounded = std::numeric_limits<float>::infinity();
  Tier tier = {};
  float below = unbounded;

  friend constexpr bool operator==(const Rung&, const Rung&) = default;
};

/// Three tiers from the cheapest to the most exact. Structural, so that it can be a template argument.
struct Ladder {
  ScoreWeights score = {};
  std::array<Rung, 3> rungs = {};

  /// The rung that serves this score.
  constexpr std::size_t rung_of(float value) const {
    std::size_t i = 0;
    while (i + 1 < rungs.size() && !(value < rungs[i].below)) ++i;
    return i;
  }

  friend constexpr bool operator==(const Ladder&, const Ladder&) = default;
};

namespace detail {

// Whether a number may be a weight.
constexpr bool is_weight(float w) { return w >= 0 && w <= 1; }  // false for a NaN

/// Thresholds in thousandths, so that the compiler prints them: ladder_order<650, 350>.
template <int Below, int NextBelow>
struct ladder_order {
  static_assert(0 < Below, "vernier::Ladder: the first threshold must be above 0, or its tier serves nothing");
  static_assert(Below < NextBelow, "vernier::Ladder: thresholds must ascend; this one, in thousandths, is not below the next");
  static_assert(NextBelow <= 1000, "vernier::Ladder: scores end at 1, so a threshold above 1000 thousandths leaves the last tier nothing");
  static constexpr bool holds = true;
};

// Template arguments print as numbers in every compiler, floats do not.
constexpr int thousandths(float x) { return x >= 0 && x <= 1000 ? static_cast<int>(x * 1000 + 0.5f) : -1; }

}  // namespace detail

/// Refuses, while compiling, a ladder that cannot route. One rule each; numbers are in the message.
template <Ladder L>
constexpr bool check() {
  static_assert(detail::is_weight(L.score.entropy) && detail::is_weight(L.score.lexical_density) && detail::is_weight(L.score.code) &&
                    detail::is_weight(L.score.json) && detail::is_weight(L.score.math),
                "vernier::Ladder: each weight of the score must be from 0 to 1");
  static_assert(L.rungs[2].below == Rung::unbounded, "vernier::Ladder: the last tier takes every score that is left; give it no `below`");
  static_assert(detail::ladder_order<detail::thousandths(L.rungs[0].below), detail::thousandths(L.rungs[1].below)>::holds,
                "vernier::Ladder: see ladder_order");
  static_assert(detail::is_weight(L.score.unknown) && L.rung_of(L.score.unknown) == 1,
                "vernier::Ladder: `unknown` must lead to the middle tier; no signal is no evidence of an easy prompt");
  static_assert(L.rungs[0].tier.weights != L.rungs[1].tier.weights && L.rungs[1].tier.weights != L.rungs[2].tier.weights &&
                    L.rungs[0].tier.weights != L.rungs[2].tier.weights,
                "vernier::Ladder: tiers go by the name of their weights, so no two may have the same");
  return check<L.rungs[0].tier>() && check<L.rungs[1].tier>() && check<L.rungs[2].tier>();
}

/// Why a request runs at its tier.
enum class Reason : unsigned char {
  forced,       // the request named the tier
  no_signal,    // nothing that the features understand: middle tier
  session,      // an earlier turn of the session reached a higher tier
  unavailable,  // the tier of the score is not loaded; the next higher one, or else the highest there is
  easy,         // has signal, and the score is below the first threshold
  entropy,      // from here on: the score asks for this tier, and this is Score::leading()
  lexical_density,
  code,
  json,
  math,
};

constexpr std::string_view name(Reason r) {
  constexpr std::string_view names[] = {"forced",  "no-signal",       "session", "unavailable", "easy",
                                        "entropy", "lexical-density", "code",    "json",        "math"};
  return names[static_cast<int>(r)];
}

/// What was decided, and everything that led to it. `score` and `features` are there also when the tier was forced.
struct Decision {
  std::size_t rung = 1;
  Tier tier = {};
  Reason reason = Reason::no_signal;
  Score score = {};
  Features features = {};
};

/// What may overrule the score.
struct RouteOptions {
  std::string_view forced = {};                        // name of a tier; empty to let the score decide
  std::size_t at_least = 0;                            // rung that the session has reached
  std::array<bool, 3> available = {true, true, true};  // rungs whose weights are loaded
};

/// Routes requests up a ladder. Holds nothing; route() may be called from any thread.
template <Ladder L>
struct RequestRouter {
  static_assert(check<L>(), "vernier::RequestRouter: see check<Ladder>()");
  static constexpr Ladder ladder = L;

  /// Throws Error when the forced tier is unknown or not loaded, or nothing is; the message names the choices.
  static Decision route(std::string_view prompt, const RouteOptions& options = {}) {
    Decision out{.features = extract_features(prompt)};
    out.score = score(L.score, out.features);
    if (!options.forced.empty()) {
      out.rung = forced_rung(options);
      out.reason = Reason::forced;
    } else {
      decide(out, options);
    }
    out.tier = L.rungs[out.rung].tier;
    return out;
  }

 private:
  // In the order of precedence: the score, then the session, then what is loaded.
  static void decide(Decision& out, const RouteOptions& options) {
    out.rung = L.rung_of(out.score.value);
    out.reason = !out.score.has_signal ? Reason::no_signal
                 : out.rung == 0       ? Reason::easy
                                       : static_cast<Reason>(static_cast<int>(Reason::entropy) + static_cast<int>(out.score.leading()));
    if (options.at_least > out.rung && options.at_least < L.rungs.size()) {
      out.rung = options.at_least;
      out.reason = Reason::session;
    }
    if (options.available[out.rung]) return;
    out.reason = Reason::unavailable;
    std::size_t rung = out.rung;
    while (rung < L.rungs.size() && !options.available[rung]) ++rung;
    for (std::size_t i = 0; rung == L.rungs.size() && i < L.rungs.size(); ++i)
      if (options.available[L.rungs.size() - 1 - i]) rung = L.rungs.size() - 1 - i;
    expect(rung < L.rungs.size(), "vernier::RequestRouter", "no tier is loaded; load at least one of ", names({true, true, true}));
    out.rung = rung;
  }

  // A forced tier is never replaced by another one: the user asked for this one.
  static std::size_t forced_rung(const RouteOptions& options) {
    for (std::size_t i = 0; i < L.rungs.size(); ++i)
      if (options.available[i] && name(L.rungs[i].tier) == options.forced) return i;
    fail("vernier::RequestRouter", "no tier '", options.forced, "'; loaded are ", names(options.available));
  }

  // For messages.
  static std::string names(const std::array<bool, 3>& which) {
    std::string out;
    for (std::size_t i = 0; i < L.rungs.size(); ++i)
      if (which[i]) out += (out.empty() ? "" : ", ") + std::string(name(L.rungs[i].tier));
    return out.empty() ? "none" : out;
  }
};

/// One line for logs: "i8: code, score 0.52 = entropy 0.13 + lexical-density 0.12 + code 0.27".
inline std::string explain(const Decision& d) {
  std::string out = concat(name(d.tier), ": ", name(d.reason), ", score ", d.score.value);
  if (!d.score.has_signal) return out + " (no signal)";
  std::string_view sign = " = ";
  for (std::size_t i = 0; i < d.score.parts.size(); ++i) {
    if (d.score.parts[i] <= 0) continue;
    out += concat(sign, name(static_cast<Feature>(i)), " ", d.score.parts[i]);
    sign = " + ";
  }
  return out;
}

/// The default: see docs/routing.md for where these numbers come from and what they are worth.
inline constexpr Ladder production{
    .score = {.entropy = 0.20f, .lexical_density = 0.25f, .code = 0.30f, .json = 0.15f, .math = 0.35f, .unknown = 0.50f},
    .rungs = {Rung{.tier = {.weights = Precision::nf4, .activations = Precision::i8, .kv = Precision::e4m3}, .below = 0.35f},
              Rung{.tier = {.weights = Precision::i8, .activations = Precision::i8, .kv = Precision::e4m3}, .below = 0.65f},
              Rung{.tier = {.weights = Precision::f16, .kv = Precision::f16}}}};
static_assert(check<production>(), "vernier::production: see check<Ladder>()");

}  // namespace vernier
