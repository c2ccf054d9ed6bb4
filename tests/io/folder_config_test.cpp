// config.json as the versions of transformers have written it: both styles of rotary parameters, files that lack fields, windows that are
// named but off. Expected values are what transformers 5 derives from the same fields.
#include "common/io/folder_config.hpp"

#include <gtest/gtest.h>

#include "support/files.hpp"
#include "support/safetensors_writer.hpp"
#include "vernier/core/error.hpp"

namespace vernier {
namespace {

using model::ModelConfig;
using model::RopeKind;

ModelConfig parse(const std::vector<std::pair<std::string, std::string>>& changes) {
  return io::parse_folder_config("config.json", test::small_config(changes));
}

const std::pair<std::string, std::string> mistral{"architectures", R"(["MistralForCausalLM"])"},
    qwen2{"architectures", R"(["Qwen2ForCausalLM"])"}, qwen3{"architectures", R"(["Qwen3ForCausalLM"])"};

TEST(FolderConfig, PlainLlama) {
  const ModelConfig config = parse({});
  EXPECT_EQ(config.architecture, "llama");
  EXPECT_EQ(config.layers, 1);
  EXPECT_EQ(config.hidden, 32);
  EXPECT_EQ(config.head_dim, 8);
  EXPECT_EQ(config.kv_heads, 2);
  EXPECT_EQ(config.norm_eps, 1e-5f);
  EXPECT_TRUE(config.tied_embeddings);
  EXPECT_EQ(config.rope.kind, RopeKind::plain);
  EXPECT_EQ(config.rope.theta, 10000);
  EXPECT_EQ(config.window(0), 0);
  EXPECT_EQ(config.bos, 1);
  EXPECT_EQ(config.eos, std::vector<int>{2});
  EXPECT_FALSE(config.attention_bias || config.attention_output_bias || config.qk_norm);
}

// Llama 1 files had none of these.
TEST(FolderConfig, OldFilesLackFields) {
  const ModelConfig config = parse({{"num_key_value_heads", ""},
                                    {"rope_theta", ""},
                                    {"tie_word_embeddings", ""},
                                    {"max_position_embeddings", ""},
                                    {"rms_norm_eps", ""}});
  EXPECT_EQ(config.kv_heads, 4);
  EXPECT_EQ(config.rope.theta, 10000);
  EXPECT_FALSE(config.tied_embeddings);
  EXPECT_EQ(config.context, 2048);
  EXPECT_EQ(config.norm_eps, 1e-6f);
}

TEST(FolderConfig, NullMeansDerived) {
  const ModelConfig config = parse({{"head_dim", "null"},
                                    {"num_key_value_heads", "null"},
                                    {"rope_scaling", "null"},
                                    {"bos_token_id", "null"},
                                    {"eos_token_id", "null"}});
  EXPECT_EQ(config.head_dim, 8);
  EXPECT_EQ(config.kv_heads, 4);
  EXPECT_EQ(config.bos, -1);
  EXPECT_TRUE(config.eos.empty());
}

TEST(FolderConfig, ModelTypeStandsInForArchitectures) {
  EXPECT_EQ(parse({{"architectures", ""}, {"model_type", "\"qwen3\""}, {"head_dim", "8"}}).architecture, "qwen3");
}

TEST(FolderConfig, ExplicitHeadSize) {
  const ModelConfig config = parse({{"head_dim", "24"}});
  EXPECT_EQ(config.head_dim, 24);
  EXPECT_EQ(config.q_width(), 96);
  EXPECT_EQ(config.kv_width(), 48);
}

TEST(FolderConfig, BothStylesOfRopeScaling) {
  const std::string llama3 = R"("factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192)";
  for (const ModelConfig& config :
       {parse({{"rope_theta", "500000.0"}, {"rope_scaling", "{\"rope_type\": \"llama3\", " + llama3 + "}"}}),
        parse({{"rope_theta", "500000.0"}, {"rope_scaling", "{\"type\": \"llama3\", " + llama3 + "}"}}),
        parse({{"rope_theta", ""}, {"rope_parameters", "{\"rope_theta\": 500000.0, \"rope_type\": \"llama3\", " + llama3 + "}"}})}) {
    EXPECT_EQ(config.rope.kind, RopeKind::llama3);
    EXPECT_EQ(config.rope.theta, 500000);
    EXPECT_EQ(config.rope.factor, 32);
    EXPECT_EQ(config.rope.low_freq_factor, 1);
    EXPECT_EQ(config.rope.high_freq_factor, 4);
    EXPECT_EQ(config.rope.original_context, 8192);
  }
  const ModelConfig linear = parse({{"rope_scaling", R"({"type": "linear", "factor": 2})"}});
  EXPECT_EQ(linear.rope.kind, RopeKind::linear);
  EXPECT_EQ(linear.rope.factor, 2);
  const ModelConfig plain = parse({{"rope_theta", ""}, {"rope_parameters", R"({"rope_theta": 1000000, "rope_type": "default"})"}});
  EXPECT_EQ(plain.rope.kind, RopeKind::plain);
  EXPECT_EQ(plain.rope.theta, 1000000);
}

TEST(FolderConfig, MistralHasAWindowUnlessItIsNull) {
  EXPECT_EQ(parse({mistral}).window(0), 4096);
  EXPECT_EQ(parse({mistral, {"sliding_window", "16"}}).window(0), 16);
  EXPECT_EQ(parse({mistral, {"sliding_window", "null"}}).window(0), 0);
  EXPECT_EQ(parse({mistral, {"num_attention_heads", "8"}, {"head_dim", "8"}, {"num_key_value_heads", ""}}).kv_heads, 8);
  EXPECT_EQ(parse({{"sliding_window", "16"}}).window(0), 0) << "Llama has no such field";
}

TEST(FolderConfig, QwenNamesAWindowThatIsOff) {
  EXPECT_EQ(parse({qwen2, {"sliding_window", "16"}, {"use_sliding_window", "false"}}).window(0), 0);
  EXPECT_EQ(parse({qwen2, {"sliding_window", "16"}}).window(0), 0);
}

TEST(FolderConfig, QwenWindowsBeginAtALayer) {
  const ModelConfig config =
      parse({qwen2, {"sliding_window", "16"}, {"use_sliding_window", "true"}, {"max_window_layers", "2"}, {"num_hidden_layers", "4"}});
  EXPECT_EQ(config.window(0), 0);
  EXPECT_EQ(config.window(1), 0);
  EXPECT_EQ(config.window(2), 16);
  EXPECT_EQ(config.window(3), 16);
  const ModelConfig listed = parse({qwen2,
                                    {"sliding_window", "16"},
                                    {"use_sliding_window", "true"},
                                    {"layer_types", R"(["sliding_attention", "full_attention"])"},
                                    {"num_hidden_layers", "2"}});
  EXPECT_EQ(listed.window(0), 16);
  EXPECT_EQ(listed.window(1), 0);
}

TEST(FolderConfig, BiasesAndNorms) {
  EXPECT_TRUE(parse({qwen2}).attention_bias);
  EXPECT_FALSE(parse({qwen2}).attention_output_bias);
  EXPECT_TRUE(parse({qwen3}).qk_norm);
  EXPECT_EQ(parse({qwen3}).head_dim, 128) << "the default of Qwen3, whatever hidden / heads is";
  const ModelConfig llama = parse({{"attention_bias", "true"}});
  EXPECT_TRUE(llama.attention_bias && llama.attention_output_bias);
}

TEST(FolderConfig, GenerationConfigDecidesWhatEndsAText) {
  const test::TemporaryFolder folder;
  folder.write("config.json", test::small_config({{"eos_token_id", "2"}}));
  EXPECT_EQ(io::read_folder_config(folder.path()).eos, std::vector<int>{2});
  folder.write("generation_config.json", R"({"eos_token_id": [2, 7]})");
  EXPECT_EQ(io::read_folder_config(folder.path()).eos, (std::vector<int>{2, 7}));
  folder.write("generation_config.json", R"({"temperature": 0.6})");
  EXPECT_EQ(io::read_folder_config(folder.path()).eos, std::vector<int>{2});
}

TEST(FolderConfig, TheListOfTensorsFollowsTheConfig) {
  const auto count = [](const ModelConfig& config) { return model::expected_tensors(config).size(); };
  const std::size_t plain = count(parse({}));
  EXPECT_EQ(plain, 11u);
  EXPECT_EQ(count(parse({{"tie_word_embeddings", "false"}})), plain + 1);
  EXPECT_EQ(count(parse({qwen2})), plain + 3);
  EXPECT_EQ(count(parse({qwen3})), plain + 2);
  EXPECT_EQ(count(parse({{"attention_bias", "true"}})), plain + 4);
  EXPECT_EQ(count(parse({{"num_hidden_layers", "3"}})), 2 + 3 * (plain - 2));
}

}  // namespace
}  // namespace vernier
