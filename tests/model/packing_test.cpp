// Weights that stay in the model's file for the first forward: the same logits before, while and after they are packed.
#include "common/model/packing.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/model/cpu_llama.hpp"
#include "common/model/formats.hpp"
#include "common/model/weights.hpp"
#include "support/damaged_model.hpp"
#include "support/error_of.hpp"
#include "support/files.hpp"
#include "support/outputs.hpp"
#include "support/tiny_models.hpp"

namespace vernier::model {
namespace {

/// One forward of all tokens from an empty sequence. (tokens, vocab)
std::vector<float> logits(Llama<CpuBackend>& llama, const std::vector<int>& ids) {
  KvCache cache({.precision = Precision::f16, .page_tokens = 16}, llama.kv_geometry(64));
  KvSequence sequence(cache);
  std::vector<Output> outputs = test::logits_of(static_cast<int>(ids.size()));
  EXPECT_TRUE(sequence.extend(static_cast<int>(ids.size())));
  const KvChunk chunk = sequence.last(static_cast<int>(ids.size()));
  llama.forward(cache, {&chunk, 1}, ids, outputs);
  return test::joined(outputs);
}

bool is_packed(const Weights& weights) {
  bool all = weights.head.weight->is_packed();
  for (const LayerWeights& layer : weights.layers)
    for (const Linear* linear : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down})
      all = all && linear->weight->is_packed();
  return all;
}

class PackingTest : public testing::Test {
 protected:
  Llama<CpuBackend> llama(Weights weights) { return {std::make_shared<const Weights>(std::move(weights)), CpuBackend(pool_)}; }
  WeightLoader loader(std::string where = "off") {
    return WeightLoader(checkpoint_, pool_,
                        {.where = std::move(where), .report = [this](const std::string& line) { lines_ += line + "\n"; }});
  }

  const test::TinyFiles files_{"llama3-tied"};
  const io::Checkpoint checkpoint_ = io::open_checkpoint(files_.folder);
  cpu::ThreadPool pool_{3};
  std::string lines_;
};

TEST_F(PackingTest, TheFirstForwardReadsTheFileAndTheSecondPacks) {
  for (const Precision precision : {Precision::f16, Precision::bf16, Precision::i8, Precision::e4m3, Precision::nf4}) {
    SCOPED_TRACE(name(precision));
    WeightLoader source = loader();
    const FormatOf formats = uniform_formats(precision);
    Llama<CpuBackend> packed = llama(source.load(formats)), open = llama(source.open(formats));
    EXPECT_TRUE(is_packed(packed.weights()));
    // What the first loaded is still there to be shared, so that only another loader's weights wait.
    EXPECT_TRUE(is_packed(open.weights()));
    WeightLoader other = loader();
    Llama<CpuBackend> waiting = llama(other.open(formats));
    EXPECT_FALSE(is_packed(waiting.weights()));
    EXPECT_EQ(waiting.weights().bytes_per_token(), packed.weights().bytes_per_token());
    lines_.clear();
    const std::vector<float> want = logits(packed, files_.tokens());
    EXPECT_EQ(logits(waiting, files_.tokens()), want);
    EXPECT_FALSE(is_packed(waiting.weights()));
    EXPECT_EQ(lines_, "");
    EXPECT_EQ(logits(waiting, files_.tokens()), want);
    EXPECT_TRUE(is_packed(waiting.weights()));
    EXPECT_NE(lines_.find(precision == Precision::f16 || precision == Precision::bf16 ? "copied in" : "quantised in"), std::string::npos)
        << lines_;
  }
}

TEST_F(PackingTest, EveryPieceLeavesAModelThatAnswersTheSame) {
  WeightLoader source = loader();
  std::size_t done = 0, total = 0;
  Weights weights = source.open(uniform_formats(Precision::nf4), [&](std::size_t now, std::size_t all) {
    EXPECT_GT(now, done);
    done = now, total = all;
  });
  const std::shared_ptr<Packing> packing = std::exchange(weights.packing, nullptr);  // so that forwards pack nothing
  Llama<CpuBackend> model = llama(std::move(weights));
  const std::vector<float> want = logits(model, files_.tokens());
  int pieces = 0;
  for (bool more = true; more; ++pieces) {
    EXPECT_FALSE(is_packed(model.weights()));
    more = packing->step();
    ASSERT_EQ(logits(model, files_.tokens()), want) << "after piece " << pieces;
  }
  EXPECT_GT(pieces, 7);
  EXPECT_TRUE(is_packed(model.weights()));
  EXPECT_FALSE(packing->step());
  EXPECT_EQ(done, total);
}

TEST_F(PackingTest, TiersShareWhatIsNotPackedYet) {
  WeightLoader source = loader();
  const FormatOf other = [](std::string_view name) {
    return name.find("down_proj") != std::string_view::npos ? default_format(Precision::i8) : uniform_formats(Precision::nf4)(name);
  };
  Llama<CpuBackend> first = llama(source.open(uniform_formats(Precision::nf4))), second = llama(source.open(other));
  EXPECT_EQ(first.weights().layers[0].q.weight, second.weights().layers[0].q.weight);
  EXPECT_NE(first.weights().layers[0].down.weight, second.weights().layers[0].down.weight);
  const std::vector<float> want = logits(second, files_.tokens());
  EXPECT_EQ(logits(second, files_.tokens()), want);  // packs its own, and so most of the first's
  EXPECT_TRUE(is_packed(second.weights()));
  EXPECT_FALSE(is_packed(first.weights()));
  EXPECT_TRUE(first.weights().layers[0].q.weight->is_packed());
  while (source.pack_piece()) {
  }
  EXPECT_TRUE(is_packed(first.weights()));
}

TEST_F(PackingTest, FormatsThatCannotWaitDoNot) {
  WeightLoader source = loader();
  const Weights weights = source.open([](std::string_view name) {
    if (name == "model.embed_tokens.weight") return default_format(Precision::nf4);
    return name == "lm_head.weight" ? WeightFormat{Precision::e4m3, Scaling::block, 128} : WeightFormat{Precision::i8, Scaling::tensor, 0};
  });
  EXPECT_TRUE(is_packed(weights));
  EXPECT_TRUE(weights.embedding.matrix()->is_packed());
}

TEST_F(PackingTest, WhatIsKeptForTheNextStartIsPackedFirst) {
  const test::TemporaryFolder folder;
  WeightLoader source = loader(folder.path());
  Llama<CpuBackend> model = llama(source.open(uniform_formats(Precision::i8)));
  const std::vector<float> want = logits(model, files_.tokens());
  source.keep();
  EXPECT_TRUE(is_packed(model.weights()));
  WeightLoader next = loader(folder.path());
  Llama<CpuBackend> read = llama(next.open(uniform_formats(Precision::i8)));
  EXPECT_TRUE(is_packed(read.weights()));
  EXPECT_NE(lines_.find("weights: loaded in"), std::string::npos) << lines_;
  EXPECT_EQ(logits(read, files_.tokens()), want);
}

TEST_F(PackingTest, ABadValueIsNamedByWhoeverMeetsItFirst) {
  const test::TemporaryFolder folder;
  const std::string model = folder.path("model");
  const std::string tensor = "model.layers.0.mlp.up_proj.weight";
  test::copy_with_nan(files_.folder, model, tensor, 37, 5);
  const io::Checkpoint damaged = io::open_checkpoint(model);
  for (const Precision precision : {Precision::f16, Precision::nf4}) {
    WeightLoader source(damaged, pool_);
    const std::string at_load = test::error_of([&] { source.load(uniform_formats(precision)); });
    EXPECT_NE(at_load.find(concat("tensor ", tensor, ": vernier::quantize: the weight at row 37, column 5 is")), std::string::npos)
        << at_load;
    WeightLoader other(damaged, pool_);
    Llama<CpuBackend> waiting = llama(other.open(uniform_formats(precision)));
    EXPECT_EQ(test::error_of([&] { logits(waiting, files_.tokens()); }), at_load);
    EXPECT_EQ(test::error_of([&] {
                while (other.pack_piece()) {
                }
              }),
              at_load);
  }
}

TEST_F(PackingTest, APoolThatTheLoaderDoesNotKnowIsRefused) {
  cpu::ThreadPool one(1);
  WeightLoader source(checkpoint_, one);
  Llama<CpuBackend> waiting = llama(source.open(uniform_formats(Precision::f16)));  // on three threads
  const std::string error = test::error_of([&] { logits(waiting, files_.tokens()); });
  EXPECT_NE(error.find("the model was opened with a pool of 1"), std::string::npos) << error;
}

}  // namespace
}  // namespace vernier::model
