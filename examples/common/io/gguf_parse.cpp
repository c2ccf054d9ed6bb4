// Header, metadata, tensor table, data: in this order, each read through a cursor that cannot leave the file.
#include "common/io/gguf_parse.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "common/io/names.hpp"
#include "vernier/core/error.hpp"

namespace vernier::io {

static_assert(std::endian::native == std::endian::little, "vernier::io reads GGUF in place, so the machine must be little-endian");

std::size_t element_bytes(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::boolean: return 1;
    case GgufType::u16:
    case GgufType::i16: return 2;
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::f32: return 4;
    case GgufType::u64:
    case GgufType::i64:
    case GgufType::f64: return 8;
    case GgufType::string:
    case GgufType::array: return 0;
  }
  return 0;
}

namespace {

constexpr std::uint64_t max_array = 1u << 30;
constexpr std::uint64_t max_key = 65535;       // the specification's limit
constexpr std::uint64_t max_tensor_name = 64;  // the specification's limit
constexpr std::uint64_t max_dim = 0x7fffffff;
constexpr std::uint64_t max_alignment = 1u << 20;
constexpr std::uint64_t first_reserve = 4096;                    // a count is only believed as far as entries turn up
constexpr std::size_t min_entry_bytes = 8 + 1 + 4 + 1;           // key length, one byte of key, type, the smallest value
constexpr std::size_t min_tensor_bytes = 8 + 1 + 4 + 8 + 4 + 8;  // name length, one byte, one dimension, type, offset

// A position in the file. take() is the only way forward and refuses to pass the end.
class Cursor {
 public:
  explicit Cursor(const MappedFile& file) : path_(file.path()), begin_(file.bytes().data()), size_(file.size()) {}

  const std::string& path() const { return path_; }
  std::size_t at() const { return at_; }
  std::size_t left() const { return size_ - at_; }

  template <class What>
  const std::byte* take(std::uint64_t bytes, const What& what) {
    if (bytes > left()) fail(path_, what(), " needs ", bytes, " bytes at offset ", at_, ", but the file ends after ", left());
    const std::byte* here = begin_ + at_;
    at_ += static_cast<std::size_t>(bytes);
    return here;
  }

  template <class T, class What>
  T read(const What& what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what), sizeof(T));
    return value;
  }

  template <class What>
  std::string_view text(const What& what) {
    const auto length = read<std::uint64_t>(what);
    return {reinterpret_cast<const char*>(take(length, what)), static_cast<std::size_t>(length)};
  }

 private:
  const std::string& path_;
  const std::byte* begin_;
  std::size_t size_;
  std::size_t at_ = 0;
};

struct Header {
  std::uint64_t num_tensors = 0, num_values = 0;
};

Header read_header(Cursor& cursor) {
  const auto what = [] { return std::string("the GGUF header"); };
  const std::byte* magic = cursor.take(4, what);
  const std::string_view letters(reinterpret_cast<const char*>(magic), 4);
  if (letters != "GGUF") fail(cursor.path(), "begins with ", quoted(letters), ", expected \"GGUF\"; this is not a GGUF file");
  const auto version = cursor.read<std::uint32_t>(what);
  if (version != 0 && (version & 0xffff) == 0)
    fail(cursor.path(), "GGUF version = ", version, ": the file is big-endian, expected little-endian");
  if (version < 2 || version > 3) fail(cursor.path(), "GGUF version = ", version, ", expected 2 or 3");
  Header header;
  header.num_tensors = cursor.read<std::uint64_t>(what);
  header.num_values = cursor.read<std::uint64_t>(what);
  if (header.num_values > cursor.left() / min_entry_bytes) {
    fail(cursor.path(), "number of metadata entries = ", header.num_values, ", but ", cursor.left(), " bytes can hold no more than ",
         cursor.left() / min_entry_bytes);
  }
  if (header.num_tensors > cursor.left() / min_tensor_bytes) {
    fail(cursor.path(), "number of tensors = ", header.num_tensors, ", but ", cursor.left(), " bytes can hold no more than ",
         cursor.left() / min_tensor_bytes);
  }
  return header;
}

GgufType read_type(Cursor& cursor, std::string_view key) {
  const auto number = cursor.read<std::uint32_t>([&] { return concat("the type of ", quoted(key)); });
  if (number > static_cast<std::uint32_t>(GgufType::f64)) fail(cursor.path(), quoted(key), " has type ", number, ", expected 0 to 12");
  return static_cast<GgufType>(number);
}

void skip_elements(Cursor& cursor, const GgufValue& value) {
  const auto what = [&] { return concat("the value of ", quoted(value.key)); };
  if (value.element == GgufType::string) {
    for (std::uint64_t i = 0; i < value.count; ++i) cursor.text(what);
    return;
  }
  const std::byte* data = cursor.take(value.count * element_bytes(value.element), what);
  if (value.element != GgufType::boolean) return;
  for (std::uint64_t i = 0; i < value.count; ++i) {
    const auto byte = std::to_integer<unsigned>(data[i]);
    if (byte > 1) fail(cursor.path(), quoted(value.key), " holds the bool ", byte, ", expected 0 or 1");
  }
}

GgufValue read_value(Cursor& cursor, std::uint64_t index, const std::byte* begin) {
  GgufValue value;
  value.key = cursor.text([&] { return concat("metadata key ", index); });
  if (value.key.empty() || value.key.size() > max_key) {
    fail(cursor.path(), "metadata key ", index, " has ", value.key.size(), " bytes, expected 1 to ", max_key);
  }
  if (!is_utf8(value.key)) fail(cursor.path(), "metadata key ", index, " ", quoted(value.key), " is not UTF-8");
  value.type = value.element = read_type(cursor, value.key);
  if (value.type == GgufType::array) {
    value.element = read_type(cursor, value.key);
    if (value.element == GgufType::array) fail(cursor.path(), quoted(value.key), " is an array of arrays, which we do not read");
    value.count = cursor.read<std::uint64_t>([&] { return concat("the length of ", quoted(value.key)); });
    if (value.count > max_array) fail(cursor.path(), quoted(value.key), " has ", value.count, " elements, expected at most ", max_array);
  }
  value.data = begin + cursor.at();
  skip_elements(cursor, value);
  return value;
}

std::uint64_t read_alignment(const std::string& path, const std::vector<GgufValue>& values) {
  for (const GgufValue& value : values) {
    if (value.key != "general.alignment") continue;
    if (value.type != GgufType::u32) fail(path, "general.alignment has type ", type_name(value.type), ", expected u32");
    std::uint32_t alignment;
    std::memcpy(&alignment, value.data, sizeof alignment);
    if (!std::has_single_bit(alignment) || alignment < 8 || alignment > max_alignment) {
      fail(path, "general.alignment = ", alignment, ", expected a power of two from 8 to ", max_alignment);
    }
    return alignment;
  }
  return 32;  // the specification's default
}

// Name, dimensions and type; `offset` receives where the data shall be.
GgufTensor read_tensor(Cursor& cursor, std::uint64_t index, std::uint64_t file_size, std::uint64_t& offset) {
  GgufTensor tensor;
  const std::string& path = cursor.path();
  tensor.name = cursor.text([&] { return concat("the name of tensor ", index); });
  if (tensor.name.empty() || tensor.name.size() > max_tensor_name) {
    fail(path, "the name of tensor ", index, " has ", tensor.name.size(), " bytes, expected 1 to ", max_tensor_name);
  }
  if (!is_utf8(tensor.name)) fail(path, "the name of tensor ", index, " ", quoted(tensor.name), " is not UTF-8");
  const auto what = [&] { return concat("the entry of tensor ", quoted(tensor.name)); };
  const auto num_dims = cursor.read<std::uint32_t>(what);
  if (num_dims < 1 || num_dims > 4) fail(path, "tensor ", quoted(tensor.name), " has ", num_dims, " dimensions, expected 1 to 4");
  tensor.num_dims = static_cast<int>(num_dims);
  // No type takes less than a quarter of a byte per value, which bounds the product long before it can overflow.
  std::uint64_t values = 1;
  for (std::uint32_t d = 0; d < num_dims; ++d) {
    tensor.dims[d] = cursor.read<std::uint64_t>(what);
    if (tensor.dims[d] < 1 || tensor.dims[d] > max_dim) {
      fail(path, "tensor ", quoted(tensor.name), " has dimension ", d, " = ", tensor.dims[d], ", expected 1 to ", max_dim);
    }
    if (tensor.dims[d] > 4 * file_size / values) {
      fail(path, "tensor ", quoted(tensor.name), " has more values than a file of ", file_size, " bytes can hold");
    }
    values *= tensor.dims[d];
  }
  const auto number = cursor.read<std::uint32_t>(what);
  const auto type = storage_type(number);
  if (!type) {
    fail(path, "tensor ", quoted(tensor.name), " is stored as ", storage_type_text(number),
         "; we read F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K and IQ4_NL");
  }
  tensor.type = *type;
  const StorageLayout layout = layout_of(tensor.type);
  if (tensor.dims[0] % static_cast<std::uint64_t>(layout.block_values) != 0) {
    fail(path, "tensor ", quoted(tensor.name), " has rows of ", tensor.dims[0], " values, expected a multiple of ", layout.block_values,
         " for ", layout.name);
  }
  offset = cursor.read<std::uint64_t>(what);
  return tensor;
}

std::vector<GgufTensor> read_tensors(Cursor& cursor, std::uint64_t count, std::uint64_t alignment, std::span<const std::byte> bytes) {
  std::vector<GgufTensor> tensors;
  std::vector<std::uint64_t> offsets;
  tensors.reserve(static_cast<std::size_t>(std::min(count, first_reserve)));
  for (std::uint64_t i = 0; i < count; ++i) tensors.push_back(read_tensor(cursor, i, bytes.size(), offsets.emplace_back()));

  const auto padded = [&](std::uint64_t n) { return (n + alignment - 1) / alignment * alignment; };
  const std::uint64_t start = padded(cursor.at());
  std::uint64_t expected = 0;  // tensors follow each other, each padded to the alignment
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    GgufTensor& tensor = tensors[i];
    if (offsets[i] != expected) fail(cursor.path(), "tensor ", quoted(tensor.name), " has offset ", offsets[i], ", expected ", expected);
    const std::uint64_t size = stored_bytes(tensor.type, static_cast<std::size_t>(tensor.values()));
    if (start + expected > bytes.size() || size > bytes.size() - start - expected) {
      fail(cursor.path(), "tensor ", quoted(tensor.name), " needs ", size, " bytes at offset ", start + expected, ", but the file has ",
           bytes.size(), " bytes; it is truncated or damaged");
    }
    tensor.data = bytes.subspan(static_cast<std::size_t>(start + expected), static_cast<std::size_t>(size));
    expected = padded(expected + size);
  }
  return tensors;
}

std::vector<std::uint32_t> index_by_name(const std::string& path, const std::vector<GgufTensor>& tensors) {
  std::vector<std::uint32_t> order(tensors.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return tensors[a].name < tensors[b].name; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (tensors[order[i]].name == tensors[order[i - 1]].name) fail(path, "two tensors have the name ", quoted(tensors[order[i]].name));
  }
  return order;
}

}  // namespace

GgufContents parse_gguf(const MappedFile& file) {
  Cursor cursor(file);
  GgufContents contents;
  const Header header = read_header(cursor);
  contents.values.reserve(static_cast<std::size_t>(std::min(header.num_values, first_reserve)));
  for (std::uint64_t i = 0; i < header.num_values; ++i) contents.values.push_back(read_value(cursor, i, file.bytes().data()));
  std::sort(contents.values.begin(), contents.values.end(), [](const GgufValue& a, const GgufValue& b) { return a.key < b.key; });
  for (std::size_t i = 1; i < contents.values.size(); ++i) {
    if (contents.values[i].key == contents.values[i - 1].key)
      fail(file.path(), "two metadata entries have the key ", quoted(contents.values[i].key));
  }
  const std::uint64_t alignment = read_alignment(file.path(), contents.values);
  contents.tensors = read_tensors(cursor, header.num_tensors, alignment, file.bytes());
  contents.by_name = index_by_name(file.path(), contents.tensors);
  return contents;
}

}  // namespace vernier::io
