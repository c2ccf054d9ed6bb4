// The embedding: read from the model's file unless it has a format with scales, equal on any number of threads, and safe when the file
// goes.
#include "common/model/embedding.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "common/model/formats.hpp"
#include "common/model/weights.hpp"
#include "support/files.hpp"
#include "vernier/core/error.hpp"
#include "vernier/ops/elementwise.hpp"

namespace vernier::model {
namespace {

constexpr const char* embedding_name = "model.embed_tokens.weight";
const std::string models = std::string(VERNIER_TEST_DATA) + "/models/";

Weights load(const std::string& path, const FormatOf& formats) {
  const io::Checkpoint checkpoint = io::open_checkpoint(path);
  cpu::ThreadPool pool(2);
  return WeightLoader(checkpoint, pool).load(formats);
}

std::vector<float> look_up(const Embedding& embedding, const std::vector<int>& ids, int hidden, cpu::ThreadPool* pool) {
  std::vector<float> out(ids.size() * static_cast<std::size_t>(hidden));
  embedding.look_up(ids, {out.data(), static_cast<int>(ids.size()), hidden}, pool);
  return out;
}

TEST(Embedding, IsTheCheckpointsForEveryKindOfModelAndTier) {
  for (const char* model : {"llama2", "llama3-sharded", "llama3-tied", "qwen2-bias", "qwen3-norm"}) {
    const io::Checkpoint checkpoint = io::open_checkpoint(models + model);
    const ModelConfig& config = checkpoint.config();
    const std::vector<float> all = checkpoint.read(embedding_name);
    std::vector<int> ids(static_cast<std::size_t>(config.vocab));
    std::iota(ids.begin(), ids.end(), 0);
    cpu::ThreadPool pool(3);
    for (const Precision precision : {Precision::f16, Precision::i8, Precision::nf4}) {
      const Weights weights = load(models + model, uniform_formats(precision));
      EXPECT_EQ(weights.embedding.matrix(), nullptr);
      EXPECT_EQ(look_up(weights.embedding, ids, config.hidden, nullptr), all) << model;
      EXPECT_EQ(look_up(weights.embedding, ids, config.hidden, &pool), all) << model;
      EXPECT_EQ(look_up(weights.embedding, {3, 3, 0}, config.hidden, &pool).size(), 3u * static_cast<std::size_t>(config.hidden));
    }
  }
}

TEST(Embedding, WithScalesIsAMatrix) {
  const FormatOf all_i8 = [](std::string_view) { return default_format(Precision::i8); };
  const Weights weights = load(models + "llama3-tied", all_i8);
  ASSERT_NE(weights.embedding.matrix(), nullptr);
  EXPECT_EQ(weights.embedding.matrix(), weights.head.weight);  // tied, in one format
  const int hidden = weights.config.hidden;
  std::vector<float> want(static_cast<std::size_t>(hidden));
  ops::dequantize_row(weights.head.view(), 7, want.data());
  EXPECT_EQ(look_up(weights.embedding, {7}, hidden, nullptr), want);
  EXPECT_EQ(weights.embedding.row_bytes(), static_cast<double>(weights.head.weight->bytes()) / weights.config.vocab);
}

TEST(Embedding, ACutFileIsAnErrorForThoseWhoNeedItsRows) {
  const test::TemporaryFolder folder;
  std::filesystem::copy(models + "llama3-tied", folder.path("model"), std::filesystem::copy_options::recursive);
  const Weights weights = load(folder.path("model"), uniform_formats(Precision::nf4));
  const int hidden = weights.config.hidden;
  cpu::ThreadPool pool(2);
  const std::vector<int> ids{1, 2, 3, 4, 5, 6};
  const std::vector<float> before = look_up(weights.embedding, ids, hidden, &pool);
  std::filesystem::resize_file(folder.path("model/model.safetensors"), 16);
  EXPECT_THROW(look_up(weights.embedding, ids, hidden, &pool), Error);
  EXPECT_THROW(look_up(weights.embedding, {1}, hidden, nullptr), Error);
}

TEST(Embedding, RefusesShapesAndIdsThatItDoesNotHave) {
  const Weights weights = load(models + "llama3-tied", uniform_formats(Precision::f16));
  const int hidden = weights.config.hidden;
  EXPECT_THROW(look_up(weights.embedding, {0}, hidden + 1, nullptr), Error);
  EXPECT_THROW(look_up(weights.embedding, {-1}, hidden, nullptr), Error);
  EXPECT_THROW(look_up(weights.embedding, {weights.config.vocab}, hidden, nullptr), Error);
}

}  // namespace
}  // namespace vernier::model
