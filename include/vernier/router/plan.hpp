// A layer plan: which format each weight matrix gets, by its name. A tier is a plan; most plans name one format, some mix them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vernier/core/error.hpp"
#include "vernier/layout/weight_format.hpp"
#include "vernier/policy/tier.hpp"

namespace vernier {

/// Whether `text` as a whole fits `pattern`: * stands for any run of characters, ? for one. Needs no memory; at worst pattern times text.
constexpr bool matches_glob(std::string_view pattern, std::string_view text) {
  // On a mismatch the last star takes one character more. An earlier star never has to be reconsidered.
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

/// One line of a plan.
struct PlanRule {
  std::string pattern;  // of tensor names; also tried on the name without its ".weight"
  Precision format = Precision::f16;
  int line = 0;  // where it stands in the file, from 1; 0 for a built-in plan

  /// Whether the rule speaks of this tensor.
  bool matches(std::string_view tensor) const {
    constexpr std::string_view suffix = ".weight";
    return matches_glob(pattern, tensor) ||
           (tensor.ends_with(suffix) && matches_glob(pattern, tensor.substr(0, tensor.size() - suffix.size())));
  }
};

/// Rules in order, the first that matches wins, and a format for the rest. Immutable once made, so threads may share it.
class LayerPlan {
 public:
  /// All matrices in one format.
  explicit LayerPlan(Precision everything, std::vector<PlanRule> rules = {}) : fallback_(everything), rules_(std::move(rules)) {}
  /// The plan of a tier: every linear layer in the format of its weights.
  explicit LayerPlan(const Tier& tier) : LayerPlan(tier.weights) {}

  /// Reads a plan: one `pattern = format` a line, `#` starts a comment, and one `default = format` that may stand anywhere.
  /// Throws Error with `where` (a file name), the line, what is wrong there and the choices.
  static LayerPlan parse(std::string_view text, std::string_view where = "plan");

  /// The format of the matrix with this name, such as "model.layers.0.mlp.up_proj.weight".
  Precision format(std::string_view tensor) const {
    for (const PlanRule& rule : rules_)
      if (rule.matches(tensor)) return rule.format;
    return fallback_;
  }

  /// Rules that decide for none of these tensors: misspelt, or behind a rule that takes all of theirs.
  std::vector<PlanRule> unused(std::span<const std::string> tensors) const;

  /// The format of what no rule names.
  Precision fallback() const { return fallback_; }
  /// The rules in their order.
  const std::vector<PlanRule>& rules() const { return rules_; }
  /// The plan as parse() reads it.
  std::string text() const;

 private:
  Precision fallback_;
  std::vector<PlanRule> rules_;
};

namespace detail {

/// Formats that weights can be stored in, for messages.
inline std::string weight_format_names() {
  std::string out;
  for (Precision p : all_precisions)
    if (why_unsupported(default_format(p)).empty()) out += (out.empty() ? "" : ", ") + std::string(name(p));
  return out;
}

// Without the blanks around it, and without the \r of files from elsewhere.
constexpr std::string_view trim_plan(std::string_view text) {
  constexpr std::string_view space = " \t\r";
  const std::size_t begin = text.find_first_not_of(space);
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

/// The part of a line of somebody's file that a message may show.
inline std::string excerpt(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, 60)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out + (text.size() > 60 ? "..." : "");
}

/// `pattern = format` as a rule.
inline PlanRule parse_rule(std::string_view line, int number, std::string_view where) {
  const std::size_t equals = line.find('=');
  expect(equals != std::string_view::npos, where, "line ", number, ": expected `pattern = format`, got '", excerpt(line), "'");
  const std::string_view pattern = trim_plan(line.substr(0, equals)), format = trim_plan(line.substr(equals + 1));
  expect(!pattern.empty(), where, "line ", number, ": no pattern before '='; write one such as `*.mlp.* = nf4`, or `default = nf4`");
  expect(pattern.find_first_of(" \t") == std::string_view::npos, where, "line ", number, ": the pattern '", excerpt(pattern),
         "' holds a space");
  const std::optional<Precision> precision = parse_precision(format);
  expect(precision && why_unsupported(default_format(*precision)).empty(), where, "line ", number, ": unknown format '", excerpt(format),
         "'; choose one of ", weight_format_names());
  return {std::string(pattern), *precision, number};
}

}  // namespace detail

inline LayerPlan LayerPlan::parse(std::string_view text, std::string_view where) {
  std::vector<PlanRule> rules;
  PlanRule fallback;
  int number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    line = detail::trim_plan(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    PlanRule rule = detail::parse_rule(line, number, where);
    if (rule.pattern != "default") {
      rules.push_back(std::move(rule));
      continue;
    }
    expect(fallback.line == 0, where, "line ", number, ": a second default; the first is on line ", fallback.line);
    fallback = std::move(rule);
  }
  expect(fallback.line != 0, where, "no default; add a line such as `default = ", name(Precision::i8), "` (", detail::weight_format_names(),
         ")");
  return LayerPlan(fallback.format, std::move(rules));
}

inline std::vector<PlanRule> LayerPlan::unused(std::span<const std::string> tensors) const {
  std::vector<bool> used(rules_.size());
  for (const std::string& tensor : tensors)
    for (std::size_t i = 0; i < rules_.size(); ++i)
      if (rules_[i].matches(tensor)) {
        used[i] = true;
        break;
      }
  std::vector<PlanRule> out;
  for (std::size_t i = 0; i < rules_.size(); ++i)
    if (!used[i]) out.push_back(rules_[i]);
  return out;
}

inline std::string LayerPlan::text() const {
  std::string out;
  for (const PlanRule& rule : rules_) out += concat(rule.pattern, " = ", name(rule.format), "\n");
  return out + concat("default = ", name(fallback_), "\n");
}

/// MLP in nf4, attention in e4m3, the head in f16: the bulk of the bytes at 4 bits, and what attention reads at 8.
inline LayerPlan mixed_plan() {
  return LayerPlan(Precision::f16, {{"*.mlp.*", Precision::nf4}, {"*.self_attn.*", Precision::e4m3}, {"lm_head", Precision::f16}});
}

/// The built-in plan called `text`: a format's name, or "mixed". Throws Error with the choices.
inline LayerPlan named_plan(std::string_view text) {
  if (text == "mixed") return mixed_plan();
  const std::optional<Precision> precision = parse_precision(text);
  expect(precision && why_unsupported(default_format(*precision)).empty(), "vernier::named_plan", "no plan '", detail::excerpt(text),
         "'; choose mixed, ", detail::weight_format_names(), ", or give a file");
  return LayerPlan(*precision);
}

}  // namespace vernier
