// A blocking test client on a plain socket: it can be as rude as a test needs, which a real HTTP library would not let it be.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace vernier::serve::test {

/// An answer as it came: status, headers in lower case, body with chunks joined.
struct Answer {
  int status = 0;
  std::string head, body;
  bool complete = false;  // the whole body arrived

  std::string header(std::string_view name) const {
    const std::string wanted = "\n" + std::string(name) + ": ";
    std::string low = head;
    for (char& c : low) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    const std::size_t at = low.find(wanted);
    if (at == std::string::npos) return {};
    const std::size_t begin = at + wanted.size();
    return head.substr(begin, head.find('\r', begin) - begin);
  }
};

class Client {
 public:
  explicit Client(int port, int receive_buffer = 0) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer) ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(static_cast<std::uint16_t>(port));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
  }
  ~Client() { close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }

  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// Reads what is there, waiting up to `patience`. False at the end of the stream, on an error, or when nothing came.
  bool receive(std::chrono::milliseconds patience = std::chrono::seconds(20)) {
    pollfd wait{socket_, POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(patience.count())) <= 0) return false;
    char bytes[16384];
    const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
    if (got <= 0) {
      ended_ = true;
      return false;
    }
    in_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  /// True if the server closes the connection within `patience`, whatever it sends before.
  bool closed_within(std::chrono::milliseconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!ended_ && std::chrono::steady_clock::now() < end)
      receive(std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()));
    return ended_;
  }

  /// Reads until `text` has arrived in what is not consumed yet.
  bool receive_until(std::string_view text) {
    while (in_.find(text) == std::string::npos)
      if (!receive()) return false;
    return true;
  }

  /// The next answer on the connection; status 0 if none came. `to_head`: the request was HEAD.
  Answer answer(bool to_head = false) {
    Answer out;
    if (!receive_until("\r\n\r\n")) return out;
    const std::size_t end = in_.find("\r\n\r\n");
    out.head = in_.substr(0, end + 2);
    in_.erase(0, end + 4);
    out.status = std::atoi(out.head.c_str() + 9);
    if (to_head || out.status == 204 || out.status == 100)
      out.complete = true;
    else if (out.header("transfer-encoding") == "chunked")
      out.complete = chunks(out.body);
    else
      out.complete = plain(out.body, std::strtoull(out.header("content-length").c_str(), nullptr, 10));
    return out;
  }

  /// One request with a body, and its answer.
  Answer request(std::string_view method, std::string_view path, std::string_view body = {}, std::string_view headers = {}) {
    std::string text(method);
    text.append(" ").append(path).append(" HTTP/1.1\r\nHost: test\r\n").append(headers);
    if (method == "POST")
      text.append("Content-Type: application/json\r\nContent-Length: ").append(std::to_string(body.size())).append("\r\n");
    text.append("\r\n").append(body);
    send(text);
    return answer(method == "HEAD");
  }

  std::string& pending() { return in_; }

 private:
  bool plain(std::string& body, std::size_t size) {
    while (in_.size() < size)
      if (!receive()) return false;
    body = in_.substr(0, size);
    in_.erase(0, size);
    return true;
  }

  bool chunks(std::string& body) {
    for (;;) {
      if (!receive_until("\r\n")) return false;
      const std::size_t size = std::strtoull(in_.c_str(), nullptr, 16), begin = in_.find("\r\n") + 2;
      while (in_.size() < begin + size + 2)
        if (!receive()) return false;
      body.append(in_, begin, size);
      in_.erase(0, begin + size + 2);
      if (size == 0) return true;
    }
  }

  int socket_;
  bool connected_ = false, ended_ = false;
  std::string in_;
};

/// The payloads of a server-sent event stream, "[DONE]" included.
inline std::vector<std::string> events(std::string_view body) {
  std::vector<std::string> out;
  while (!body.empty()) {
    const std::size_t end = body.find("\n\n");
    const std::string_view event = body.substr(0, end);
    if (event.starts_with("data: ")) out.emplace_back(event.substr(6));
    if (end == std::string_view::npos) break;
    body.remove_prefix(end + 2);
  }
  return out;
}

}  // namespace vernier::serve::test
