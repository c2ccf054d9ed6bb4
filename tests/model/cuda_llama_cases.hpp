// Tests of the CUDA backend of the forward that hold on any device: against transformers, against the CPU's forward in every format, alone
// and in a crowd, launch by launch and from recorded graphs. Included by the test on the emulator (cuda_llama_test.cpp) and by the program
// for a GPU (tests/device).
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/device/cuda_device.hpp"
#include "common/device/device.hpp"
#include "common/model/formats.hpp"
#include "support/compare.hpp"
#include "support/model.hpp"
#include "support/outputs.hpp"
#include "support/padded_heads.hpp"
#include "support/tiny_models.hpp"
#include "vernier/attention/cuda_config.hpp"

namespace vernier::model {
namespace {

/// A model on a device with a cache.
struct Placed {
  std::unique_ptr<Device> device;
  std::unique_ptr<PlacedModel> llama;
  std::shared_ptr<KvPages> cache;

  Placed(std::unique_ptr<Device> device_, std::shared_ptr<const Weights> weights, Activations activations, Precision kv, int pages = 40)
      : device(std::move(device_)),
        llama(device->place(std::move(weights), activations)),
        cache(llama->make_cache({.precision = kv}, pages)) {}

  /// One forward: each sequence gets its tokens. Logits of every token, or of
  /// the last of each sequence.
  std::vector<float> run(const std::vector<KvSequence*>& sequences, const std::vector<std::vector<int>>& tokens, bool all = false) {
    std::vector<Output> outputs;
    int rows = 0;
    for (const std::vector<int>& ids : tokens)
      for (std::size_t j = 0; j < ids.size(); ++j, ++rows)
        if (all || j + 1 == ids.size()) outputs.push_back({.row = rows});
    forward(sequences, tokens, outputs);
    return test::joined(outputs);
  }

  void forward(const std::vector<KvSequence*>& sequences, const std::vector<std::vector<int>>& tokens, std::span<Output> outputs) {
    std::vector<KvChunk> chunks;
    std::vector<int> ids;
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      const int count = static_cast<int>(tokens[i].size());
      EXPECT_TRUE(sequences[i]->extend(count));
      chunks.push_back(sequences[i]->last(count));
      ids.insert(ids.end(), tokens[i].begin(), tokens[i].end());
    }
    llama->forward(*cache, chunks, ids, outputs);
  }
};

/// The first device.
std::unique_ptr<Device> first_device() { return open_cuda(find_cuda_devices().all.at(0)); }

/// |a - b| / |b|, as vectors.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0, signal = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    error += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
    signal += static_cast<double>(b[i]) * b[i];
  }
  return std::sqrt(error / signal);
}

/// Each of the products of a model rounds its activations with this relative
/// noise, and keys and values are rounded once; doubled for what the softmax
/// and the gate amplify.
double bound(int layers, double noise) { return 2 * std::sqrt(9.0 * layers + 1) * noise; }

/// Rounding to f16: up to 2^-11 of a number, evenly.
const double f16_noise = 0x1p-11 / std::sqrt(3.0);

class CudaTinyModels : public testing::TestWithParam<const char*> {};

TEST_P(CudaTinyModels, LogitsMatchTransformers) {
  const test::TinyFiles files(GetParam());
  cpu::ThreadPool pool(1);
  const auto weights = test::pad_heads(*test::load_tiny(files, Precision::f16, pool), 64);
  Placed model(first_device(), weights, Activations::f32, Precision::f16);
  KvSequence sequence(*model.cache);
  const std::vector<float> got = model.run({&sequence}, {files.tokens()}, true), want = files.expected();
  ASSERT_EQ(got.size(), want.size());
  EXPECT_LE(distance(got, want), bound(weights->config.layers, f16_noise));
}

INSTANTIATE_TEST_SUITE_P(Variants, CudaTinyModels, testing::Values("llama3-sharded", "mistral-window"), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

/// All that distinguishes architectures at once: biases, head norms, a window
/// in one of two layers, several query heads to a key head.
ModelConfig shape() {
  ModelConfig c;
  c.architecture = "llama";
  c.layers = 2;
  c.hidden = 64;
  c.heads = 4;
  c.kv_heads = 2;
  c.head_dim = 64;
  c.ffn = 96;
  c.vocab = 72;
  c.context = 512;
  c.sliding_window = 20;
  c.full_attention = {true, false};
  c.qk_norm = true;
  c.attention_bias = true;
  return c;
}

std::shared_ptr<const Weights> weights_in(const FormatOf& formats, int vocabulary = shape().vocab) {
  ModelConfig config = shape();
  config.vocab = vocabulary;
  auto weights = std::make_shared<Weights>(*test::make_weights(config, formats, test::random_matrix));
  unsigned seed = 100;
  for (LayerWeights& layer : weights->layers) {
    layer.q_norm = layer.k_norm = std::vector<float>(64, 1.1f);
    for (Linear* linear : {&layer.q, &layer.k, &layer.v})
      linear->bias = test::normal(static_cast<std::size_t>(linear->weight->n()), ++seed, 0.3f);
  }
  return weights;
}

std::vector<int> some_ids(int count, int from) {
  std::vector<int> ids(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) ids[static_cast<std::size_t>(i)] = (from + 7 * i) % shape().vocab;
  return ids;
}

struct Case {
  Precision weights, kv;
  Activations activations;
  double noise;  // relative, of one product
};

std::string to_string(const Case& c) { return concat(name(c.weights), "_kv_", name(c.kv), "_", name(c.activations)); }

class CudaFormats : public testing::TestWithParam<Case> {};

TEST_P(CudaFormats, MatchTheCpu) {
  const Case& c = GetParam();
  const auto weights = weights_in(uniform_formats(c.weights));
  cpu::ThreadPool pool(1);
  Placed cpu(open_cpu(pool), weights, c.activations, c.kv), cuda(first_device(), weights, c.activations, c.kv);
  KvSequence on_cpu(*cpu.cache), on_cuda(*cuda.cache);
  for (const std::vector<int>& ids : {some_ids(35, 1), some_ids(1, 5), some_ids(3, 9)}) {
    const std::vector<float> want = cpu.run({&on_cpu}, {ids}, true), got = cuda.run({&on_cuda}, {ids}, true);
    EXPECT_LE(distance(got, want), bound(shape().layers, c.noise)) << "after " << on_cpu.tokens() << " tokens";
  }
}

// Beside f16: int8 with a scale per token is off by up to 1/254 of the absmax
// of a row, some three times its size in the mean; nf4 values are multiplied in
// steps of 1/127 of the absmax of 64. The CPU rounds its activations in its own
// way: so both count.
INSTANTIATE_TEST_SUITE_P(Formats, CudaFormats,
                         testing::Values(Case{Precision::f16, Precision::f16, Activations::f32, f16_noise},
                                         Case{Precision::bf16, Precision::bf16, Activations::bf16, 2 * 0x1p-8 / std::sqrt(3.0)},
                                         Case{Precision::i8, Precision::i8, Activations::i8, 2 * 3.0 / 254 / std::sqrt(3.0)},
                                         Case{Precision::i8, Precision::e4m3, Activations::f32, f16_noise + 0x1p-4 / std::sqrt(3.0)},
                                         Case{Precision::e4m3, Precision::f16, Activations::f32, f16_noise},
                                         Case{Precision::nf4, Precision::f16, Activations::f32, 3.0 / 254 / std::sqrt(3.0)}),
                         [](const auto& info) { return to_string(info.param); });

TEST(CudaLlama, TakesAPlanOfManyFormats) {
  const auto weights = weights_in([](std::string_view name) {
    const bool odd = name.find("v_proj") != name.npos || name.find("up_proj") != name.npos || name.find("o_proj") != name.npos;
    return default_format(name.starts_with("model.embed") || name.starts_with("lm_head") ? Precision::f16
                          : odd                                                          ? Precision::i8
                                                                                         : Precision::e4m3);
  });
  cpu::ThreadPool pool(1);
  Placed cpu(open_cpu(pool), weights, Activations::f32, Precision::f16), cuda(first_device(), weights, Activations::i8, Precision::f16);
  KvSequence on_cpu(*cpu.cache), on_cuda(*cuda.cache);
  const std::vector<float> want = cpu.run({&on_cpu}, {some_ids(9, 1)}, true), got = cuda.run({&on_cuda}, {some_ids(9, 1)}, true);
  EXPECT_LE(distance(got, want), bound(shape().layers, f16_noise + 3.0 / 254 / std::sqrt(3.0)));
}

TEST(CudaLlama, AnswersDoNotDependOnTheCrowdNorOnGraphs) {
  const auto weights = weights_in(uniform_formats(Precision::f16));
  Placed model(first_device(), weights, Activations::f32, Precision::f16);
  // Alone: five steps, the first three of them launched, recorded and replayed.
  std::vector<std::vector<std::vector<float>>> alone;
  const int lengths[] = {3, 33, 40};
  for (int i = 0; i < 3; ++i) {
    KvSequence sequence(*model.cache);
    std::vector<std::vector<float>> logits{model.run({&sequence}, {some_ids(lengths[i], i)})};
    for (int step = 0; step < 5; ++step) logits.push_back(model.run({&sequence}, {{(11 * i + step) % shape().vocab}}));
    alone.push_back(std::move(logits));
  }
  // Together: the prompts in one batch and in pieces, then all three in every
  // step.
  KvSequence a(*model.cache), b(*model.cache), c(*model.cache);
  const std::size_t vocab = static_cast<std::size_t>(shape().vocab);
  const auto expect_rows = [&](const std::vector<float>& got, int step) {
    ASSERT_EQ(got.size(), 3 * vocab);
    for (std::size_t i = 0; i < 3; ++i)
      EXPECT_TRUE(std::equal(alone[i][static_cast<std::size_t>(step)].begin(), alone[i][static_cast<std::size_t>(step)].end(),
                             got.begin() + static_cast<std::ptrdiff_t>(i * vocab)))
          << "sequence " << i << ", step " << step;
  };
  const std::vector<int> long_prompt = some_ids(40, 2);
  (void)model.run({&c}, {{long_prompt.begin(), long_prompt.begin() + 13}});
  expect_rows(model.run({&a, &b, &c}, {some_ids(3, 0), some_ids(33, 1), {long_prompt.begin() + 13, long_prompt.end()}}), 0);
  for (int step = 0; step < 5; ++step)
    expect_rows(model.run({&a, &b, &c}, {{step % shape().vocab}, {(11 + step) % shape().vocab}, {(22 + step) % shape().vocab}}), step + 1);
}

/// A step recorded while attention had no keys to split must not be replayed for one that merges splits.
TEST(CudaLlama, RecordedStepsGoOnWhereKeysAreSplit) {
  const auto weights = weights_in(uniform_formats(Precision::f16));
  Placed steps(first_device(), weights, Activations::f32, Precision::f16), whole(first_device(), weights, Activations::f32, Precision::f16);
  const std::vector<int> ids = some_ids(cuda::attention_split_keys + 4, 3);
  KvSequence longer(*steps.cache), sequence(*steps.cache);
  (void)steps.run({&longer}, {some_ids(2 * cuda::attention_split_keys, 1)});  // so that no array grows later, and recordings stay
  (void)steps.run({&sequence}, {{ids.begin(), ids.end() - 9}});
  std::vector<float> last;
  for (auto id = ids.end() - 9; id != ids.end(); ++id) last = steps.run({&sequence}, {{*id}});
  KvSequence prompt(*whole.cache);
  EXPECT_EQ(last, whole.run({&prompt}, {ids}));
}

/// Samplers of every option, that have seen a prompt and an answer.
std::vector<ops::Sampler> samplers() {
  const std::vector<ops::SampleOptions> kinds{
      {.temperature = 0},
      {.seed = 1},
      {.temperature = 0.6f, .top_k = 7, .seed = 2},
      {.top_p = 0.7f, .seed = 3},
      {.temperature = 1.4f, .min_p = 0.05f, .seed = 4},
      {.temperature = 1.2f, .top_k = 30, .top_p = 0.9f, .min_p = 0.01f, .seed = 5},
      {.temperature = 0, .repetition_penalty = 3.0f},
      {.presence_penalty = 1.5f, .seed = 6},
      {.temperature = 0.8f, .frequency_penalty = -2.0f, .seed = 7},
      {.temperature = 0, .logit_bias = {{70, 40.0f}}},
      {.top_p = 0.95f, .repetition_penalty = 1.3f, .logit_bias = {{9, -INFINITY}, {4, 2.0f}, {4, 1.0f}}, .seed = 8},
  };
  std::vector<ops::Sampler> all;
  for (const ops::SampleOptions& options : kinds) {
    ops::Sampler& sampler = all.emplace_back(options, 1);
    sampler.accept_prompt(some_ids(20, 3));
    for (int id : {5, 6, 5, 60}) sampler.accept(id);
  }
  return all;
}

/// What the sampler makes of logits on the host.
int on_host(ops::Sampler sampler, std::span<const float> logits) {
  std::vector<float> copy(logits.begin(), logits.end());
  return sampler.sample(copy);
}

/// Outputs of one row in many ways, in a prompt and in a step of its own: the tokens are those of the CPU's sampler for the logits of that
/// very forward. None of these draws is near the border between two tokens.
TEST(CudaLlama, ChoosesTheTokensOfTheSampler) {
  for (const int vocabulary : {72, 71}) {  // 71: rows of logits are padded
    Placed model(first_device(), weights_in(uniform_formats(Precision::f16), vocabulary), Activations::f32, Precision::f16);
    KvSequence sequence(*model.cache);
    std::vector<ops::Sampler> all = samplers();
    for (const std::vector<int>& ids : {std::vector<int>{3, 1, 4, 1, 5, 9, 2, 6}, {65}, {35}}) {
      const int last = static_cast<int>(ids.size()) - 1;
      std::vector<Output> outputs{{.row = last}};
      for (ops::Sampler& sampler : all)
        if (vocabulary == 72 || sampler.options().logit_bias.empty()) outputs.push_back({.row = last, .sampler = &sampler});
      outputs.push_back({.row = last});
      model.forward({&sequence}, {ids}, outputs);
      const std::span<const float> logits = outputs.front().logits;
      ASSERT_EQ(logits.size(), static_cast<std::size_t>(vocabulary));
      EXPECT_TRUE(std::equal(logits.begin(), logits.end(), outputs.back().logits.begin()));
      for (std::size_t i = 1; i + 1 < outputs.size(); ++i)
        EXPECT_EQ(outputs[i].token, on_host(*outputs[i].sampler, logits))
            << "output " << i << " of " << vocabulary << ": " << outputs[i].error;
    }
  }
}

/// One recording serves every mixture of outputs: with each step each sequence is sampled under other options, or gives its logits.
TEST(CudaLlama, RecordedStepsTakeOtherOptions) {
  Placed model(first_device(), weights_in(uniform_formats(Precision::f16)), Activations::f32, Precision::f16);
  std::vector<KvSequence> sequences, twins;
  for (std::vector<KvSequence>* of : {&sequences, &twins})
    for (int i = 0; i < 3; ++i) of->emplace_back(*model.cache);
  const auto all_of = [](std::vector<KvSequence>& of) { return std::vector<KvSequence*>{&of[0], &of[1], &of[2]}; };
  const std::vector<std::vector<int>> prompts{some_ids(3, 0), some_ids(33, 1), some_ids(40, 2)};
  (void)model.run(all_of(sequences), prompts);
  (void)model.run(all_of(twins), prompts);
  std::vector<ops::Sampler> all = samplers();
  for (std::size_t step = 0; step < 6; ++step) {
    const int id = static_cast<int>(step);
    const std::vector<std::vector<int>> ids{{id}, {id + 11}, {id + 22}};
    const std::vector<float> logits = model.run(all_of(twins), ids);
    std::vector<Output> outputs(3);
    for (std::size_t i = 0; i < 3; ++i)
      outputs[i] = {.row = static_cast<int>(i), .sampler = i == step % 4 ? nullptr : &all[(2 * step + i) % all.size()]};
    model.forward(all_of(sequences), ids, outputs);
    for (std::size_t i = 0; i < 3; ++i) {
      const std::span<const float> row = std::span(logits).subspan(i * 72, 72);
      if (outputs[i].sampler == nullptr)
        EXPECT_TRUE(std::equal(row.begin(), row.end(), outputs[i].logits.begin(), outputs[i].logits.end())) << "step " << step;
      else
        EXPECT_EQ(outputs[i].token, on_host(*outputs[i].sampler, row)) << "step " << step << ", sequence " << i;
    }
  }
}

/// More adjustments than there is room for: the block grows between two steps, whose recordings are made anew.
TEST(CudaLlama, AdjustmentsMayBeMany) {
  Placed model(first_device(), weights_in(uniform_formats(Precision::f16)), Activations::f32, Precision::f16);
  KvSequence sequence(*model.cache), twin(*model.cache);
  (void)model.run({&sequence, &twin}, {some_ids(9, 0), some_ids(9, 0)});
  ops::SampleOptions options{.top_p = 0.9f, .seed = 21};
  for (const int count : {0, 0, 3, 1500, 1500, 5}) {
    options.logit_bias.clear();
    for (int i = 0; i < count; ++i) options.logit_bias.push_back({i % 72, 0.25f * static_cast<float>(i % 5) - 0.5f});
    const std::vector<float> logits = model.run({&twin}, {{8}});
    ops::Sampler sampler(options);
    Output output{.sampler = &sampler};
    model.forward({&sequence}, {{8}}, {&output, 1});
    EXPECT_EQ(output.token, on_host(sampler, logits)) << count;
  }
}

TEST(CudaLlama, SaysWhyThereIsNoToken) {
  auto weights = std::make_shared<Weights>(*weights_in(uniform_formats(Precision::f16)));
  weights->final_norm[3] = NAN;
  Placed model(first_device(), weights, Activations::f32, Precision::f16);
  KvSequence sequence(*model.cache);
  ops::Sampler sampler({.top_p = 0.5f});
  for (int step = 0; step < 3; ++step) {
    Output output{.sampler = &sampler, .token = 1};
    model.forward({&sequence}, {{4}}, {&output, 1});
    EXPECT_EQ(output.token, -1);
    EXPECT_NE(output.error.find("a logit is NaN or infinite"), std::string::npos) << output.error;
  }
}

TEST(CudaLlama, SharedPagesAreCopiedOnTheDevice) {
  Placed model(first_device(), weights_in(uniform_formats(Precision::f16)), Activations::f32, Precision::f16);
  KvSequence first(*model.cache);
  (void)model.run({&first}, {some_ids(40, 0)});
  KvSequence second = first.fork(37);
  const std::vector<float> other = model.run({&second}, {{1, 2, 3}});
  KvSequence fresh(*model.cache);
  std::vector<int> ids = some_ids(40, 0);
  std::copy_n(std::vector<int>{1, 2, 3}.begin(), 3, ids.begin() + 37);
  EXPECT_EQ(other, model.run({&fresh}, {ids}));
  KvSequence again(*model.cache);
  std::vector<int> original = some_ids(40, 0);
  original.push_back(4);
  EXPECT_EQ(model.run({&first}, {{4}}), model.run({&again}, {original})) << "the fork has changed the first sequence's pages";
}

TEST(CudaLlama, RefusesWhatTheDeviceCannotSee) {
  Placed model(first_device(), weights_in(uniform_formats(Precision::f16)), Activations::f32, Precision::f16);
  KvSequence sequence(*model.cache);
  ASSERT_TRUE(sequence.extend(2));
  const KvChunk chunk = sequence.last(2);
  const std::vector<int> ids{3, shape().vocab};
  EXPECT_THROW(model.llama->forward(*model.cache, {&chunk, 1}, ids, {}), Error);
  sequence.truncate(0);
  EXPECT_EQ(model.run({&sequence}, {{3}}).size(), static_cast<std::size_t>(shape().vocab)) << "and goes on";
}

}  // namespace
}  // namespace vernier::model
