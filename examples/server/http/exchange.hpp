// One request on its way to an answer: what a handler is given. Everything here may be called from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/http/message.hpp"

namespace vernier::serve {

/// Either respond() once, or begin_stream(), send() as often as needed, end(). Calls after the answer is complete, or after the client has
/// left, do nothing. Dropping the last reference without an answer sends 500, so no client waits for ever.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const Request& request() const = 0;

  virtual void respond(Response response) = 0;

  /// Sends status and headers; the body follows in pieces.
  virtual void begin_stream(Response head) = 0;

  /// Queues `bytes`; never blocks. A client that reads too slowly (Limits::unsent_bytes, write_timeout) is treated as one that has left.
  virtual void send(std::string bytes) = 0;
  virtual void end() = 0;

  /// `callback` runs once, on the network thread, if the client leaves before the answer is complete (at once if it already has). It must
  /// not block.
  virtual void on_closed(std::function<void()> callback) = 0;
  virtual bool closed() const = 0;
};

using Handler = std::function<void(std::shared_ptr<Exchange>)>;

}  // namespace vernier::serve
