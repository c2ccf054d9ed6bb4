// Which format each matrix of a model gets: from one precision for a whole tier, or from a layer plan.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/model/config.hpp"
#include "common/model/weights.hpp"
#include "vernier/layout/packed_matrix.hpp"
#include "vernier/types/precision.hpp"

namespace vernier::model {

/// Linear layers in `precision`; embedding and head in f16. Every token passes through the head, and rounding it further costs more than
/// rounding any layer: e4m3 there doubles the KL of the whole model (docs/numerics.md). All tiers share both, and tied models hold one.
FormatOf uniform_formats(Precision precision);

/// The layer plan `plan`: a file, or else the name of a built-in plan. The embedding is in f16 unless a rule names it. Throws Error when
/// it cannot be read, and for a rule that decides for no matrix of this model, with its line.
FormatOf plan_formats(const std::string& plan, const ModelConfig& config);

/// The names that formats are asked for: every matrix, the head also where it is tied.
std::vector<std::string> matrix_names(const ModelConfig& config);

}  // namespace vernier::model
