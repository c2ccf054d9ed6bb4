// Opening models: names, shapes, the order of q and k rows, reading in slices and from many threads, and both kinds of checkpoint alike.
#include "common/io/checkpoint.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>

#include "common/io/blocks.hpp"
#include "common/io/gguf_names.hpp"
#include "support/files.hpp"
#include "support/gguf_writer.hpp"
#include "support/safetensors_writer.hpp"
#include "vernier/core/error.hpp"
#include "vernier/cpu/parallel.hpp"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"

namespace vernier {
namespace {

using test::SmallLlama;

const char* const q_name = "model.layers.0.self_attn.q_proj.weight";

// Row of the file's order that row `row` of Hugging Face's order is, for heads whose rotary pairs the file interleaves. Written from the
// definition (pair i of a head is rows i and i + half here, rows 2i and 2i + 1 there) rather than by the loader's arithmetic.
int interleaved(int row, int head_dim) {
  const int head = row / head_dim, t = row % head_dim, half = head_dim / 2;
  const int pair = t < half ? t : t - half, second = t < half ? 0 : 1;
  return head * head_dim + 2 * pair + second;
}

TEST(Checkpoint, GgufLlamaRowsGoBackToHalves) {
  const test::TemporaryFolder folder;
  const io::Checkpoint model = io::open_checkpoint(folder.write("a.gguf", test::small_llama().bytes()));
  for (const char* name : {q_name, "model.layers.0.self_attn.k_proj.weight"}) {
    const std::vector<float> w = model.read(name);
    const int rows = model.shape(name).rows, cols = model.shape(name).cols;
    for (int r = 0; r < rows; ++r) {  // value i of the file's tensor is i / 64
      ASSERT_EQ(w[static_cast<std::size_t>(r * cols + 5)], static_cast<float>(interleaved(r, SmallLlama::head_dim) * cols + 5) / 64)
          << name << " row " << r;
    }
  }
  const std::vector<float> v = model.read("model.layers.0.self_attn.v_proj.weight");
  for (std::size_t i = 0; i < v.size(); ++i) ASSERT_EQ(v[i], static_cast<float>(i) / 64);
}

TEST(Checkpoint, GgufQwenRowsStay) {
  const test::TemporaryFolder folder;
  for (const char* arch : {"qwen2", "qwen3"}) {
    const io::Checkpoint model = io::open_checkpoint(folder.write("a.gguf", test::small_llama(arch).bytes()));
    const std::vector<float> q = model.read(q_name);
    for (std::size_t i = 0; i < q.size(); ++i) ASSERT_EQ(q[i], static_cast<float>(i) / 64);
    EXPECT_EQ(model.config().attention_bias, std::string(arch) == "qwen2");
    EXPECT_EQ(model.config().qk_norm, std::string(arch) == "qwen3");
  }
}

TEST(Checkpoint, GgufLlamaBiasesGoBackToHalvesToo) {
  test::GgufWriter file = test::small_llama();
  std::vector<float> q(32), k(16);
  for (std::size_t i = 0; i < q.size(); ++i) q[i] = static_cast<float>(i);
  for (std::size_t i = 0; i < k.size(); ++i) k[i] = static_cast<float>(i);
  file.f32_tensor("blk.0.attn_q.bias", {32}, q).f32_tensor("blk.0.attn_k.bias", {16}, k).f32_tensor("blk.0.attn_v.bias", {16}, k);
  const test::TemporaryFolder folder;
  const io::Checkpoint model = io::open_checkpoint(folder.write("a.gguf", file.bytes()));
  const std::vector<float> bias = model.read("model.layers.0.self_attn.q_proj.bias");
  for (int i = 0; i < 32; ++i) EXPECT_EQ(bias[static_cast<std::size_t>(i)], static_cast<float>(interleaved(i, 8)));
}

TEST(Checkpoint, GgufConfig) {
  const test::TemporaryFolder folder;
  test::GgufWriter file = test::small_llama();
  file.f32_tensor("rope_freqs.weight", {4}, {1, 1, 4, 8}).u32("tokenizer.ggml.eot_token_id", 3).u32("llama.attention.sliding_window", 16);
  const io::Checkpoint model = io::open_checkpoint(folder.write("a.gguf", file.bytes()));
  const model::ModelConfig& config = model.config();
  EXPECT_EQ(config.architecture, "llama");
  EXPECT_EQ(config.layers, 1);
  EXPECT_EQ(config.hidden, 32);
  EXPECT_EQ(config.heads, 4);
  EXPECT_EQ(config.kv_heads, 2);
  EXPECT_EQ(config.head_dim, 8);
  EXPECT_EQ(config.ffn, 64);
  EXPECT_EQ(config.vocab, 12);
  EXPECT_EQ(config.context, 64);
  EXPECT_EQ(config.norm_eps, 1e-5f);
  EXPECT_EQ(config.rope.theta, 10000);
  EXPECT_EQ(config.rope.kind, model::RopeKind::explicit_factors);
  EXPECT_EQ(config.rope.factors, (std::vector<float>{1, 1, 4, 8}));
  EXPECT_EQ(config.window(0), 16);
  EXPECT_TRUE(config.tied_embeddings);
  EXPECT_EQ(config.bos, 1);
  EXPECT_EQ(config.eos, (std::vector<int>{2, 3}));
  EXPECT_FALSE(model.has("rope_freqs.weight"));
}

TEST(Checkpoint, AnUntiedHeadIsATensor) {
  const test::TemporaryFolder folder;
  test::GgufWriter file = test::small_llama();
  file.f32_tensor("output.weight", {32, 12}, std::vector<float>(32 * 12, 2));
  const io::Checkpoint model = io::open_checkpoint(folder.write("a.gguf", file.bytes()));
  EXPECT_FALSE(model.config().tied_embeddings);
  EXPECT_EQ(model.read("lm_head.weight")[0], 2);
}

TEST(Checkpoint, SlicesEqualTheWhole) {
  const test::TemporaryFolder folder;
  const io::Checkpoint model = io::open_checkpoint(folder.write("a.gguf", test::small_llama().bytes()));
  for (const io::StoredTensor& tensor : model.tensors()) {
    const std::vector<float> whole = model.read(tensor.name);
    const int stride = tensor.cols + 3;
    std::vector<float> padded(static_cast<std::size_t>(tensor.rows * stride), -1.0f);
    for (int first = 0; first < tensor.rows; first += 5) {
      const int count = std::min(5, tensor.rows - first);
      model.read_rows(tensor.name, first, MatrixView<float>(padded.data() + first * stride, count, tensor.cols, stride));
    }
    for (int r = 0; r < tensor.rows; ++r) {
      for (int c = 0; c < stride; ++c) {
        const float want = c < tensor.cols ? whole[static_cast<std::size_t>(r * tensor.cols + c)] : -1.0f;  // padding stays untouched
        ASSERT_EQ(padded[static_cast<std::size_t>(r * stride + c)], want) << tensor.name << " " << r << "," << c;
      }
    }
  }
}

TEST(Checkpoint, StoredRowsAreWhatTheFloatsAreDecodedFrom) {
  const test::TemporaryFolder folder;
  const std::string path = folder.write("a.gguf", test::small_llama().bytes());
  const io::Checkpoint model = io::open_checkpoint(path);
  EXPECT_TRUE(model.in_memory());  // it was written just now
  Buffer<std::byte> memory;
  for (const io::StoredTensor& tensor : model.tensors()) {
    if (tensor.rows == 1) continue;
    const std::vector<float> whole = model.read(tensor.name);
    for (const int most : {1, 2, 4, 5, 40})  // parts of a head's half, halves, and what crosses them
      for (int first = 0; first < tensor.rows; first += most) {
        const int count = std::min(most, tensor.rows - first);
        const io::RawRows raw = model.stored_rows(tensor.name, first, count, memory);
        EXPECT_NE(raw.stride / 64 % 4, 0u) << raw.stride;
        std::vector<float> row(static_cast<std::size_t>(tensor.cols));
        for (int i = 0; i < count; ++i) {
          io::decode_blocks(tensor.type, raw.data + static_cast<std::size_t>(i) * raw.stride, row.data(), row.size());
          EXPECT_TRUE(std::equal(row.begin(), row.end(), whole.begin() + (first + i) * tensor.cols)) << tensor.name << ' ' << first + i;
        }
      }
  }
  std::filesystem::resize_file(path, 100);
  try {
    model.stored_rows(q_name, 0, 1, memory);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("can no longer be read"), std::string::npos) << error.what();
  }
}

TEST(Checkpoint, ManyThreadsReadAtOnce) {
  const test::TemporaryFolder folder;
  const io::Checkpoint model = io::open_checkpoint(folder.write("a.gguf", test::small_llama().bytes()));
  const std::vector<float> want = model.read(q_name);
  cpu::ThreadPool pool(4);
  std::atomic<int> wrong{0};
  pool.for_each(64, [&](std::int64_t i) {
    std::vector<float> row(32);
    const int r = static_cast<int>(i) % 32;
    model.read_rows(q_name, r, {row.data(), 1, 32});
    if (!std::equal(row.begin(), row.end(), want.begin() + r * 32)) ++wrong;
  });
  EXPECT_EQ(wrong, 0);
}

TEST(Checkpoint, RefusesWhatATensorDoesNotHave) {
  const test::TemporaryFolder folder;
  const io::Checkpoint model = io::open_checkpoint(folder.write("a.gguf", test::small_llama().bytes()));
  std::vector<float> out(64 * 33);
  EXPECT_THROW(model.read_rows(q_name, 30, {out.data(), 3, 32}), Error);
  EXPECT_THROW(model.read_rows(q_name, -1, {out.data(), 1, 32}), Error);
  EXPECT_THROW(model.read_rows(q_name, 0x7fffffff, {out.data(), 1, 32}), Error);
  EXPECT_THROW(model.read_rows(q_name, 0, {out.data(), 1, 33}), Error);
  Buffer<std::byte> memory;
  EXPECT_THROW(model.stored_rows(q_name, 30, 3, memory), Error);
  EXPECT_THROW(model.stored_rows(q_name, -1, 1, memory), Error);
  EXPECT_THROW(model.stored_rows("no.such.tensor", 0, 1, memory), Error);
  EXPECT_THROW(model.read_rows("no.such.tensor", 0, {out.data(), 1, 32}), Error);
}

// The same numbers through both formats.
TEST(Checkpoint, FoldersAndShardsReadTheSame) {
  const test::TemporaryFolder single, sharded;
  test::write_small_folder(single);
  test::SafetensorsWriter all = test::small_tensors(), first, second;
  std::string map;
  for (std::size_t i = 0; i < all.tensors.size(); ++i) {
    (i % 2 == 0 ? first : second).tensors.push_back(all.tensors[i]);
    map += (i == 0 ? "\"" : ", \"") + all.tensors[i].name + "\": \"model-0000" + (i % 2 == 0 ? "1" : "2") + "-of-00002.safetensors\"";
  }
  sharded.write("config.json", test::small_config());
  sharded.write("model-00001-of-00002.safetensors", first.bytes());
  sharded.write("model-00002-of-00002.safetensors", second.bytes());
  sharded.write("model.safetensors.index.json", "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {" + map + "}}");
  const io::Checkpoint a = io::open_checkpoint(single.path()), b = io::open_checkpoint(sharded.path());
  ASSERT_EQ(a.tensors().size(), 11u);
  ASSERT_EQ(b.tensors().size(), 11u);
  for (const io::StoredTensor& tensor : a.tensors()) {
    const std::vector<float> values = a.read(tensor.name);
    EXPECT_EQ(values, b.read(tensor.name)) << tensor.name;
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], static_cast<float>(i) / 64);
  }
  EXPECT_EQ(a.gguf(), nullptr);
}

TEST(Checkpoint, HalfPrecisionFolders) {
  const test::TemporaryFolder folder;
  test::SafetensorsWriter file = test::small_tensors();
  const auto narrow = [&](const char* name, const char* dtype, const auto& encode) {
    auto& tensor = file.at(name);
    std::string data;
    for (std::size_t i = 0; i < tensor.data.size() / 4; ++i) data += test::raw(encode(static_cast<float>(i) / 64).bits);
    tensor.data = data;
    tensor.dtype = dtype;
  };
  narrow(q_name, "F16", [](float x) { return f16::encode(x); });
  narrow("model.norm.weight", "BF16", [](float x) { return bf16::encode(x); });
  folder.write("config.json", test::small_config());
  folder.write("model.safetensors", file.bytes());
  const io::Checkpoint model = io::open_checkpoint(folder.path());
  EXPECT_EQ(model.shape(q_name).type, io::StorageType::f16);
  EXPECT_EQ(model.read(q_name)[65], 65.0f / 64);  // exact in both
  EXPECT_EQ(model.read("model.norm.weight")[31], 31.0f / 64);
}

TEST(Checkpoint, ARepeatedHeadAndOldBuffersAreIgnored) {
  const test::TemporaryFolder folder;
  test::SafetensorsWriter file = test::small_tensors();
  file.add("lm_head.weight", 12, 32).add("model.layers.0.self_attn.rotary_emb.inv_freq", 0, 4);
  folder.write("config.json", test::small_config());
  folder.write("model.safetensors", file.bytes());
  const io::Checkpoint model = io::open_checkpoint(folder.path());
  EXPECT_FALSE(model.has("lm_head.weight"));
  EXPECT_EQ(model.tensors().size(), 11u);
}

TEST(GgufNames, GoBothWays) {
  for (const char* name : {"token_embd.weight", "output_norm.weight", "output.weight", "blk.0.attn_norm.weight", "blk.31.attn_q.bias",
                           "blk.7.attn_k_norm.weight", "blk.12.ffn_down.weight"}) {
    EXPECT_NE(io::hugging_face_name(name), name);
    EXPECT_EQ(io::gguf_name(io::hugging_face_name(name)), name);
  }
  EXPECT_EQ(io::hugging_face_name("blk.3.attn_output.weight"), "model.layers.3.self_attn.o_proj.weight");
  for (const char* name :
       {"", "blk.", "blk.1", "blk.x.attn_q.weight", "blk.1.attn_q", "blk.1..weight", "blk.1.other.weight", "blk.1.weight"}) {
    EXPECT_EQ(io::hugging_face_name(name), name);
  }
}

}  // namespace
}  // namespace vernier
