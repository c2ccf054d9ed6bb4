// Internal to http/: one TCP connection as a state machine on the network thread, and the exchange that a handler holds meanwhile.
// A read is always outstanding, in every state, so a client that leaves is noticed at once, whether its answer is streamed or not.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "server/http/exchange.hpp"
#include "server/http/limits.hpp"
#include "server/http/reader.hpp"
#include "server/http/server.hpp"
#include "server/http/writer.hpp"

namespace vernier::serve {

namespace asio = boost::asio;
class Connection;

/// How other threads reach the network thread; outlives the server, which clears `io` when it goes.
struct Mailbox {
  std::mutex mutex;
  asio::io_context* io = nullptr;
};

/// What the connections of one server share. Network thread only.
struct Shared {
  Limits limits;
  Handler handler;
  std::shared_ptr<Mailbox> mailbox = std::make_shared<Mailbox>();
  std::list<std::shared_ptr<Connection>> open;  // in order of arrival
  std::list<Connection*> waiting;               // without a complete request: half-read or idle, longest wait first
  int half_read = 0;
  int active = 0;
  bool draining = false;
  std::function<void()> changed;  // called when a connection closes or an answer is complete
};

/// The Exchange of one request; shared between the handler's side and the connection.
class PendingExchange final : public Exchange, public std::enable_shared_from_this<PendingExchange> {
 public:
  PendingExchange(Request request, std::weak_ptr<Connection> connection, std::shared_ptr<Mailbox> mailbox, std::size_t unsent_limit);
  ~PendingExchange() override;

  const Request& request() const override { return request_; }
  void respond(Response response) override;
  void begin_stream(Response head) override;
  void send(std::string bytes) override;
  void end() override;
  void on_closed(std::function<void()> callback) override;
  bool closed() const override;

  /// What a handler gets: a reference whose last copy answers 500 if nobody else has answered.
  std::shared_ptr<Exchange> handle();

  /// Network thread: what was queued since the last call. `ended`: nothing follows. `overflow`: the client reads too slowly.
  struct Queued {
    std::string bytes;
    bool ended = false, keep_alive = true, overflow = false;
  };
  Queued collect(std::size_t unsent);
  void close();

 private:
  enum class Phase { fresh, streaming, ended };
  void wake(std::unique_lock<std::mutex>& lock);
  WriteOptions options() const;

  const Request request_;
  const std::weak_ptr<Connection> connection_;
  const std::shared_ptr<Mailbox> mailbox_;
  const std::size_t unsent_limit_;
  mutable std::mutex mutex_;  // guards what follows
  Phase phase_ = Phase::fresh;
  bool closed_ = false, posted_ = false, keep_alive_ = true;
  std::string queue_;
  std::function<void()> on_closed_;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(asio::ip::tcp::socket socket, Shared& shared);

  void start();
  void flush();        // the exchange has something to send
  void shut();         // closes the socket; the handler hears of it
  void evict();        // makes room: a half-read request gets 408
  void refuse_busy();  // the server is full: 503, then close
  void drain();        // closes an idle connection; a busy one closes after its answer
  bool half_read() const { return counted_half_read_; }

 private:
  enum class State { waiting, busy, lingering, shut };
  void read();
  void received(std::size_t count);
  void parse();
  void dispatch();
  void answer_done();
  void refuse(int status, std::string_view message);
  void write();
  void wrote(std::size_t count);
  void wait_for_request();
  void leave_waiting();
  void set_half_read(bool on);
  void arm(std::chrono::milliseconds patience);
  void disarm();
  void expired();

  asio::ip::tcp::socket socket_;
  Shared& shared_;
  asio::steady_timer timer_;
  unsigned deadline_ = 0;
  RequestReader reader_;
  State state_ = State::waiting;
  bool writing_ = false, answer_ended_ = false, keep_alive_ = true;
  bool counted_half_read_ = false, waiting_listed_ = false, reading_body_ = false;
  std::list<Connection*>::iterator waiting_at_;
  std::shared_ptr<PendingExchange> exchange_;
  std::string in_;          // received, not understood yet
  std::string out_, next_;  // being sent; to be sent after that
  std::size_t out_at_ = 0;
  std::array<char, 16 * 1024> buffer_;
};

/// The OpenAI error body of a refusal that the HTTP layer makes itself.
Response protocol_error(int status, std::string_view message);

}  // namespace vernier::serve
