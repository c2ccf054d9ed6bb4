// The one file that compiles Boost.Beast: its parser checks the grammar of HTTP/1.1, this adds the limits and the refusals.
#include "server/http/reader.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <utility>

#include "vernier/core/error.hpp"

namespace vernier::serve {

namespace http = boost::beast::http;
using Field = http::field;

struct RequestReader::Impl {
  explicit Impl(const Limits& l) : limits(l) {
    parser.header_limit(static_cast<std::uint32_t>(l.header_bytes));
    parser.body_limit(l.body_bytes);
    parser.eager(true);
  }

  State fail(int code, std::string why) {
    status = code;
    message = std::move(why);
    return state = State::failed;
  }

  State refuse(const boost::system::error_code& error) {
    if (error == http::error::header_limit)
      return fail(431, concat("the request line and headers are longer than ", limits.header_bytes, " bytes"));
    if (error == http::error::body_limit || error == http::error::buffer_overflow)
      return fail(413, concat("the body is longer than ", limits.body_bytes, " bytes"));
    if (error == http::error::bad_version) return fail(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    return fail(400, concat("not a valid HTTP request: ", error.message()));
  }

  /// Checks that Beast leaves to its user; called once, when the headers are complete.
  State check_header() {
    const auto& message_ = parser.get();
    const auto version = message_.version();
    if (version != 10 && version != 11) return fail(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    const auto target = message_.target();
    if (target.size() > limits.target_bytes)
      return fail(414, concat("the request target has ", target.size(), " bytes, at most ", limits.target_bytes, " are read"));
    if (target.empty() || target.front() != '/') return fail(400, "the request target must start with '/'");
    if (version == 11 && message_.count(Field::host) != 1) return fail(400, "an HTTP/1.1 request needs exactly one Host header");
    if (const auto coding = message_[Field::transfer_encoding]; !coding.empty()) {
      if (!equal_ignoring_case({coding.data(), coding.size()}, "chunked") || message_.count(Field::transfer_encoding) != 1)
        return fail(501, "of the transfer codings only 'chunked' is understood");
      if (message_.count(Field::content_length)) return fail(400, "a request has either Content-Length or Transfer-Encoding, not both");
      if (version == 10) return fail(400, "HTTP/1.0 has no transfer codings");
    }
    if (const auto length = parser.content_length(); length && *length > limits.body_bytes)
      return fail(413, concat("the body has ", *length, " bytes, at most ", limits.body_bytes, " are read"));
    if (const auto expect = message_[Field::expect]; !expect.empty()) {
      if (!equal_ignoring_case({expect.data(), expect.size()}, "100-continue"))
        return fail(417, "of Expect only '100-continue' is understood");
      if (version == 11 && !parser.is_done()) return state = State::want_continue;
    }
    return state = State::body;
  }

  Limits limits;
  http::request_parser<http::string_body> parser;
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
  if (r.state == State::complete || r.state == State::failed) return r.state;
  if (r.state == State::want_continue) r.state = State::body;
  std::size_t used = 0;  // in total, so that many tiny chunks do not move the buffer each time
  while (used < in.size() && !r.parser.is_done()) {
    boost::system::error_code error;
    const std::size_t taken = r.parser.put(boost::asio::const_buffer(in.data() + used, in.size() - used), error);
    used += taken;
    if (error && error != http::error::need_more) return r.refuse(error);
    if (r.state == State::header && r.parser.is_header_done() && r.check_header() == State::failed) return r.state;
    if (error == http::error::need_more || taken == 0) break;
  }
  in.erase(0, used);
  if (r.parser.is_done()) return r.state = State::complete;
  // What Beast has not taken is an unfinished header, chunk header or trailer: all bounded by the same limit.
  if (in.size() > r.limits.header_bytes) {
    if (r.state == State::header)
      return r.fail(431, concat("the request line and headers are longer than ", r.limits.header_bytes, " bytes"));
    return r.fail(400, concat("a chunk header or the trailers are longer than ", r.limits.header_bytes, " bytes"));
  }
  return r.state;
}

RequestReader::State RequestReader::state() const { return impl_->state; }
int RequestReader::status() const { return impl_->status; }
const std::string& RequestReader::message() const { return impl_->message; }

Request RequestReader::take() {
  expect(impl_->state == State::complete, "vernier::serve::RequestReader::take", "the request is not complete");
  auto message = impl_->parser.release();
  Request out;
  out.method = std::string(message.method_string());
  const std::string target(message.target());
  const std::size_t mark = target.find('?');
  out.path = target.substr(0, mark);
  if (mark != std::string::npos) out.query = target.substr(mark + 1);
  for (const auto& field : message) out.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  out.keep_alive = message.keep_alive();
  out.version = static_cast<int>(message.version());
  out.body = std::move(message.body());
  return out;
}

}  // namespace vernier::serve
