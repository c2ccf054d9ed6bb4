// The one file that compiles Boost.Beast: its parser checks the grammar of heads; limits, refusals and bodies are here.
#include "server/http/reader.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <utility>

#include "server/http/chunked.hpp"
#include "vernier/core/error.hpp"

namespace vernier::serve {

namespace http = boost::beast::http;
using Field = http::field;

struct RequestReader::Impl {
  explicit Impl(const Limits& l) : limits(l), chunks(l.body_bytes, l.header_bytes) {
    parser.header_limit(static_cast<std::uint32_t>(2 * l.header_bytes));  // Beast counts line and fields apart; see headers_arrived()
  }

  State fail(int code, std::string why) {
    status = code;
    message = std::move(why);
    return state = State::failed;
  }

  /// Whether all headers have arrived. The parser sees them only then, so that pieces make no difference. Looks at each byte once.
  bool headers_arrived(const std::string& in) {
    const std::size_t end = in.find("\r\n\r\n", searched);
    searched = in.size() < 3 ? 0 : in.size() - 3;
    const bool letter = in.empty() || (in.front() >= 'A' && in.front() <= 'Z') || (in.front() >= 'a' && in.front() <= 'z');
    if (!letter) return fail(400, "not a valid HTTP request: it begins with no method"), false;  // TLS on a plain port, for example
    if ((end == std::string::npos ? in.size() : end + 4) > limits.header_bytes)
      return fail(431, concat("the request line and headers are longer than ", limits.header_bytes, " bytes")), false;
    return end != std::string::npos;
  }

  /// Headers are complete: parses and checks them, and takes them off `in`.
  State read_head(std::string& in) {
    boost::system::error_code error;
    const std::size_t used = parser.put(boost::asio::const_buffer(in.data(), in.size()), error);
    if (error == http::error::bad_version) return fail(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    if (error || !parser.is_header_done())
      return fail(400, concat("not a valid HTTP request: ", error ? error.message() : "it has no end"));
    in.erase(0, used);
    const auto& head = parser.get();
    request.method = std::string(head.method_string());
    const std::string target(head.target());
    const std::size_t mark = target.find('?');
    request.path = target.substr(0, mark);
    if (mark != std::string::npos) request.query = target.substr(mark + 1);
    for (const auto& field : head) request.headers.push_back({std::string(field.name_string()), std::string(field.value())});
    request.keep_alive = head.keep_alive();
    request.version = static_cast<int>(head.version());
    return check_head(target);
  }

  /// Checks that Beast leaves to its user.
  State check_head(const std::string& target) {
    const auto& head = parser.get();
    if (request.version != 10 && request.version != 11) return fail(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    if (target.size() > limits.target_bytes)
      return fail(414, concat("the request target has ", target.size(), " bytes, at most ", limits.target_bytes, " are read"));
    if (target.empty() || target.front() != '/') return fail(400, "the request target must start with '/'");
    if (request.version == 11 && head.count(Field::host) != 1) return fail(400, "an HTTP/1.1 request needs exactly one Host header");
    if (head.count(Field::transfer_encoding)) {
      if (!equal_ignoring_case(request.header("transfer-encoding"), "chunked") || head.count(Field::transfer_encoding) != 1)
        return fail(501, "of the transfer codings only 'chunked' is understood");
      if (head.count(Field::content_length)) return fail(400, "a request has either Content-Length or Transfer-Encoding, not both");
      if (request.version == 10) return fail(400, "HTTP/1.0 has no transfer codings");
      chunked = true;
    } else if (const auto length = parser.content_length()) {  // Beast has refused what is not a number, and two that differ
      if (*length > limits.body_bytes)
        return fail(413, concat("the body has ", *length, " bytes, at most ", limits.body_bytes, " are read"));
      body_left = static_cast<std::size_t>(*length);
    }
    const std::string_view expect = request.header("expect");
    if (!expect.empty() && !equal_ignoring_case(expect, "100-continue")) return fail(417, "of Expect only '100-continue' is understood");
    const bool waits = !expect.empty() && request.version == 11 && (chunked || body_left);
    return state = waits ? State::want_continue : State::body;
  }

  State read_body(std::string& in) {
    if (chunked) {
      switch (chunks.feed(in, request.body)) {
        case ChunkedDecoder::State::complete: return state = State::complete;
        case ChunkedDecoder::State::malformed: return fail(400, "the chunked body is malformed, or a line or the trailers are too long");
        case ChunkedDecoder::State::too_long: return fail(413, concat("the body is longer than ", limits.body_bytes, " bytes"));
        case ChunkedDecoder::State::more: return state;
      }
    }
    const std::size_t taken = std::min(body_left, in.size());
    request.body.append(in, 0, taken);
    in.erase(0, taken);
    body_left -= taken;
    return state = body_left ? State::body : State::complete;
  }

  Limits limits;
  std::size_t searched = 0;                       // no end of headers starts before this
  http::request_parser<http::empty_body> parser;  // of the head alone
  ChunkedDecoder chunks;
  bool chunked = false;
  std::size_t body_left = 0;  // of a body with Content-Length
  Request request;
  State state = State::header;
  int status = 0;
  std::string message;
};

RequestReader::RequestReader(const Limits& limits) : impl_(std::make_unique<Impl>(limits)) {}
RequestReader::~RequestReader() = default;
RequestReader::RequestReader(RequestReader&&) noexcept = default;
RequestReader& RequestReader::operator=(RequestReader&&) noexcept = default;

RequestReader::State RequestReader::feed(std::string& in) {
  Impl& r = *impl_;
  switch (r.state) {
    case State::complete:
    case State::failed: return r.state;
    case State::header:
      if (!r.headers_arrived(in) || r.read_head(in) != State::body) return r.state;
      break;
    case State::want_continue: r.state = State::body; break;
    case State::body: break;
  }
  return r.read_body(in);
}

RequestReader::State RequestReader::state() const { return impl_->state; }
int RequestReader::status() const { return impl_->status; }
const std::string& RequestReader::message() const { return impl_->message; }

Request RequestReader::take() {
  expect(impl_->state == State::complete, "vernier::serve::RequestReader::take", "the request is not complete");
  return std::move(impl_->request);
}

}  // namespace vernier::serve
