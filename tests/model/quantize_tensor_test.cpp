// A tensor of a checkpoint against the quantiser on the same values, however it was stored and cut into slices.
#include "common/model/quantize_tensor.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "common/io/checkpoint.hpp"
#include "common/model/config.hpp"
#include "vernier/core/error.hpp"
#include "vernier/quant/quantize.hpp"

namespace vernier::model {
namespace {

constexpr const char* gate = "model.layers.0.mlp.gate_proj.weight";
constexpr const char* query = "model.layers.0.self_attn.q_proj.weight";

/// A model of one layer whose weights are all of `type`, in memory.
struct Stored {
  std::vector<std::vector<std::uint16_t>> memory;

  io::Checkpoint open(io::StorageType type) {
    io::CheckpointParts parts;
    parts.path = "tiny";
    ModelConfig& config = parts.config;
    config.architecture = "llama";
    config.vocab = 100, config.hidden = 96, config.layers = 1, config.heads = 3, config.kv_heads = 1, config.head_dim = 32;
    config.ffn = 200, config.context = 64, config.tied_embeddings = true;
    std::uint32_t state = 7;
    for (const TensorSpec& spec : expected_tensors(config)) {
      auto& codes = memory.emplace_back(static_cast<std::size_t>(spec.rows) * static_cast<std::size_t>(spec.cols));
      for (std::uint16_t& code : codes) {
        state = state * 1664525u + 1013904223u;
        code = static_cast<std::uint16_t>(state >> 16 & 0xb3ffu);  // below infinity in both formats, zeros and subnormals included
      }
      io::StoredTensor& tensor = parts.tensors.emplace_back();
      tensor.name = spec.name, tensor.type = type, tensor.rows = spec.rows, tensor.cols = spec.cols;
      tensor.data = reinterpret_cast<const std::byte*>(codes.data());
      if (spec.name == query) tensor.paired_head = config.head_dim;
    }
    return io::Checkpoint(std::move(parts));
  }
};

std::vector<std::uint8_t> bytes_of(const PackedMatrix& packed) { return {packed.memory().begin(), packed.memory().end()}; }

TEST(QuantizeTensor, MakesWhatTheQuantiserMakes) {
  const WeightFormat formats[] = {default_format(Precision::f16),      default_format(Precision::bf16),
                                  default_format(Precision::i8),       default_format(Precision::nf4),
                                  {Precision::i8, Scaling::tensor, 0}, {Precision::e4m3, Scaling::block, 128}};
  for (const io::StorageType type : {io::StorageType::f16, io::StorageType::bf16}) {
    Stored stored;
    const io::Checkpoint checkpoint = stored.open(type);
    cpu::ThreadPool pool(3);
    TensorQuantizer quantizer(checkpoint, pool);
    for (const char* name : {gate, query})
      for (const WeightFormat& format : formats) {
        SCOPED_TRACE(to_string(format) + " " + name);
        const io::StoredTensor& tensor = checkpoint.shape(name);
        const std::vector<float> values = checkpoint.read(name);
        PackedMatrix packed(tensor.rows, tensor.cols, format);
        quantizer.fill(name, packed);
        EXPECT_EQ(bytes_of(packed), bytes_of(quantize({values.data(), tensor.rows, tensor.cols}, format)));
      }
  }
}

TEST(QuantizeTensor, PiecesAndPanelsAreThoseOfTheWhole) {
  const WeightFormat formats[] = {default_format(Precision::f16), default_format(Precision::bf16), default_format(Precision::i8),
                                  default_format(Precision::nf4)};
  Stored stored;
  const io::Checkpoint checkpoint = stored.open(io::StorageType::f16);
  cpu::ThreadPool pool(2);
  TensorQuantizer quantizer(checkpoint, pool);
  for (const char* name : {gate, query})
    for (const WeightFormat& format : formats) {
      SCOPED_TRACE(to_string(format) + " " + name);
      const io::StoredTensor& tensor = checkpoint.shape(name);
      PackedMatrix whole(tensor.rows, tensor.cols, format), pieces(tensor.rows, tensor.cols, format);
      quantizer.fill(name, whole);
      const int border = std::min(128, tensor.rows);
      quantizer.fill_rows(name, pieces, 0, border);
      if (border < tensor.rows) quantizer.fill_rows(name, pieces, border, tensor.rows - border);
      EXPECT_EQ(bytes_of(pieces), bytes_of(whole));

      std::vector<float> want(static_cast<std::size_t>(tensor.rows) * static_cast<std::size_t>(tensor.cols)), got(want.size());
      dequantize(whole, {want.data(), tensor.rows, tensor.cols});
      const StoredPanels panels(quantizer, name);
      for (int index = 0; index < whole.panel().panels(); ++index) {
        const int rows = panel_rows(whole.view(), index), first = index * CpuPanel::rows;
        PackedMatrix panel(rows, tensor.cols, format);
        panels.make(index, panel, index % 2);
        dequantize(panel, {got.data() + static_cast<std::ptrdiff_t>(first) * tensor.cols, rows, tensor.cols});
      }
      EXPECT_EQ(got, want);
    }
}

TEST(QuantizeTensor, RefusesACopiedValueThatIsNoNumber) {
  Stored stored;
  const io::Checkpoint checkpoint = stored.open(io::StorageType::f16);
  cpu::ThreadPool pool(2);
  TensorQuantizer quantizer(checkpoint, pool);
  const io::StoredTensor& tensor = checkpoint.shape(gate);
  for (auto& codes : stored.memory)
    if (reinterpret_cast<const std::byte*>(codes.data()) == tensor.data) codes[150 * 96 + 3] = 0xfc00;  // minus infinity
  PackedMatrix packed(tensor.rows, tensor.cols, default_format(Precision::f16));
  try {
    quantizer.fill(gate, packed);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(concat("tiny: tensor ", gate)), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("row 150, column 3 is -inf"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace vernier::model
