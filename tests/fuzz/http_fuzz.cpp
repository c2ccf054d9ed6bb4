// Any bytes on a connection: read as requests, whole and byte by byte, which must come to the same requests.
#include <cstdlib>

#include "fuzz/fuzz.hpp"
#include "server/http/reader.hpp"

namespace {

using namespace vernier::serve;
using State = RequestReader::State;

/// The requests that a reader found on a connection, as text.
std::string outcome(std::string_view bytes, std::size_t step) {
  Limits limits;
  limits.body_bytes = 4096;
  limits.header_bytes = 2048;
  limits.target_bytes = 256;
  std::string in, out;
  RequestReader reader(limits);
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    in.append(bytes.substr(at, step));
    for (;;) {
      const State state = reader.feed(in);
      if (state == State::want_continue) continue;
      if (state == State::failed) {
        // When a bad request is refused may depend on how its bytes arrive; that it never becomes a request may not.
        if (reader.status() < 400 || reader.status() > 505 || reader.message().empty()) std::abort();
        return out;
      }
      if (state != State::complete) break;
      const Request request = reader.take();
      if (request.body.size() > limits.body_bytes || request.path.empty() || request.path.size() > limits.target_bytes) std::abort();
      out += request.method + " " + request.path + " " + request.query + " " + std::to_string(request.headers.size()) + " " + request.body +
             "\n";
      reader = RequestReader(limits);
      if (in.empty()) break;
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> vernier::fuzz::seeds() {
  return {
      "GET /health?x=1 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.0\r\n\r\n",
      "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"prompt\":\"abc\"}",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n0\r\nT: 1\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: 1\r\n  folded\r\n\r\n",
  };
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 8192) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (outcome(bytes, size ? size : 1) != outcome(bytes, 1)) std::abort();
  return 0;
}
