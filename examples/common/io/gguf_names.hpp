// Tensor names of GGUF files and of Hugging Face, in both directions.
#pragma once

#include <string>
#include <string_view>

namespace vernier::io {

/// "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight". A name that is not known stays as it is.
std::string hugging_face_name(std::string_view gguf);

/// The way back.
std::string gguf_name(std::string_view hugging_face);

}  // namespace vernier::io
