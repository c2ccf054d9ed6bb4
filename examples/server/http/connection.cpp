// The life of a connection: wait for a request, hand it on, send the answer, and again; or refuse, linger until the client has read why,
// and close. One timer serves all states, because each state has exactly one deadline.
#include "server/http/connection.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "vernier/core/error.hpp"

namespace vernier::serve {

using boost::system::error_code;

Response protocol_error(int status, std::string_view message) {
  std::string text;  // only our own words and numbers come here, so quotes and backslashes are the worst case
  for (char c : message) {
    if (c == '"' || c == '\\') text += '\\';
    text += static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e ? '?' : c;
  }
  const std::string_view type = status >= 500 ? "server_error" : "invalid_request_error";
  Response out;
  out.status = status;
  out.body = concat(R"({"error":{"message":")", text, R"(","type":")", type, R"(","param":null,"code":null}})");
  return out;
}

Connection::Connection(asio::ip::tcp::socket socket, Shared& shared)
    : socket_(std::move(socket)), shared_(shared), timer_(socket_.get_executor()), reader_(shared.limits) {}

void Connection::start() {
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);  // an event of a stream must not wait for the next one
  waiting_at_ = shared_.waiting.insert(shared_.waiting.end(), this);
  waiting_listed_ = true;
  set_half_read(true);  // a client that connects and says nothing is half-read too
  arm(shared_.limits.header_timeout);
  read();
}

void Connection::read() {
  socket_.async_read_some(asio::buffer(buffer_), [self = shared_from_this()](error_code error, std::size_t count) {
    if (self->state_ == State::shut) return;
    if (error) return self->shut();
    self->received(count);
    if (self->state_ != State::shut) self->read();
  });
}

void Connection::received(std::size_t count) {
  if (state_ == State::lingering) return;  // discarded: the client is still sending what was refused
  const bool was_idle = state_ == State::waiting && in_.empty() && !counted_half_read_;
  in_.append(buffer_.data(), count);
  if (state_ == State::busy) {
    if (in_.size() > shared_.limits.pipelined_bytes) shut();
    return;
  }
  if (was_idle) {
    set_half_read(true);
    arm(shared_.limits.header_timeout);
  }
  parse();
}

void Connection::parse() {
  for (;;) {
    switch (reader_.feed(in_)) {
      case RequestReader::State::header: return;
      case RequestReader::State::failed: return refuse(reader_.status(), reader_.message());
      case RequestReader::State::complete: return dispatch();
      case RequestReader::State::want_continue:
        next_ += "HTTP/1.1 100 Continue\r\n\r\n";
        write();
        continue;  // some of the body may be here already
      case RequestReader::State::body:
        if (!std::exchange(reading_body_, true)) arm(shared_.limits.body_timeout);
        return;
    }
  }
}

void Connection::dispatch() {
  leave_waiting();
  state_ = State::busy;
  answer_ended_ = false;
  disarm();
  ++shared_.active;
  if (shared_.changed) shared_.changed();
  exchange_ = std::make_shared<PendingExchange>(reader_.take(), weak_from_this(), shared_.mailbox, shared_.limits.unsent_bytes);
  const auto handle = exchange_->handle();
  try {
    shared_.handler(handle);
  } catch (...) {  // a handler that throws has a bug; the client gets 500 from the handle, others get on with their work
  }
}

void Connection::flush() {
  if (state_ != State::busy || !exchange_) return;
  auto queued = exchange_->collect(next_.size() + out_.size() - out_at_);
  if (queued.overflow) return shut();
  next_ += queued.bytes;
  if (queued.ended) {
    answer_ended_ = true;
    keep_alive_ = queued.keep_alive && !shared_.draining;
  }
  write();
}

/// Sends out_, then what has gathered in next_, one partial write at a time, so that the deadline measures progress.
void Connection::write() {
  if (writing_ || state_ == State::shut) return;
  if (out_at_ == out_.size()) {
    out_.clear();
    out_at_ = 0;
    std::swap(out_, next_);
  }
  if (out_.empty()) {
    if (state_ == State::busy && answer_ended_) {
      answer_done();
    } else if (state_ == State::lingering) {
      error_code ignored;
      socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    }
    return;
  }
  writing_ = true;
  if (state_ == State::busy) arm(shared_.limits.write_timeout);
  socket_.async_write_some(asio::buffer(out_.data() + out_at_, out_.size() - out_at_),
                           [self = shared_from_this()](error_code error, std::size_t count) {
                             self->writing_ = false;
                             if (self->state_ == State::shut) return;
                             if (error) return self->shut();
                             self->wrote(count);
                           });
}

void Connection::wrote(std::size_t count) {
  out_at_ += count;
  if (state_ == State::busy) disarm();
  write();
}

void Connection::answer_done() {
  exchange_->close();
  exchange_.reset();
  --shared_.active;
  if (keep_alive_ && !shared_.draining)
    wait_for_request();
  else
    refuse(0, {});  // nothing more to say, but let the client read what was said
  if (shared_.changed) shared_.changed();
}

void Connection::wait_for_request() {
  state_ = State::waiting;
  reader_ = RequestReader(shared_.limits);
  reading_body_ = false;
  waiting_at_ = shared_.waiting.insert(shared_.waiting.end(), this);
  waiting_listed_ = true;
  set_half_read(!in_.empty());
  arm(in_.empty() ? shared_.limits.idle_timeout : shared_.limits.header_timeout);
  if (!in_.empty()) parse();
}

void Connection::refuse(int status, std::string_view message) {
  leave_waiting();
  state_ = State::lingering;
  in_.clear();
  arm(shared_.limits.linger_timeout);
  if (status) next_ += write_response(protocol_error(status, message), {.keep_alive = false});
  write();
}

void Connection::refuse_busy() {
  refuse(503, concat("the server has its limit of ", shared_.limits.connections, " connections; try again later"));
  read();
}

void Connection::evict() {
  if (counted_half_read_)
    refuse(408, "the request did not arrive in time and others were waiting");
  else
    shut();
}

void Connection::drain() {
  if (state_ == State::waiting && in_.empty() && !reading_body_) shut();
}

void Connection::expired() {
  if (state_ == State::waiting && counted_half_read_ && (!in_.empty() || reading_body_))
    refuse(408, reading_body_ ? "the body did not arrive in time" : "the headers did not arrive in time");
  else
    shut();
}

void Connection::shut() {
  if (state_ == State::shut) return;
  const bool was_busy = state_ == State::busy;
  leave_waiting();
  state_ = State::shut;
  const auto self = shared_from_this();
  disarm();
  error_code ignored;
  socket_.close(ignored);
  if (was_busy) {
    --shared_.active;
    exchange_->close();
    exchange_.reset();
  }
  shared_.open.remove(self);
  if (shared_.changed) shared_.changed();
}

void Connection::leave_waiting() {
  if (std::exchange(waiting_listed_, false)) shared_.waiting.erase(waiting_at_);
  set_half_read(false);
}

void Connection::set_half_read(bool on) {
  if (on == counted_half_read_) return;
  counted_half_read_ = on;
  shared_.half_read += on ? 1 : -1;
  if (shared_.changed) shared_.changed();
}

void Connection::arm(std::chrono::milliseconds patience) {
  timer_.expires_after(patience);
  // A wait may have fired and be queued when a later arm() or disarm() comes: the number tells it that it is stale.
  timer_.async_wait([self = shared_from_this(), number = ++deadline_](error_code error) {
    if (!error && self->state_ != State::shut && self->deadline_ == number) self->expired();
  });
}

void Connection::disarm() {
  ++deadline_;
  timer_.cancel();
}

}  // namespace vernier::serve
