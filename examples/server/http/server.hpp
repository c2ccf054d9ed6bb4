// The HTTP server: accepts, enforces Limits, hands complete requests to one handler, drains on request. One network thread, the one that
// calls run(); handlers must return soon and answer later (exchange.hpp). Boost.Asio stays in the .cpp files.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "server/http/exchange.hpp"
#include "server/http/limits.hpp"

namespace vernier::serve {

struct Endpoint {
  std::string host = "127.0.0.1";  // a name or an address; IPv6 without brackets
  std::uint16_t port = 0;          // 0 takes a free one
};

/// What the network thread counts; a snapshot.
struct HttpCounts {
  int connections = 0;
  int half_read = 0;  // requests of which some, but not all, has arrived, and fresh connections
  int active = 0;     // requests without a complete answer
};

class HttpServer {
 public:
  /// Binds and listens at once, answers from run() on. Throws Error that names the endpoint and the system's reason.
  HttpServer(const Endpoint& endpoint, const Limits& limits, Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// "http://127.0.0.1:8080", with the port that was really taken.
  std::string url() const;
  int port() const;

  /// Serves until stop(), or until a drain ends. Call once.
  void run();

  /// Any thread: run() returns once every request has its answer, at the latest after `patience`; what is still under way then is closed
  /// as if the client had left. Connections are no longer kept alive. Refusing new work meanwhile is the handler's business.
  void drain(std::chrono::milliseconds patience);

  /// Any thread: closes everything; run() returns.
  void stop();

  /// On SIGTERM or SIGINT calls `callback(signal)` on the network thread. Other signals are left alone.
  void on_signal(std::function<void(int)> callback);

  HttpCounts counts() const;

 private:
  struct Core;
  std::unique_ptr<Core> core_;
};

}  // namespace vernier::serve
