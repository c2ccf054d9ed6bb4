// Damaged and hostile Hugging Face folders: config.json, safetensors and shard indexes. docs/errors.md quotes the messages.
#include <functional>

#include "common/io/checkpoint.hpp"
#include "support/bad_files.hpp"
#include "support/safetensors_writer.hpp"

namespace vernier {
namespace {

using test::SafetensorsWriter;
using test::small_config;
using test::small_tensors;
using test::TemporaryFolder;

struct Case {
  const char* defect;
  std::function<void(const TemporaryFolder&)> damage;
};

std::size_t folder_bytes(const TemporaryFolder& folder) {
  std::size_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path()))
    bytes += entry.is_regular_file() ? entry.file_size() : 0;
  return bytes;
}

void run(const char* section, const std::vector<Case>& cases) {
  test::ErrorTable table(section);
  for (const Case& one : cases) {
    const TemporaryFolder folder;
    test::write_small_folder(folder);
    one.damage(folder);
    test::expect_refused(table, folder, one.defect, folder_bytes(folder), [&] { io::open_checkpoint(folder.path()); });
  }
  table.check();
}

Case config(const char* defect, const char* field, const char* value) {
  return {defect, [=](const TemporaryFolder& folder) { folder.write("config.json", small_config({{field, value}})); }};
}

Case config_text(const char* defect, const std::string& text) {
  return {defect, [=](const TemporaryFolder& folder) { folder.write("config.json", text); }};
}

TEST(BadFolder, Config) {
  std::string zeros = "[0";
  for (int i = 0; i < 500000; ++i) zeros += ",0";
  run("config.json", {
                         {"no config.json", [](const TemporaryFolder& folder) { std::filesystem::remove(folder.path("config.json")); }},
                         config_text("not JSON", "{\n\"hidden_size\": 32,\n}"),
                         config_text("NaN", small_config({{"rms_norm_eps", "NaN"}})),
                         config_text("not UTF-8", "{\"model_type\": \"\xff\"}"),
                         config_text("an array", "[]"),
                         config_text("two objects", "{} {}"),
                         config_text("nested 100000 deep", std::string(100000, '[')),
                         config_text("half a million zeros", "{\"a\": " + zeros + "]}"),
                         config_text("larger than 1 MiB", std::string((1 << 20) + 1, ' ')),
                         config("architecture that is not supported", "architectures", R"(["GemmaForCausalLM"])"),
                         config("two architectures", "architectures", R"(["LlamaForCausalLM", "MistralForCausalLM"])"),
                         config("no architecture", "architectures", ""),
                         config("no hidden size", "hidden_size", ""),
                         config("hidden size as a string", "hidden_size", "\"32\""),
                         config("hidden size 32.5", "hidden_size", "32.5"),
                         config("hidden size beyond 32 bits", "hidden_size", "4294967328"),
                         config("0 layers", "num_hidden_layers", "0"),
                         config("2^32 - 1 layers", "num_hidden_layers", "4294967295"),
                         config("heads that do not divide the hidden size", "num_attention_heads", "6"),
                         config("key-value heads that do not divide the heads", "num_key_value_heads", "3"),
                         config("head size 0", "head_dim", "0"),
                         config("head size that is no multiple of 8", "head_dim", "12"),
                         config("head size unlike the tensors", "head_dim", "16"),
                         config("epsilon 0", "rms_norm_eps", "0"),
                         config("epsilon negative", "rms_norm_eps", "-1e-5"),
                         config("epsilon too small for a float", "rms_norm_eps", "1e-60"),
                         config("context 0", "max_position_embeddings", "0"),
                         config("rope base 0", "rope_theta", "0.0"),
                         config("rope base infinite", "rope_theta", "1e999"),
                         config("unknown rope scaling", "rope_scaling", R"({"rope_type": "yarn", "factor": 4.0})"),
                         config("rope scaling without a factor", "rope_scaling", R"({"type": "linear"})"),
                         config("rope frequency factors in the wrong order", "rope_scaling",
                                R"({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0, "high_freq_factor": 1.0})"),
                         config("rope parameters by layer type", "rope_parameters", R"({"full_attention": {"rope_theta": 10000.0}})"),
                         config("partial rotation", "partial_rotary_factor", "0.5"),
                         config("activation that is not SwiGLU", "hidden_act", "\"gelu\""),
                         config("biases in the feed-forward part", "mlp_bias", "true"),
                         config("quantised checkpoint", "quantization_config", R"({"quant_method": "gptq"})"),
                         config("tied embeddings as a number", "tie_word_embeddings", "1"),
                         config("vocabulary unlike the embedding", "vocab_size", "13"),
                         config("end token beyond the vocabulary", "eos_token_id", "[2, 12]"),
                         {"generation_config.json with a bad token",
                          [](const TemporaryFolder& folder) { folder.write("generation_config.json", R"({"eos_token_id": -5})"); }},
                     });
}

Case weights(const char* defect, const std::string& bytes) {
  return {defect, [=](const TemporaryFolder& folder) { folder.write("model.safetensors", bytes); }};
}

Case header(const char* defect, const std::string& text) { return weights(defect, SafetensorsWriter::file(text, std::string(8, '\0'))); }

Case changed(const char* defect, const std::function<void(SafetensorsWriter&)>& change) {
  SafetensorsWriter file = small_tensors();
  change(file);
  return weights(defect, file.bytes());
}

TEST(BadFolder, Safetensors) {
  const char* up = "model.layers.0.mlp.up_proj.weight";
  run("safetensors",
      {
          weights("empty file", ""),
          weights("seven bytes", "1234567"),
          weights("header beyond the file", std::string(7, '\0') + '\x7f'),
          weights("header of 2^64 - 1 bytes", std::string(8, '\xff') + "{}"),
          weights("header of 0 bytes", std::string(16, '\0')),
          header("header that is not JSON", "not JSON"),
          header("header that is an array", "[1, 2]"),
          header("tensor that is a number", R"({"a": 1})"),
          header("tensor without a type", R"({"a": {"shape": [2], "data_offsets": [0, 8]}})"),
          header("tensor of integers", R"({"a": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}})"),
          header("tensor without a shape", R"({"a": {"dtype": "F32", "data_offsets": [0, 8]}})"),
          header("three dimensions", R"({"a": {"dtype": "F32", "shape": [1, 2, 1], "data_offsets": [0, 8]}})"),
          header("dimension 0", R"({"a": {"dtype": "F32", "shape": [0, 2], "data_offsets": [0, 0]}})"),
          header("negative dimension", R"({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}})"),
          header("product of dimensions beyond the data",
                 R"({"a": {"dtype": "F32", "shape": [2147483647, 2147483647], "data_offsets": [0, 8]}})"),
          header("one offset", R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0]}})"),
          header("offset beyond the file", R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}})"),
          header("offsets in the wrong order", R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}})"),
          header("negative offset", R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}})"),
          header("range unlike the shape", R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}})"),
          header("bytes that no tensor has", R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})"),
          header(
              "two tensors in one place",
              R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})"),
          changed("missing tensor", [&](SafetensorsWriter& f) { f.erase(up); }),
          changed("unexpected tensor", [](SafetensorsWriter& f) { f.add("model.layers.0.mlp.up_proj.lora", 0, 4); }),
          changed("swapped dimensions", [&](SafetensorsWriter& f) { f.at(up).shape = "[32,64]"; }),
          changed("tied head that differs",
                  [](SafetensorsWriter& f) {
                    f.add("lm_head.weight", 12, 32);
                    f.tensors.back().data[0] = 1;
                  }),
      });
}

// An index in place of model.safetensors.
Case index(const char* defect, const std::string& text) {
  return {defect, [=](const TemporaryFolder& folder) {
            std::filesystem::rename(folder.path("model.safetensors"), folder.path("a.safetensors"));
            folder.write("model.safetensors.index.json", text);
          }};
}

TEST(BadFolder, Shards) {
  run("Shard indexes", {
                           index("no weight_map", R"({"metadata": {}})"),
                           index("empty weight_map", R"({"weight_map": {}})"),
                           index("shard that is a number", R"({"weight_map": {"model.norm.weight": 1}})"),
                           index("shard outside the folder", R"({"weight_map": {"model.norm.weight": "../other/model.safetensors"}})"),
                           index("shard with an absolute path", R"({"weight_map": {"model.norm.weight": "/etc/model.safetensors"}})"),
                           index("shard that is not a safetensors file", R"({"weight_map": {"model.norm.weight": "pytorch_model.bin"}})"),
                           index("missing shard", R"({"weight_map": {"model.norm.weight": "b.safetensors"}})"),
                           index("tensor that is not listed", R"({"weight_map": {"model.norm.weight": "a.safetensors"}})"),
                           {"tensor in another shard than listed",
                            [](const TemporaryFolder& folder) {
                              std::string map;
                              for (const auto& tensor : small_tensors().tensors)
                                map += (map.empty() ? "\"" : ", \"") + tensor.name + "\": \"a.safetensors\"";
                              index("", R"({"weight_map": {)" + map + R"(, "x": "a.safetensors"}})").damage(folder);
                            }},
                           {"weights as a pickle",
                            [](const TemporaryFolder& folder) {
                              std::filesystem::remove(folder.path("model.safetensors"));
                              folder.write("pytorch_model.bin", "x");
                            }},
                           {"no weights", [](const TemporaryFolder& folder) { std::filesystem::remove(folder.path("model.safetensors")); }},
                       });
}

TEST(BadFolder, TheUndamagedModelLoads) {
  const TemporaryFolder folder;
  test::write_small_folder(folder);
  EXPECT_NO_THROW(io::open_checkpoint(folder.path()));
}

}  // namespace
}  // namespace vernier
