// A Hugging Face folder as a checkpoint: config.json, then model.safetensors or the shards that model.safetensors.index.json names.
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "common/io/checkpoint.hpp"
#include "common/io/folder_config.hpp"
#include "common/io/json_fields.hpp"
#include "common/io/names.hpp"
#include "common/io/safetensors.hpp"
#include "vernier/core/error.hpp"

namespace vernier::io {

namespace {

constexpr std::size_t max_index = 32u << 20;

bool exists(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

// A shard must lie in the folder itself, so a name with any separator is refused. (A symbolic link is the owner's own doing: download
// caches are built of them.)
void check_shard_name(const std::string& index, const std::string& name) {
  const bool plain =
      !name.empty() && name.size() < 256 && name[0] != '.' && name.find_first_of(std::string("/\\\0", 3)) == std::string::npos;
  if (!plain || !name.ends_with(".safetensors")) {
    fail(index, "weight_map names the shard ", quoted(name), ", expected a file in this folder that ends in .safetensors");
  }
}

// Tensor name -> shard.
std::map<std::string, std::string, std::less<>> read_index(const std::string& index) {
  const JsonDocument document = JsonDocument::read(index, max_index);
  const JsonFields fields(document.root(), index);
  const boost::json::value* weights = fields.find("weight_map");
  if (weights == nullptr || !weights->is_object() || weights->get_object().empty())
    fields.fail_field("weight_map", "an object that is not empty");
  std::map<std::string, std::string, std::less<>> shard_of;
  for (const auto& [key, value] : weights->get_object()) {
    const std::string_view name(key.data(), key.size());
    if (!value.is_string()) fail(index, "weight_map gives ", quoted(name), " the shard ", json_text(value), ", expected a file name");
    std::string shard(value.get_string().data(), value.get_string().size());
    check_shard_name(index, shard);
    shard_of.emplace(std::string(name), std::move(shard));
  }
  return shard_of;
}

void read_shards(const std::string& folder, const std::string& index, CheckpointParts& parts) {
  const auto shard_of = read_index(index);
  std::vector<std::string> shards;
  for (const auto& [name, shard] : shard_of) shards.push_back(shard);
  std::sort(shards.begin(), shards.end());
  shards.erase(std::unique(shards.begin(), shards.end()), shards.end());
  for (const std::string& shard : shards) {
    const MappedFile& file = parts.files.emplace_back(folder + "/" + shard);
    for (StoredTensor& tensor : read_safetensors(file)) {
      const auto it = shard_of.find(tensor.name);
      if (it == shard_of.end() || it->second != shard) {
        fail(file.path(), "holds the tensor ", quoted(tensor.name), ", which model.safetensors.index.json ",
             it == shard_of.end() ? "does not list" : "places in " + quoted(it->second));
      }
      parts.tensors.push_back(std::move(tensor));
    }
  }
  if (parts.tensors.size() == shard_of.size()) return;
  std::vector<std::string_view> found;
  for (const StoredTensor& tensor : parts.tensors) found.push_back(tensor.name);
  std::sort(found.begin(), found.end());
  for (const auto& [name, shard] : shard_of) {
    if (!std::binary_search(found.begin(), found.end(), name))
      fail(index, "the tensor ", quoted(name), " is not in ", shard, " where weight_map places it");
  }
}

// Buffers of old transformers versions, and a head that repeats the embedding.
void drop_redundant(CheckpointParts& parts) {
  std::erase_if(parts.tensors, [](const StoredTensor& tensor) { return tensor.name.ends_with(".rotary_emb.inv_freq"); });
  if (!parts.config.tied_embeddings) return;
  const auto named = [&](std::string_view name) {
    return std::find_if(parts.tensors.begin(), parts.tensors.end(), [&](const StoredTensor& tensor) { return tensor.name == name; });
  };
  const auto head = named("lm_head.weight"), embedding = named("model.embed_tokens.weight");
  if (head == parts.tensors.end() || embedding == parts.tensors.end()) return;
  const std::size_t bytes = stored_bytes(head->type, static_cast<std::size_t>(head->rows) * static_cast<std::size_t>(head->cols));
  const bool same = head->type == embedding->type && head->rows == embedding->rows && head->cols == embedding->cols &&
                    std::memcmp(head->data, embedding->data, bytes) == 0;
  if (!same) fail(parts.path, "tie_word_embeddings = true, but lm_head.weight differs from model.embed_tokens.weight");
  parts.tensors.erase(head);
}

}  // namespace

CheckpointParts read_folder_checkpoint(const std::string& path) {
  CheckpointParts parts;
  parts.path = path;
  parts.config = read_folder_config(path);
  const std::string single = path + "/model.safetensors", index = single + ".index.json";
  if (exists(single)) {
    parts.tensors = read_safetensors(parts.files.emplace_back(single));
  } else if (exists(index)) {
    read_shards(path, index, parts);
  } else {
    const bool pickled = exists(path + "/pytorch_model.bin") || exists(path + "/pytorch_model.bin.index.json");
    fail(path, pickled ? "holds pytorch_model.bin alone; save the model as safetensors first"
                       : "holds neither model.safetensors nor model.safetensors.index.json");
  }
  drop_redundant(parts);
  return parts;
}

}  // namespace vernier::io
