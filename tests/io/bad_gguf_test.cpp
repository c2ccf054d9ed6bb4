// Damaged and hostile GGUF files: each is refused with a message that docs/errors.md quotes.
#include <sys/stat.h>

#include <cmath>
#include <functional>
#include <limits>

#include "common/io/checkpoint.hpp"
#include "support/bad_files.hpp"
#include "support/gguf_writer.hpp"

namespace vernier {
namespace {

using test::GgufWriter;
using test::raw;
using test::small_llama;

struct Case {
  const char* defect;
  std::function<std::string()> bytes;
};

// A small model with one change.
std::function<std::string()> with(void (*change)(GgufWriter&)) {
  return [change] {
    GgufWriter file = small_llama();
    change(file);
    return file.bytes();
  };
}

std::function<std::string()> set_u32(const char* key, std::uint32_t value) {
  return [=] { return small_llama().u32(key, value).bytes(); };
}

std::function<std::string()> set_f32(const char* key, float value) {
  return [=] { return small_llama().f32(key, value).bytes(); };
}

std::function<std::string()> shaped(const char* tensor, std::vector<std::uint64_t> dims) {
  return [=] {
    GgufWriter file = small_llama();
    file.tensor(tensor).dims = dims;
    return file.bytes();
  };
}

std::string header(std::uint32_t version, std::uint64_t tensors, std::uint64_t values) {
  return "GGUF" + raw(version) + raw(tensors) + raw(values);
}

void run(const char* section, const std::vector<Case>& cases) {
  test::ErrorTable table(section);
  for (const Case& one : cases) {
    const test::TemporaryFolder folder;
    const std::string bytes = one.bytes(), path = folder.write("model.gguf", bytes);
    test::expect_refused(table, folder, one.defect, bytes.size(), [&] { io::open_checkpoint(path); });
  }
  table.check();
}

TEST(BadGguf, Structure) {
  const char* q = "blk.0.attn_q.weight";
  run("GGUF: structure", {
                             {"empty file", [] { return std::string(); }},
                             {"four bytes", [] { return std::string("GGUF"); }},
                             {"another format", [] { return std::string(64, 'x'); }},
                             {"version 1", [] { return header(1, 0, 0); }},
                             {"version 4", [] { return header(4, 0, 0); }},
                             {"big-endian", [] { return header(3u << 24, 0, 0); }},
                             {"2^63 metadata entries", [] { return header(3, 0, 1ull << 63); }},
                             {"2^61 tensors", [] { return header(3, 1ull << 61, 0); }},
                             {"more entries than there are", with([](GgufWriter& f) { f.num_values = 14; })},
                             {"key of 2^40 bytes", [] { return header(3, 0, 1) + raw(1ull << 40) + std::string(32, 'k'); }},
                             {"key of 2^64 - 1 bytes", [] { return header(3, 0, 1) + raw(~0ull) + std::string(32, 'k'); }},
                             {"empty key", with([](GgufWriter& f) { f.set("", 4, raw(1u)); })},
                             {"key that is not UTF-8", with([](GgufWriter& f) { f.set("\xff\xfe", 4, raw(1u)); })},
                             {"duplicate key", with([](GgufWriter& f) { f.values.push_back(f.values[1]); })},
                             {"unknown value type", with([](GgufWriter& f) { f.set("a", 13, raw(1u)); })},
                             {"bool of 2", with([](GgufWriter& f) { f.set("a", 7, "\x02"); })},
                             {"string of 2^62 bytes", with([](GgufWriter& f) { f.set("a", 8, raw(1ull << 62)); })},
                             {"array of 2^62 numbers", with([](GgufWriter& f) { f.array("a", 4, 1ull << 62, ""); })},
                             {"array of 2^30 strings", with([](GgufWriter& f) { f.array("a", 8, 1ull << 30, ""); })},
                             {"array of arrays", with([](GgufWriter& f) { f.array("a", 9, 1, ""); })},
                             {"alignment 0", with([](GgufWriter& f) { f.u32("general.alignment", 0); })},
                             {"alignment 1", with([](GgufWriter& f) { f.u32("general.alignment", 1); })},
                             {"alignment 48", with([](GgufWriter& f) { f.u32("general.alignment", 48); })},
                             {"alignment as a string", with([](GgufWriter& f) { f.text("general.alignment", "32"); })},
                             {"tensor without a name", with([](GgufWriter& f) { f.tensors[1].name = ""; })},
                             {"tensor name of 65 bytes", with([](GgufWriter& f) { f.tensors[1].name = std::string(65, 't'); })},
                             {"tensor name that is not UTF-8", with([](GgufWriter& f) { f.tensors[1].name = "\xc0\x80"; })},
                             {"duplicate tensor", with([](GgufWriter& f) { f.tensors[1].name = f.tensors[9].name; })},
                             {"tensor without dimensions", shaped(q, {})},
                             {"tensor of five dimensions", shaped(q, {32, 1, 1, 1, 32})},
                             {"dimension 0", shaped(q, {32, 0})},
                             {"dimension of 2^32", shaped(q, {32, 1ull << 32})},
                             {"product of dimensions beyond 2^64", shaped(q, {1u << 30, 1u << 30, 16, 16})},
                             {"more values than the file holds", shaped(q, {32, 1u << 20})},
                             {"unknown tensor type", with([](GgufWriter& f) { f.tensor("blk.0.attn_q.weight").type = 99; })},
                             {"tensor type that is not supported", with([](GgufWriter& f) { f.tensor("blk.0.attn_q.weight").type = 16; })},
                             {"rows that are not whole blocks", with([](GgufWriter& f) { f.tensor("blk.0.attn_q.weight").type = 12; })},
                             {"offset inside another tensor", with([](GgufWriter& f) { f.tensor("blk.0.attn_k.weight").offset = 32; })},
                             {"offset beyond the file", with([](GgufWriter& f) { f.tensor("blk.0.attn_k.weight").offset = ~0ull - 31; })},
                             {"truncated by one byte",
                              [] {
                                std::string bytes = small_llama().bytes();
                                bytes.pop_back();
                                return bytes;
                              }},
                             {"truncated in the tensor table", [] { return small_llama().bytes().substr(0, 900); }},
                         });
}

TEST(BadGguf, Model) {
  const float nan = std::nanf("");
  run("GGUF: model",
      {
          {"vocabulary without weights", with([](GgufWriter& f) { f.tensors.clear(); })},
          {"no architecture", with([](GgufWriter& f) { f.erase("general.architecture"); })},
          {"architecture that is not supported", with([](GgufWriter& f) { f.text("general.architecture", "gpt2"); })},
          {"architecture as a number", with([](GgufWriter& f) { f.u32("general.architecture", 1); })},
          {"one file of a split model", with([](GgufWriter& f) { f.set("split.count", 2, raw<std::uint16_t>(3)); })},
          {"no layer count", with([](GgufWriter& f) { f.erase("llama.block_count"); })},
          {"0 layers", set_u32("llama.block_count", 0)},
          {"2^32 - 1 layers", set_u32("llama.block_count", ~0u)},
          {"more layers than tensors", set_u32("llama.block_count", 2)},
          {"-1 layers", with([](GgufWriter& f) { f.set("llama.block_count", 5, raw(-1)); })},
          {"context 0", set_u32("llama.context_length", 0)},
          {"hidden size unlike the tensors", set_u32("llama.embedding_length", 64)},
          {"heads that do not divide the hidden size", set_u32("llama.attention.head_count", 5)},
          {"key-value heads that do not divide the heads", set_u32("llama.attention.head_count_kv", 3)},
          {"head size that is no multiple of 8", set_u32("llama.attention.key_length", 12)},
          {"values of another size than keys", set_u32("llama.attention.value_length", 16)},
          {"partial rotation", set_u32("llama.rope.dimension_count", 4)},
          {"no epsilon", with([](GgufWriter& f) { f.erase("llama.attention.layer_norm_rms_epsilon"); })},
          {"epsilon 0", set_f32("llama.attention.layer_norm_rms_epsilon", 0)},
          {"epsilon NaN", set_f32("llama.attention.layer_norm_rms_epsilon", nan)},
          {"epsilon infinite", set_f32("llama.attention.layer_norm_rms_epsilon", INFINITY)},
          {"epsilon negative", set_f32("llama.attention.layer_norm_rms_epsilon", -1e-5f)},
          {"epsilon 2", set_f32("llama.attention.layer_norm_rms_epsilon", 2)},
          {"rope base 0", set_f32("llama.rope.freq_base", 0)},
          {"rope base NaN", set_f32("llama.rope.freq_base", nan)},
          {"unknown rope scaling", with([](GgufWriter& f) { f.text("llama.rope.scaling.type", "yarn"); })},
          {"rope factor 0", with([](GgufWriter& f) { f.text("llama.rope.scaling.type", "linear").f32("llama.rope.scaling.factor", 0); })},
          {"rope factors too few", with([](GgufWriter& f) {
             f.f32_tensor("rope_freqs.weight", {2}, {1, 1});
           })},
          {"rope factor NaN", with([](GgufWriter& f) {
             f.f32_tensor("rope_freqs.weight", {4}, {1, 1, std::nanf(""), 1});
           })},
          {"mixture of experts", set_u32("llama.expert_count", 8)},
          {"tokens unlike the embedding", with([](GgufWriter& f) {
             f.texts("tokenizer.ggml.tokens", {"a", "b"});
           })},
          {"vocabulary size unlike the embedding", set_u32("llama.vocab_size", 13)},
          {"end token beyond the vocabulary", set_u32("tokenizer.ggml.eos_token_id", 12)},
          {"missing tensor", with([](GgufWriter& f) { f.erase_tensor("blk.0.ffn_up.weight"); })},
          {"extra tensor", with([](GgufWriter& f) {
             f.f32_tensor("blk.0.ffn_gate_inp.weight", {2}, {1, 1});
           })},
          {"tensor of layer 7", with([](GgufWriter& f) { f.tensors.back().name = "blk.7.ffn_norm.weight"; })},
          {"tensor with swapped dimensions", shaped("blk.0.ffn_down.weight", {32, 64})},
          {"tensor of three dimensions", shaped("blk.0.ffn_down.weight", {32, 8, 8})},
      });
}

// What no file of bytes can be.
TEST(BadGguf, Paths) {
  test::ErrorTable table("Paths");
  const test::TemporaryFolder folder;
  const auto refused = [&](const char* defect, const std::string& path) {
    test::expect_refused(table, folder, defect, 0, [&] { io::open_checkpoint(path); });
  };
  refused("missing file", folder.path("missing.gguf"));
  ASSERT_EQ(::mkfifo(folder.path("pipe.gguf").c_str(), 0600), 0);
  refused("named pipe", folder.path("pipe.gguf"));
  std::filesystem::create_symlink("/dev/zero", folder.path("device.gguf"));
  refused("device", folder.path("device.gguf"));
  std::filesystem::create_directory(folder.path("nothing"));
  refused("folder without a model", folder.path("nothing"));
  refused("path through a file", folder.write("plain", "x") + "/model.gguf");
  table.check();
}

// The writer's model is fine without a defect, so each case above is about its defect.
TEST(BadGguf, TheUndamagedModelLoads) {
  const test::TemporaryFolder folder;
  for (const char* arch : {"llama", "qwen2", "qwen3"}) {
    EXPECT_NO_THROW(io::open_checkpoint(folder.write(std::string(arch) + ".gguf", small_llama(arch).bytes()))) << arch;
  }
}

}  // namespace
}  // namespace vernier
