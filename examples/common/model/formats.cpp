#include "common/model/formats.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "common/io/mapped_file.hpp"
#include "vernier/core/error.hpp"
#include "vernier/router/plan.hpp"

namespace vernier::model {
namespace {

constexpr std::string_view embedding = "model.embed_tokens.weight", head = "lm_head.weight";
constexpr std::size_t plan_limit = std::size_t{1} << 20;  // bytes of a plan file

/// See uniform_formats().
WeightFormat head_format(Precision layers) {
  if (layers == Precision::nf4) return default_format(Precision::i8);
  if (layers == Precision::i8) return {Precision::i8, Scaling::group, 32};
  return default_format(Precision::f16);
}

LayerPlan read_plan(const std::string& plan) {
  if (!std::filesystem::exists(plan)) return named_plan(plan);
  return LayerPlan::parse(io::read_text_file(plan, plan_limit), plan);
}

}  // namespace

std::string_view name(Activations activations) {
  switch (activations) {
    case Activations::f32: return "f32";
    case Activations::i8: return "i8";
    case Activations::i16: return "i16";
    case Activations::bf16: return "bf16";
  }
  return "?";
}

Activations parse_activations(std::string_view text) {
  for (Activations activations : {Activations::f32, Activations::i8, Activations::i16, Activations::bf16})
    if (text == name(activations)) return activations;
  expect(text == "auto", "vernier::model", "activations are ", text, ", expected auto, f32, i8, i16 or bf16");
  return default_activations;
}

FormatOf uniform_formats(Precision precision) {
  return [precision](std::string_view name) {
    if (name == embedding) return default_format(Precision::f16);
    return name == head ? head_format(precision) : default_format(precision);
  };
}

std::vector<std::string> matrix_names(const ModelConfig& config) {
  std::vector<std::string> names;
  for (TensorSpec& tensor : expected_tensors(config))
    if (tensor.rows > 1) names.push_back(std::move(tensor.name));
  if (config.tied_embeddings) names.emplace_back(head);
  return names;
}

FormatOf plan_formats(const std::string& plan, const ModelConfig& config) {
  LayerPlan rules = read_plan(plan);
  for (const PlanRule& rule : rules.unused(matrix_names(config)))
    fail(plan, "line ", rule.line, ": '", rule.pattern, "' decides for no matrix of this model; names are such as ",
         "model.layers.0.mlp.up_proj, and the first rule that matches wins");
  const bool names_embedding =
      std::any_of(rules.rules().begin(), rules.rules().end(), [](const PlanRule& rule) { return rule.matches(embedding); });
  return [rules = std::move(rules), names_embedding](std::string_view name) {
    return default_format(name == embedding && !names_embedding ? Precision::f16 : rules.format(name));
  };
}

}  // namespace vernier::model
