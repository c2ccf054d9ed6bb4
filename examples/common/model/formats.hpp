// Which format each matrix of a model gets when a whole tier is asked for by one precision. A layer plan says the same in detail.
#pragma once

#include <string>
#include <string_view>

#include "common/model/weights.hpp"
#include "vernier/layout/packed_matrix.hpp"
#include "vernier/types/precision.hpp"

namespace vernier::model {

/// Linear layers in `precision`. The head in the same, but in i8 where that would be nf4: every token passes through it, and four bits
/// there cost more than in any layer. The embedding, of which a token reads one row, in f16; all tiers share it, and f16's tied head is it.
inline FormatOf uniform_formats(Precision precision) {
  return [precision](std::string_view name) {
    if (name == "model.embed_tokens.weight") return default_format(Precision::f16);
    if (name == "lm_head.weight" && precision == Precision::nf4) return default_format(Precision::i8);
    return default_format(precision);
  };
}

/// What flags say: the layer plan in the file `plan` if that is not empty, otherwise uniform_formats(weights).
FormatOf formats_of(const std::string& weights, const std::string& plan);

}  // namespace vernier::model
