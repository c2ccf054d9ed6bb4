// The header's JSON is untrusted: each number is checked against the size of the file before it is used.
#include "common/io/safetensors.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "common/io/json_fields.hpp"
#include "common/io/names.hpp"
#include "vernier/core/error.hpp"

namespace vernier::io {

namespace json = boost::json;

namespace {

constexpr std::uint64_t max_header = 32u << 20;  // a thousand times what the largest models need
constexpr int max_dim = 0x7fffffff;

StorageType type_of(const std::string& dtype, const std::string& file, std::string_view name) {
  if (dtype == "F32") return StorageType::f32;
  if (dtype == "F16") return StorageType::f16;
  if (dtype == "BF16") return StorageType::bf16;
  fail(file, "tensor ", quoted(name), " has dtype ", quoted(dtype), ", expected F32, F16 or BF16");
}

// An unsigned integer of 64 bits out of the two-element array data_offsets.
std::uint64_t offset_of(const json::value& value, const std::string& file, std::string_view name) {
  if (!value.is_int64() || value.get_int64() < 0) {
    fail(file, "tensor ", quoted(name), " has the data offset ", json_text(value), ", expected an integer of 0 or more");
  }
  return static_cast<std::uint64_t>(value.get_int64());
}

struct Ranged {
  StoredTensor tensor;
  std::uint64_t begin = 0, end = 0;
};

Ranged read_entry(std::string_view name, const json::value& value, const std::string& file, std::span<const std::byte> data) {
  if (!is_utf8(name) || name.empty()) fail(file, "a tensor is called ", quoted(name), ", expected a name in UTF-8");
  if (!value.is_object()) fail(file, "tensor ", quoted(name), " is ", json_text(value), ", expected an object");
  const JsonFields fields(value.get_object(), file, concat(quoted(name), "."));
  Ranged out;
  out.tensor.name = std::string(name);
  out.tensor.type = type_of(fields.text("dtype"), file, name);

  const std::vector<int> shape = fields.integers("shape", 1, max_dim);
  if (shape.empty() || shape.size() > 2) fail(file, "tensor ", quoted(name), " has ", shape.size(), " dimensions, expected 1 or 2");
  out.tensor.rows = shape.size() == 2 ? shape[0] : 1;
  out.tensor.cols = shape.back();

  const json::value* offsets = fields.find("data_offsets");
  if (offsets == nullptr || !offsets->is_array() || offsets->get_array().size() != 2)
    fields.fail_field("data_offsets", "an array of two integers");
  out.begin = offset_of(offsets->get_array()[0], file, name);
  out.end = offset_of(offsets->get_array()[1], file, name);
  if (out.begin > out.end || out.end > data.size()) {
    fail(file, "tensor ", quoted(name), " lies at ", out.begin, " to ", out.end, ", but the file has ", data.size(), " bytes of data");
  }
  const std::uint64_t values = static_cast<std::uint64_t>(out.tensor.rows) * static_cast<std::uint64_t>(out.tensor.cols);
  const std::uint64_t bytes = static_cast<std::uint64_t>(layout_of(out.tensor.type).block_bytes);
  if (values != (out.end - out.begin) / bytes || (out.end - out.begin) % bytes != 0) {
    fail(file, "tensor ", quoted(name), " has ", out.end - out.begin, " bytes, expected ", values, " values of ", bytes);
  }
  out.tensor.data = data.data() + out.begin;
  return out;
}

// Holes would be bytes that nobody checks, overlaps two tensors in one place.
void check_cover(std::vector<Ranged>& all, const std::string& file, std::uint64_t size) {
  std::sort(all.begin(), all.end(), [](const Ranged& a, const Ranged& b) { return a.begin < b.begin; });
  std::uint64_t at = 0;
  for (const Ranged& one : all) {
    if (one.begin != at)
      fail(file, "tensor ", quoted(one.tensor.name), " begins at ", one.begin, ", expected ", at, " where the one before ends");
    at = one.end;
  }
  if (at != size) fail(file, "the tensors end at ", at, ", but the file has ", size, " bytes of data");
}

}  // namespace

std::vector<StoredTensor> read_safetensors(const MappedFile& file) {
  const std::string& path = file.path();
  std::uint64_t header = 0;
  if (file.size() < sizeof header) fail(path, "has ", file.size(), " bytes, expected a safetensors header of at least 8");
  std::memcpy(&header, file.bytes().data(), sizeof header);
  const std::uint64_t rest = file.size() - sizeof header;
  if (header > rest) fail(path, "states a header of ", header, " bytes, but only ", rest, " follow");
  if (header > max_header || header < 2) {
    fail(path, "states a header of ", header, " bytes, expected 2 to ", max_header);
  }
  const std::span<const std::byte> data = file.bytes().subspan(static_cast<std::size_t>(sizeof header + header));
  const char* text = reinterpret_cast<const char*>(file.bytes().data() + sizeof header);
  const JsonDocument document(path, {text, static_cast<std::size_t>(header)});

  std::vector<Ranged> all;
  for (const auto& [key, value] : document.root()) {
    const std::string_view name(key.data(), key.size());
    if (name != "__metadata__") all.push_back(read_entry(name, value, path, data));
  }
  check_cover(all, path, data.size());
  std::vector<StoredTensor> tensors;
  tensors.reserve(all.size());
  for (Ranged& one : all) tensors.push_back(std::move(one.tensor));
  return tensors;
}

}  // namespace vernier::io
