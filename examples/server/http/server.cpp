// Listening, admission of connections, signals and draining. See server.hpp.
#include "server/http/server.hpp"

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <utility>

#include "server/http/connection.hpp"
#include "vernier/core/error.hpp"

namespace vernier::serve {

using asio::ip::tcp;
using boost::system::error_code;

constexpr int refusals_at_once = 32;  // connections beyond the limit that are told why; more are just closed

struct HttpServer::Core {
  asio::io_context io{1};
  Shared shared;
  tcp::acceptor acceptor{io};
  asio::steady_timer pause{io}, drain_deadline{io};
  asio::signal_set signals{io};
  std::function<void(int)> signal_callback;
  std::string host;
  bool drained = false;                                      // draining, and the last answer is out
  std::atomic<int> connections{0}, half_read{0}, active{0};  // snapshots for counts()

  void listen(const Endpoint& endpoint);
  void accept();
  void admit(tcp::socket socket);
  void watch_signals();
  void drain(std::chrono::milliseconds patience);
  void close_all();
  void update();
};

void HttpServer::Core::listen(const Endpoint& endpoint) {
  const auto check = [&](const error_code& error, std::string_view what) {
    expect(!error, "vernier-server", "cannot ", what, " ", endpoint.host, " port ", endpoint.port, ": ", error.message());
  };
  error_code error;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(endpoint.host, std::to_string(endpoint.port), tcp::resolver::passive, error);
  check(error, "resolve");
  const tcp::endpoint at = *found.begin();
  acceptor.open(at.protocol(), error);
  check(error, "open a socket for");
  acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  acceptor.bind(at, error);
  check(error, "bind to");
  acceptor.listen(asio::socket_base::max_listen_connections, error);
  check(error, "listen on");
  host = at.address().is_v6() ? concat("[", at.address().to_string(), "]") : at.address().to_string();
}

void HttpServer::Core::accept() {
  acceptor.async_accept([this](error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted || !acceptor.is_open()) return;
    if (!error) {
      admit(std::move(socket));
      return accept();
    }
    // Out of descriptors, or the client was gone before we looked: wait a little, so that this never spins.
    pause.expires_after(std::chrono::milliseconds(50));
    pause.async_wait([this](error_code stopped) {
      if (!stopped) accept();
    });
  });
}

void HttpServer::Core::admit(tcp::socket socket) {
  const auto connection = std::make_shared<Connection>(std::move(socket), shared);
  shared.open.push_back(connection);
  if (const int over = static_cast<int>(shared.open.size()) - shared.limits.connections; over > 0) {
    if (!shared.waiting.empty()) {
      shared.waiting.front()->shut();
    } else {
      over > refusals_at_once ? connection->shut() : connection->refuse_busy();
      return update();
    }
  }
  connection->start();
  while (shared.half_read > shared.limits.half_read) {
    const auto oldest = std::find_if(shared.waiting.begin(), shared.waiting.end(), [](const Connection* c) { return c->half_read(); });
    if (oldest == shared.waiting.end()) break;
    (*oldest)->evict();
  }
  update();
}

void HttpServer::Core::watch_signals() {
  signals.async_wait([this](error_code error, int signal) {
    if (error) return;
    if (signal_callback) signal_callback(signal);
    watch_signals();
  });
}

void HttpServer::Core::drain(std::chrono::milliseconds patience) {
  shared.draining = true;
  drain_deadline.expires_after(patience);  // before update(), which moves it forward when nothing is left to wait for
  drain_deadline.async_wait([this](error_code error) {
    if (!error) close_all();
  });
  const auto open = shared.open;  // drain() takes connections off the list
  for (const auto& connection : open) connection->drain();
  update();
}

void HttpServer::Core::close_all() {
  error_code ignored;
  acceptor.close(ignored);
  pause.cancel();
  drain_deadline.cancel();
  signals.cancel(ignored);
  const auto open = shared.open;
  for (const auto& connection : open) connection->shut();
  update();
  // Nothing is left to wait for but handlers that other threads posted; run() returns once those have run.
}

/// After each change: publishes the counts, and ends a drain soon after the last answer is out.
void HttpServer::Core::update() {
  connections = static_cast<int>(shared.open.size());
  half_read = shared.half_read;
  active = shared.active;
  if (shared.draining && shared.active == 0 && !std::exchange(drained, true)) {
    drain_deadline.expires_after(std::chrono::milliseconds(200));  // for clients to read the last bytes before the sockets go
    drain_deadline.async_wait([this](error_code error) {
      if (!error) close_all();
    });
  }
}

HttpServer::HttpServer(const Endpoint& endpoint, const Limits& limits, Handler handler) : core_(std::make_unique<Core>()) {
  Core& core = *core_;
  core.shared.limits = limits;
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY) {
    // Some descriptors are the model's, the logs' and the poll's own.
    const auto spare = static_cast<long>(std::min<rlim_t>(files.rlim_cur, 1 << 20)) - 64;
    core.shared.limits.connections = static_cast<int>(std::clamp<long>(spare, 1, core.shared.limits.connections));
  }
  core.shared.handler = std::move(handler);
  core.shared.changed = [&core] { core.update(); };
  core.shared.mailbox->io = &core.io;
  core.listen(endpoint);
}

HttpServer::~HttpServer() {
  {
    const std::scoped_lock lock(core_->shared.mailbox->mutex);
    core_->shared.mailbox->io = nullptr;
  }
  core_->close_all();
  core_->io.restart();
  core_->io.poll();  // lets the cancelled operations let go of their connections
}

std::string HttpServer::url() const { return concat("http://", core_->host, ":", port()); }
int HttpServer::port() const { return core_->acceptor.is_open() ? core_->acceptor.local_endpoint().port() : 0; }

void HttpServer::run() {
  core_->accept();
  core_->io.run();
}

void HttpServer::drain(std::chrono::milliseconds patience) {
  asio::post(core_->io, [core = core_.get(), patience] { core->drain(patience); });
}

void HttpServer::stop() {
  asio::post(core_->io, [core = core_.get()] { core->close_all(); });
}

void HttpServer::on_signal(std::function<void(int)> callback) {
  core_->signal_callback = std::move(callback);
  error_code ignored;
  core_->signals.add(SIGTERM, ignored);
  core_->signals.add(SIGINT, ignored);
  core_->watch_signals();
}

HttpCounts HttpServer::counts() const { return {core_->connections, core_->half_read, core_->active}; }

}  // namespace vernier::serve
