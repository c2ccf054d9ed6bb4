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

/// Linear layers in `precision`. The head in the same, but in i8 where that would be nf4: every token passes through it, and four bits
/// there cost more than in any layer. The embedding, of which a token reads one row, in f16; all tiers share it, and f16's tied head is it.
FormatOf uniform_formats(Precision precision);

/// The layer plan `plan`: a file, or else the name of a built-in plan. The embedding is in f16 unless a rule names it. Throws Error when
/// it cannot be read, and for a rule that decides for no matrix of this model, with its line.
FormatOf plan_formats(const std::string& plan, const ModelConfig& config);

/// The names that formats are asked for: every matrix, the head also where it is tied.
std::vector<std::string> matrix_names(const ModelConfig& config);

}  // namespace vernier::model
