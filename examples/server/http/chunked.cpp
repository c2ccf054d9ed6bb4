// See chunked.hpp.
#include "server/http/chunked.hpp"

#include <algorithm>

namespace vernier::serve {

ChunkedDecoder::State ChunkedDecoder::feed(std::string& in, std::string& body) {
  std::string_view rest = in;
  State state = State::more;
  stalled_ = false;
  while (state == State::more && !stalled_) state = step(rest, body);
  in.erase(0, in.size() - rest.size());  // once, so that many tiny chunks do not move the input each time
  return state;
}

/// One line without its CRLF. Stalls if it is not complete; a bare LF or CR is malformed.
ChunkedDecoder::State ChunkedDecoder::line(std::string_view& in, std::string_view& out) {
  const std::size_t end = in.find('\n');
  if (end == std::string_view::npos) {
    stalled_ = true;
    return in.size() > line_bytes_ ? State::malformed : State::more;
  }
  if (end == 0 || in[end - 1] != '\r' || end > line_bytes_) return State::malformed;
  out = in.substr(0, end - 1);
  if (out.find('\r') != std::string_view::npos) return State::malformed;
  in.remove_prefix(end + 1);
  return State::more;
}

/// "1a" or "1a;extension".
bool ChunkedDecoder::parse_size(std::string_view line, std::uint64_t& size) {
  std::size_t digits = 0;
  size = 0;
  for (; digits < line.size(); ++digits) {
    const char c = line[digits];
    const int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (value < 0) break;
    size = size << 4 | static_cast<std::uint64_t>(value);
  }
  const std::string_view rest = line.substr(digits);
  return digits >= 1 && digits <= 16 && (rest.empty() || rest.find_first_not_of(" \t") == rest.find(';'));
}

ChunkedDecoder::State ChunkedDecoder::step(std::string_view& in, std::string& body) {
  std::string_view text;
  switch (part_) {
    case Part::size:
      if (const State state = line(in, text); state != State::more || stalled_) return state;
      if (!parse_size(text, left_)) return State::malformed;
      if (left_ > body_bytes_ - std::min(body_bytes_, body.size())) return State::too_long;
      part_ = left_ ? Part::data : Part::trailer;
      return State::more;
    case Part::data: {
      const std::size_t taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size()));
      body.append(in.substr(0, taken));
      in.remove_prefix(taken);
      left_ -= taken;
      stalled_ = left_ != 0;
      if (!stalled_) part_ = Part::end_of_data;
      return State::more;
    }
    case Part::end_of_data:
      if (in.size() < 2) return stalled_ = true, in.empty() || in[0] == '\r' ? State::more : State::malformed;
      if (!in.starts_with("\r\n")) return State::malformed;
      in.remove_prefix(2);
      part_ = Part::size;
      return State::more;
    case Part::trailer:
      if (const State state = line(in, text); state != State::more || stalled_) return state;
      trailer_bytes_ += text.size() + 2;
      if (text.empty()) return State::complete;
      return trailer_bytes_ > line_bytes_ ? State::malformed : State::more;
  }
  return State::malformed;
}

}  // namespace vernier::serve
