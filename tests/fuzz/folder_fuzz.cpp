// Any bytes as one of the files of a Hugging Face folder, the others being as they should be. The first byte says which.
#include <array>

#include "common/io/checkpoint.hpp"
#include "common/io/text_files.hpp"
#include "fuzz/fuzz.hpp"
#include "support/safetensors_writer.hpp"
#include "vernier/core/error.hpp"

namespace {

using namespace vernier;

constexpr const char* names[] = {"config.json",           "generation_config.json", "model.safetensors",  "model.safetensors.index.json",
                                 "tokenizer_config.json", "chat_template.json",     "chat_template.jinja"};

std::string index_text() {
  std::string map;
  for (const auto& tensor : test::small_tensors().tensors) map += (map.empty() ? "\"" : ", \"") + tensor.name + "\": \"a.safetensors\"";
  return "{\"metadata\": {}, \"weight_map\": {" + map + "}}";
}

void use(const io::Checkpoint& model) {
  for (const io::StoredTensor& tensor : model.tensors()) {
    std::vector<float> row(static_cast<std::size_t>(tensor.cols));
    model.read_rows(tensor.name, tensor.rows - 1, {row.data(), 1, tensor.cols});
  }
}

}  // namespace

std::vector<std::string> vernier::fuzz::seeds() {
  const std::string safetensors = test::small_tensors().bytes(), zero(1, '\0');
  return {
      zero + test::small_config(),
      zero + test::small_config(
                 {{"architectures", R"(["Qwen2ForCausalLM"])"},
                  {"use_sliding_window", "true"},
                  {"sliding_window", "16"},
                  {"layer_types", R"(["sliding_attention"])"},
                  {"rope_parameters", R"({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1, "high_freq_factor": 4})"}}),
      "\1{\"eos_token_id\": [2, 3]}",
      "\2" + safetensors,
      "\3" + index_text(),
      "\4"
      R"({"chat_template": [{"name": "default", "template": "x"}], "bos_token": {"content": "<s>"}, "add_bos_token": true})",
      "\5"
      R"({"chat_template": "x"})",
      "\6{{ x }}",
  };
}

namespace {

// One folder for each choice, made once: creating files is far slower than reading them.
const test::TemporaryFolder& folder_for(std::size_t which) {
  static const std::array<test::TemporaryFolder, std::size(names)> folders;
  static const bool written = [] {
    for (std::size_t i = 0; i < std::size(names); ++i) {
      folders[i].write("config.json", test::small_config());
      folders[i].write(i == 3 ? "a.safetensors" : "model.safetensors", test::small_tensors().bytes());
    }
    return true;
  }();
  return folders[written ? which : 0];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t which = data[0] % std::size(names);
  const test::TemporaryFolder& folder = folder_for(which);
  folder.write(names[which], {reinterpret_cast<const char*>(data + 1), size - 1});
  try {
    if (which <= 3) {
      use(io::open_checkpoint(folder.path()));
    } else {
      io::find_text_files(folder.path());
    }
  } catch (const Error&) {
  }
  return 0;
}
