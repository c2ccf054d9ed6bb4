// The thread-safe half of a connection: what handlers call, queued until the network thread collects it.
#include <boost/asio/post.hpp>
#include <utility>

#include "server/http/connection.hpp"

namespace vernier::serve {

PendingExchange::PendingExchange(Request request, std::weak_ptr<Connection> connection, std::shared_ptr<Mailbox> mailbox,
                                 std::size_t unsent_limit)
    : request_(std::move(request)), connection_(std::move(connection)), mailbox_(std::move(mailbox)), unsent_limit_(unsent_limit) {}

PendingExchange::~PendingExchange() = default;

std::shared_ptr<Exchange> PendingExchange::handle() {
  return {this, [self = shared_from_this()](Exchange*) {
            self->respond(protocol_error(500, "the server dropped this request without an answer"));
            self->end();
          }};
}

WriteOptions PendingExchange::options() const {
  return {.keep_alive = request_.keep_alive, .head_only = request_.method == "HEAD", .http10 = request_.version == 10};
}

/// Asks the network thread to collect, once for any number of calls. Unlocks first: the connection locks again.
void PendingExchange::wake(std::unique_lock<std::mutex>& lock) {
  if (std::exchange(posted_, true)) return;
  lock.unlock();
  const std::scoped_lock mail(mailbox_->mutex);
  if (!mailbox_->io) return;
  asio::post(*mailbox_->io, [connection = connection_] {
    if (const auto alive = connection.lock()) alive->flush();
  });
}

void PendingExchange::respond(Response response) {
  std::unique_lock lock(mutex_);
  if (closed_ || phase_ != Phase::fresh) return;
  phase_ = Phase::ended;
  keep_alive_ = options().keep_alive;
  queue_ += write_response(response, options());
  wake(lock);
}

void PendingExchange::begin_stream(Response head) {
  std::unique_lock lock(mutex_);
  if (closed_ || phase_ != Phase::fresh) return;
  phase_ = Phase::streaming;
  keep_alive_ = options().keep_alive && !options().http10;
  queue_ += write_stream_head(head, options());
  wake(lock);
}

void PendingExchange::send(std::string bytes) {
  std::unique_lock lock(mutex_);
  if (closed_ || phase_ != Phase::streaming || options().head_only) return;
  queue_ += options().http10 ? bytes : write_chunk(bytes);
  wake(lock);
}

void PendingExchange::end() {
  std::unique_lock lock(mutex_);
  if (closed_ || phase_ != Phase::streaming) return;
  phase_ = Phase::ended;
  if (!options().http10 && !options().head_only) queue_ += last_chunk();
  wake(lock);
}

void PendingExchange::on_closed(std::function<void()> callback) {
  std::unique_lock lock(mutex_);
  if (!closed_) {
    if (phase_ != Phase::ended) on_closed_.swap(callback);
    lock.unlock();  // what was there before may hold the last handle, whose end locks again
    return;
  }
  lock.unlock();
  callback();
}

bool PendingExchange::closed() const {
  const std::scoped_lock lock(mutex_);
  return closed_;
}

PendingExchange::Queued PendingExchange::collect(std::size_t unsent) {
  std::function<void()> dropped;  // destroyed after the lock is gone: it may hold the last handle, whose end locks again
  const std::scoped_lock lock(mutex_);
  posted_ = false;
  Queued out{.bytes = std::move(queue_), .ended = phase_ == Phase::ended, .keep_alive = keep_alive_, .overflow = false};
  queue_.clear();
  // One answer may be larger than the limit; a stream must not pile up behind a client that does not read.
  out.overflow = phase_ == Phase::streaming && unsent + out.bytes.size() > unsent_limit_;
  if (out.ended) dropped.swap(on_closed_);  // breaks the cycle callback -> handle
  return out;
}

void PendingExchange::close() {
  std::unique_lock lock(mutex_);
  if (std::exchange(closed_, true)) return;
  queue_.clear();
  const auto callback = std::exchange(on_closed_, nullptr);
  const bool unanswered = phase_ != Phase::ended;
  lock.unlock();
  if (callback && unanswered) callback();
}

}  // namespace vernier::serve
