// Any bytes as a GGUF file: opening, then everything that a server does with a file that opens.
#include <sys/mman.h>
#include <unistd.h>

#include "common/io/checkpoint.hpp"
#include "common/io/text_files.hpp"
#include "fuzz/fuzz.hpp"
#include "support/gguf_writer.hpp"
#include "vernier/core/error.hpp"

namespace {

using namespace vernier;

// All matrices in blocks, so that a seed is headers rather than data.
std::string compact(test::GgufWriter file, std::uint32_t type, std::size_t block_bytes) {
  for (auto& tensor : file.tensors) {
    if (tensor.dims.size() != 2) continue;
    tensor.type = type;
    tensor.data.assign(tensor.dims[0] * tensor.dims[1] / 32 * block_bytes, '\x11');
  }
  return file.bytes();
}

void use(const io::Checkpoint& model) {
  for (const io::StoredTensor& tensor : model.tensors()) {
    std::vector<float> row(static_cast<std::size_t>(tensor.cols));
    model.read_rows(tensor.name, tensor.rows - 1, {row.data(), 1, tensor.cols});
  }
  io::find_text_files(model);
}

}  // namespace

std::vector<std::string> vernier::fuzz::seeds() {
  test::GgufWriter rich = test::small_llama("llama");
  rich.f32_tensor("rope_freqs.weight", {4}, {1, 1, 2, 4})
      .text("tokenizer.chat_template", "{{ x }}")
      .flag("tokenizer.ggml.add_bos_token", true);
  rich.array("tokenizer.ggml.token_type", 5, 12, std::string(48, '\1'))
      .texts("tokenizer.ggml.merges", {"a b", "c d"})
      .u32("general.alignment", 32);
  return {compact(rich, 2, 18), compact(test::small_llama("qwen2"), 3, 20), compact(test::small_llama("qwen3"), 8, 34)};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int file = ::memfd_create("fuzz", MFD_CLOEXEC);
  if (file < 0 || ::write(file, data, size) != static_cast<ssize_t>(size)) return 0;
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  try {
    use(io::open_checkpoint(path));
  } catch (const Error&) {
  }
  try {
    const io::Gguf gguf{io::MappedFile(path)};
    io::find_text_files(gguf);
    gguf.texts("tokenizer.ggml.merges");
    gguf.integers("tokenizer.ggml.token_type");
    gguf.numbers("tokenizer.ggml.scores");
  } catch (const Error&) {
  }
  ::close(file);
  return 0;
}
