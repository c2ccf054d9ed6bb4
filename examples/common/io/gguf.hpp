// A GGUF file: metadata and the table of tensors, read in place from the mapping. Every count, length and offset is checked against
// the file before it is used, so what a Gguf hands out lies inside the file. What the values mean for a model is checkpoint.hpp's
// business. Source: the GGUF specification in ggml/docs/gguf.md, versions 2 and 3, little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/io/mapped_file.hpp"
#include "common/io/storage_type.hpp"

namespace vernier::io {

/// Types of metadata values, numbered as in the file.
enum class GgufType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

/// The name of a type for messages: "u32", "string".
const char* type_name(GgufType type);

/// One metadata value. For arrays `type` is array and `element` the type of its `count` elements.
struct GgufValue {
  std::string_view key;
  GgufType type = GgufType::u8;
  GgufType element = GgufType::u8;
  std::uint64_t count = 1;
  const std::byte* data = nullptr;  // in the mapping, unaligned, checked to hold `count` elements
};

/// One tensor. dims[0] is the length of a row (the file's order); unused ones are 1.
struct GgufTensor {
  std::string_view name;
  StorageType type = StorageType::f32;
  int num_dims = 1;
  std::uint64_t dims[4] = {1, 1, 1, 1};  // each 1 to 2^31 - 1
  std::span<const std::byte> data;

  std::uint64_t values() const { return dims[0] * dims[1] * dims[2] * dims[3]; }
};

/// Owns the mapping; all views that it hands out live as long as it does (moving it keeps them valid). Const methods are thread-safe.
class Gguf {
 public:
  /// Reads and checks the whole structure. Throws Error naming the file, the field, its value and what was expected.
  explicit Gguf(MappedFile file);

  const std::string& path() const { return file_.path(); }
  const MappedFile& file() const { return file_; }

  bool has(std::string_view key) const { return find(key) != nullptr; }
  /// The value of `key`, or null.
  const GgufValue* find(std::string_view key) const;

  // Typed access. Each throws Error if the key is missing or has another type; those with a fallback only if it has another type.
  // Integers may be stored in any integer type, numbers in any but string and bool. Text is checked to be UTF-8.
  std::string_view text(std::string_view key) const;
  std::string_view text_or(std::string_view key, std::string_view fallback) const;
  std::int64_t integer(std::string_view key) const;
  std::int64_t integer_or(std::string_view key, std::int64_t fallback) const;
  double number(std::string_view key) const;
  double number_or(std::string_view key, double fallback) const;
  bool flag_or(std::string_view key, bool fallback) const;

  /// Elements of the array `key`; 0 if there is none.
  std::size_t length(std::string_view key) const;
  std::vector<std::string_view> texts(std::string_view key) const;
  /// Throws also if an element is outside the range of int32.
  std::vector<std::int32_t> integers(std::string_view key) const;
  std::vector<float> numbers(std::string_view key) const;

  /// In the file's order.
  std::span<const GgufTensor> tensors() const { return tensors_; }
  /// The tensor of this name, or null.
  const GgufTensor* find_tensor(std::string_view name) const;

 private:
  const GgufValue& require(std::string_view key, bool array) const;

  MappedFile file_;
  std::vector<GgufValue> values_;       // sorted by key
  std::vector<GgufTensor> tensors_;     // in the file's order
  std::vector<std::uint32_t> by_name_;  // indices into tensors_, sorted by name
};

}  // namespace vernier::io
