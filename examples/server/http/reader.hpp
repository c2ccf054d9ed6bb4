// Turns bytes from a client into Requests, and refuses those that break the protocol or a limit, with the status that each deserves.
// Knows nothing of sockets or time, so that tests and the fuzzer can feed it directly. The grammar of heads is Boost.Beast's.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "server/http/limits.hpp"
#include "server/http/message.hpp"

namespace vernier::serve {

/// Reads one request. Make a new one for the next.
class RequestReader {
 public:
  enum class State {
    header,         // the headers have not all arrived
    want_continue,  // headers complete, the client waits for "100 Continue" before it sends the body; call feed() again after answering
    body,           // headers complete, body under way
    complete,       // take() has the request
    failed,         // status() and message() say why; the connection cannot be used further
  };

  explicit RequestReader(const Limits& limits);
  ~RequestReader();
  RequestReader(RequestReader&&) noexcept;
  RequestReader& operator=(RequestReader&&) noexcept;

  /// Takes bytes off the front of `in` (those that belong to this request and could be understood) and returns the state reached.
  /// Call again with more bytes appended to what is left.
  State feed(std::string& in);

  State state() const;
  int status() const;                  // 400, 413, 414, 417, 431, 501 or 505, once failed
  const std::string& message() const;  // one sentence for the client, once failed

  /// The request; call once, when complete.
  Request take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vernier::serve
