// The tiny models of tests/data/models, with what transformers computes of them (data/make_tiny_models.py).
#pragma once

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "common/model/weights.hpp"

namespace vernier::test {

/// A model's folder.
struct TinyFiles {
  explicit TinyFiles(const std::string& name) : folder(std::string(VERNIER_TEST_DATA) + "/models/" + name) {}

  const std::string folder;

  std::vector<int> ids(const std::string& file) const {
    std::ifstream in(folder + "/" + file);
    std::vector<int> all;
    for (int id = 0; in >> id;) all.push_back(id);
    return all;
  }
  /// One sequence.
  std::vector<int> tokens() const { return ids("tokens.txt"); }
  /// What greedy decoding appends to its first eight.
  std::vector<int> greedy() const { return ids("greedy.txt"); }
  /// Logits of each of tokens(): (tokens, vocab).
  std::vector<float> expected() const {
    std::ifstream in(folder + "/expected.f32", std::ios::binary | std::ios::ate);
    std::vector<float> values(static_cast<std::size_t>(in.tellg()) / sizeof(float));
    in.seekg(0);
    in.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
    return values;
  }
};

/// Every matrix in `precision`, the embedding in f16.
inline std::shared_ptr<const model::Weights> load_tiny(const TinyFiles& files, Precision precision, cpu::ThreadPool& pool) {
  const io::Checkpoint checkpoint = io::open_checkpoint(files.folder);
  return std::make_shared<const model::Weights>(model::WeightLoader(checkpoint, pool).load([&](std::string_view name) {
    return default_format(name == "model.embed_tokens.weight" ? Precision::f16 : precision);
  }));
}

}  // namespace vernier::test
