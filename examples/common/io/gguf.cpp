// Typed access to the metadata of a GGUF file, with messages that say which key had which type.
#include "common/io/gguf.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "common/io/gguf_parse.hpp"
#include "common/io/names.hpp"
#include "vernier/core/error.hpp"

namespace vernier::io {

const char* type_name(GgufType type) {
  constexpr const char* names[] = {"u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};
  return names[static_cast<std::size_t>(type)];
}

namespace {

bool is_integer(GgufType type) {
  return type != GgufType::f32 && type != GgufType::f64 && type != GgufType::boolean && type != GgufType::string && type != GgufType::array;
}

bool is_number(GgufType type) { return is_integer(type) || type == GgufType::f32 || type == GgufType::f64; }

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// One integer element. u64 beyond the range of int64 is clipped to its largest, which no field of ours may take.
std::int64_t load_integer(GgufType type, const std::byte* from) {
  switch (type) {
    case GgufType::u8: return load<std::uint8_t>(from);
    case GgufType::i8: return load<std::int8_t>(from);
    case GgufType::u16: return load<std::uint16_t>(from);
    case GgufType::i16: return load<std::int16_t>(from);
    case GgufType::u32: return load<std::uint32_t>(from);
    case GgufType::i32: return load<std::int32_t>(from);
    case GgufType::i64: return load<std::int64_t>(from);
    default: return static_cast<std::int64_t>(std::min<std::uint64_t>(load<std::uint64_t>(from), std::numeric_limits<std::int64_t>::max()));
  }
}

double load_number(GgufType type, const std::byte* from) {
  if (type == GgufType::f32) return static_cast<double>(load<float>(from));
  if (type == GgufType::f64) return load<double>(from);
  return static_cast<double>(load_integer(type, from));
}

std::string_view load_text(const std::byte*& from) {
  const auto length = static_cast<std::size_t>(load<std::uint64_t>(from));
  const std::string_view text(reinterpret_cast<const char*>(from + 8), length);
  from += 8 + length;
  return text;
}

[[noreturn]] void fail_type(const Gguf& file, const GgufValue& value, const char* expected) {
  const char* of = value.type == GgufType::array ? " of " : "";
  fail(file.path(), quoted(value.key), " has type ", type_name(value.type), of, *of != 0 ? type_name(value.element) : "", ", expected ",
       expected);
}

}  // namespace

Gguf::Gguf(MappedFile file) : file_(std::move(file)) {
  GgufContents contents = parse_gguf(file_);
  values_ = std::move(contents.values);
  tensors_ = std::move(contents.tensors);
  by_name_ = std::move(contents.by_name);
}

const GgufValue* Gguf::find(std::string_view key) const {
  const auto it = std::lower_bound(values_.begin(), values_.end(), key, [](const GgufValue& v, std::string_view k) { return v.key < k; });
  return it != values_.end() && it->key == key ? &*it : nullptr;
}

const GgufTensor* Gguf::find_tensor(std::string_view name) const {
  const auto it =
      std::lower_bound(by_name_.begin(), by_name_.end(), name, [&](std::uint32_t i, std::string_view n) { return tensors_[i].name < n; });
  return it != by_name_.end() && tensors_[*it].name == name ? &tensors_[*it] : nullptr;
}

const GgufValue& Gguf::require(std::string_view key, bool array) const {
  const GgufValue* value = find(key);
  if (value == nullptr) fail(path(), "the metadata key ", quoted(key), " is missing");
  if ((value->type == GgufType::array) != array) fail_type(*this, *value, array ? "array" : "a single value");
  return *value;
}

std::string_view Gguf::text(std::string_view key) const {
  const GgufValue& value = require(key, false);
  if (value.type != GgufType::string) fail_type(*this, value, "string");
  const std::byte* from = value.data;
  const std::string_view text = load_text(from);
  if (!is_utf8(text)) fail(path(), quoted(key), " = ", quoted(text), " is not UTF-8");
  return text;
}

std::string_view Gguf::text_or(std::string_view key, std::string_view fallback) const { return has(key) ? text(key) : fallback; }

std::int64_t Gguf::integer(std::string_view key) const {
  const GgufValue& value = require(key, false);
  if (!is_integer(value.type)) fail_type(*this, value, "an integer");
  return load_integer(value.type, value.data);
}

std::int64_t Gguf::integer_or(std::string_view key, std::int64_t fallback) const { return has(key) ? integer(key) : fallback; }

double Gguf::number(std::string_view key) const {
  const GgufValue& value = require(key, false);
  if (!is_number(value.type)) fail_type(*this, value, "a number");
  return load_number(value.type, value.data);
}

double Gguf::number_or(std::string_view key, double fallback) const { return has(key) ? number(key) : fallback; }

bool Gguf::flag_or(std::string_view key, bool fallback) const {
  if (!has(key)) return fallback;
  const GgufValue& value = require(key, false);
  if (value.type != GgufType::boolean) fail_type(*this, value, "bool");
  return value.data[0] != std::byte{0};
}

std::size_t Gguf::length(std::string_view key) const { return has(key) ? static_cast<std::size_t>(require(key, true).count) : 0; }

std::vector<std::string_view> Gguf::texts(std::string_view key) const {
  const GgufValue& value = require(key, true);
  if (value.element != GgufType::string) fail_type(*this, value, "array of string");
  std::vector<std::string_view> out;
  out.reserve(static_cast<std::size_t>(value.count));
  const std::byte* from = value.data;
  for (std::uint64_t i = 0; i < value.count; ++i) {
    out.push_back(load_text(from));
    if (!is_utf8(out.back())) fail(path(), quoted(key), "[", i, "] = ", quoted(out.back()), " is not UTF-8");
  }
  return out;
}

std::vector<std::int32_t> Gguf::integers(std::string_view key) const {
  const GgufValue& value = require(key, true);
  if (!is_integer(value.element)) fail_type(*this, value, "array of integers");
  std::vector<std::int32_t> out;
  out.reserve(static_cast<std::size_t>(value.count));
  for (std::uint64_t i = 0; i < value.count; ++i) {
    const std::int64_t element = load_integer(value.element, value.data + i * element_bytes(value.element));
    if (element < std::numeric_limits<std::int32_t>::min() || element > std::numeric_limits<std::int32_t>::max()) {
      fail(path(), quoted(key), "[", i, "] = ", element, ", expected a 32-bit integer");
    }
    out.push_back(static_cast<std::int32_t>(element));
  }
  return out;
}

std::vector<float> Gguf::numbers(std::string_view key) const {
  const GgufValue& value = require(key, true);
  if (!is_number(value.element)) fail_type(*this, value, "array of numbers");
  std::vector<float> out;
  out.reserve(static_cast<std::size_t>(value.count));
  for (std::uint64_t i = 0; i < value.count; ++i) {
    out.push_back(static_cast<float>(load_number(value.element, value.data + i * element_bytes(value.element))));
  }
  return out;
}

}  // namespace vernier::io
