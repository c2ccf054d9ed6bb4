// Any bytes as a tokenizer.json, as a GGUF file with a tokenizer, or as text. The first byte says which. What loads must encode and decode
// any text: without normalisation and without dropped bytes it comes back as it was.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "common/io/gguf.hpp"
#include "common/text/tokenizer.hpp"
#include "fuzz/fuzz.hpp"
#include "support/gguf_writer.hpp"
#include "vernier/core/error.hpp"

namespace {

using namespace vernier;

constexpr const char* byte_level_json =
    R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "\u0120": 3, "\u0120a": 4, "\u00c3": 5, "1": 6, "'": 7},
"merges": ["a b", ["\u0120", "a"]], "ignore_merges": true}, "added_tokens": [{"id": 8, "content": "<s>", "special": true, "rstrip": true},
{"id": 9, "content": "<b>", "special": false, "normalized": true, "single_word": true, "lstrip": true}], "normalizer": {"type": "NFC"},
"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "\\s?\\p{L}+|[^\\s]"}, "behavior": "Isolated"},
{"type": "Digits", "individual_digits": true}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}]},
"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
"special_tokens": {"<s>": {"ids": [8]}}}, "decoder": {"type": "ByteLevel"}})";

constexpr const char* sentencepiece_json =
    R"({"model": {"vocab": {"<unk>": 0, "<0x41>": 1, "\u2581": 2, "a": 3, "\u2581a": 4}, "merges": ["\u2581 a"],
"byte_fallback": true, "fuse_unk": true, "unk_token": "<unk>"}, "added_tokens": [{"id": 5, "content": "</s>", "special": true, "normalized": true}],
"normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "},
"content": "\u2581"}]}, "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Strip", "content": " ", "start": 1}]}})";

test::GgufWriter small_gguf(bool scores) {
  std::vector<std::string> tokens = {"<unk>", "</s>", "a", "b", "ab", "\u2581", "\u2581a", "<x>"};
  std::string types, values;
  for (const int type : {2, 3, 1, 1, 1, 1, 1, 4}) types += test::raw<std::int32_t>(type);
  for (const float score : {0.f, 0.f, -1.f, -2.f, -3.f, -3.f, -2.f, 0.f}) values += test::raw(score);
  test::GgufWriter file;
  file.text("tokenizer.ggml.model", scores ? "llama" : "gpt2").text("tokenizer.ggml.pre", "smollm").texts("tokenizer.ggml.tokens", tokens);
  file.array("tokenizer.ggml.token_type", 5, 8, types).array("tokenizer.ggml.scores", 6, 8, values);
  return file.texts("tokenizer.ggml.merges", {"a b"}).u32("tokenizer.ggml.eos_token_id", 1);
}

text::Tokenizer open_gguf(const std::string& bytes) {
  const int file = ::memfd_create("fuzz", MFD_CLOEXEC);
  const bool written = file >= 0 && ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  try {
    expect(written, "fuzz", "no memory file");
    text::Tokenizer tokenizer = text::Tokenizer::from_gguf(io::Gguf{io::MappedFile(path)});
    ::close(file);
    return tokenizer;
  } catch (...) {
    ::close(file);
    throw;
  }
}

void use(const text::Tokenizer& tokenizer, const std::string& text) {
  for (const bool special : {false, true}) {
    const std::vector<int> ids = tokenizer.encode(text, {.special = special, .add_bos = true, .add_eos = true});
    text::Decoder decoder(tokenizer);
    std::string streamed;
    for (const int id : ids) streamed += decoder.push(id);
    if (streamed + decoder.flush() != tokenizer.decode(ids)) std::abort();
    for (const int id : tokenizer.encode(text))
      if (tokenizer.is_control(id) && tokenizer.piece(id) != "<unk>") std::abort();  // plain text becomes no control token
  }
  const text::Piece pieces[] = {{text.substr(0, text.size() / 2), true}, {text.substr(text.size() / 2), false}};
  tokenizer.encode(std::span(pieces));
}

/// A byte-level vocabulary of all bytes, without normalisation: nothing may be lost.
void round_trip(const std::string& text) {
  for (const char* pre : {"gpt-2", "smollm", "llama-bpe", "qwen2"}) {
    std::vector<std::string> tokens;
    for (int byte = 0, next = 0x100; byte < 256; ++byte) {
      const bool itself = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      const int c = itself ? byte : next++;
      tokens.push_back(c < 0x80 ? std::string(1, static_cast<char>(c))
                                : std::string{static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))});
    }
    tokens.push_back("ab");
    test::GgufWriter file;
    file.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", pre).texts("tokenizer.ggml.tokens", tokens);
    const text::Tokenizer tokenizer = open_gguf(file.texts("tokenizer.ggml.merges", {"a b"}).bytes());
    if (tokenizer.decode(tokenizer.encode(text), {.replace_invalid = false}) != text) std::abort();
  }
}

}  // namespace

std::vector<std::string> vernier::fuzz::seeds() {
  return {std::string(1, '\0') + byte_level_json, std::string(1, '\0') + sentencepiece_json,         "\1" + small_gguf(true).bytes(),
          "\1" + small_gguf(false).bytes(),       "\2ab's <s> 12\u00bd\r\n  \u2003x\xff\u00e9 </s>", "\2\xf0\x9f\x98\x80 e\u0301'LL\t\n a"};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::string text = "ab</s> <s>\u2581a  <b> <x>12'LL e\u0301\xff\r\n" + rest.substr(0, 200);
  try {
    switch (data[0] % 3) {
      case 0: use(text::Tokenizer::from_json({.name = "fuzz", .tokenizer = rest}), text); break;
      case 1: use(open_gguf(rest), text); break;
      default:
        round_trip(rest);
        use(text::Tokenizer::from_json({.name = "fuzz", .tokenizer = byte_level_json}), rest);
        use(open_gguf(small_gguf(true).bytes()), rest);
    }
  } catch (const Error&) {
  }
  return 0;
}
