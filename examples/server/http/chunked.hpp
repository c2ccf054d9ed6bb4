// Takes the chunked coding off a body. Strict, and bounded: sizes have at most 16 hexadecimal digits, and lines at most `line_bytes`.
// Beast's own decoder is not used, because a malformed last chunk can trip its assertions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vernier::serve {

/// Extensions and trailers are read and dropped.
class ChunkedDecoder {
 public:
  enum class State { more, complete, malformed, too_long };

  ChunkedDecoder(std::size_t body_bytes, std::size_t line_bytes) : body_bytes_(body_bytes), line_bytes_(line_bytes) {}

  /// Takes what it understands off the front of `in`, appends the content to `body`. Complete leaves what follows the body in `in`.
  State feed(std::string& in, std::string& body);

 private:
  enum class Part { size, data, end_of_data, trailer };
  State step(std::string_view& in, std::string& body);
  State line(std::string_view& in, std::string_view& out);
  static bool parse_size(std::string_view line, std::uint64_t& size);

  std::size_t body_bytes_, line_bytes_;
  Part part_ = Part::size;
  std::uint64_t left_ = 0;         // of the chunk's data
  std::size_t trailer_bytes_ = 0;  // all trailers together are bounded too
  bool stalled_ = false;           // the last step needs more input
};

}  // namespace vernier::serve
