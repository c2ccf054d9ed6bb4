// One HTTP request and one response as plain values: what the API layer sees. No sockets and no Boost here; see exchange.hpp for how an
// answer travels back, reader.hpp for how bytes become a Request.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vernier::serve {

struct Header {
  std::string name, value;
};

/// True if `a` and `b` are equal when ASCII case is ignored.
bool equal_ignoring_case(std::string_view a, std::string_view b);

/// A complete request. Header names keep the client's spelling; look them up with header().
struct Request {
  std::string method;           // as sent: "GET", "POST", ...
  std::string path;             // the target up to '?', not percent-decoded
  std::string query;            // behind '?', empty if there is none
  std::vector<Header> headers;  // in order of arrival
  std::string body;             // with any chunked coding removed
  bool keep_alive = true;       // what the client asked for
  int version = 11;             // 10 or 11

  /// The first value of header `name`, without regard to case; empty if absent.
  std::string_view header(std::string_view name) const;
};

/// A whole response, or the head of a stream (then `body` is ignored). Content-Length, Connection and Date are added when it is written.
struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<Header> headers;
  std::string body;
};

/// The words that go with a status, for example "Not Found"; "Unknown" for a number that this server never sends.
std::string_view reason_phrase(int status);

}  // namespace vernier::serve
