// Serialises responses. See writer.hpp.
#include "server/http/writer.hpp"

#include <cstdio>
#include <ctime>

#include "vernier/core/error.hpp"

namespace vernier::serve {
namespace {

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[64];
  const std::size_t size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return std::string(text, size);
}

void add_header(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  for (char c : value) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  out += "\r\n";
}

std::string head(const Response& response, WriteOptions options) {
  std::string out = concat("HTTP/1.1 ", response.status, " ", reason_phrase(response.status), "\r\n");
  add_header(out, "Date", http_date());
  add_header(out, "Server", "vernier");
  if (!response.content_type.empty() && response.status != 204) add_header(out, "Content-Type", response.content_type);
  for (const Header& h : response.headers) add_header(out, h.name, h.value);
  add_header(out, "Connection", options.keep_alive ? "keep-alive" : "close");
  return out;
}

}  // namespace

std::string write_response(const Response& response, WriteOptions options) {
  std::string out = head(response, options);
  if (response.status != 204) add_header(out, "Content-Length", std::to_string(response.body.size()));
  out += "\r\n";
  if (!options.head_only && response.status != 204) out += response.body;
  return out;
}

std::string write_stream_head(const Response& response, WriteOptions options) {
  if (options.http10) options.keep_alive = false;
  std::string out = head(response, options);
  if (!options.http10) add_header(out, "Transfer-Encoding", "chunked");
  out += "\r\n";
  return out;
}

std::string write_chunk(std::string_view data) {
  if (data.empty()) return {};
  char size[20];
  const int digits = std::snprintf(size, sizeof size, "%zx\r\n", data.size());
  std::string out;
  out.reserve(data.size() + 24);
  out.append(size, static_cast<std::size_t>(digits)).append(data).append("\r\n");
  return out;
}

std::string_view last_chunk() { return "0\r\n\r\n"; }

std::string sse_event(std::string_view json) {
  std::string out = "data: ";
  out.append(json).append("\n\n");
  return out;
}

}  // namespace vernier::serve
