// Every bound that the HTTP layer puts on a client, in one place. Defaults suit a server on a trusted network; docs/serving.md explains
// each.
#pragma once

#include <chrono>
#include <cstddef>

namespace vernier::serve {

struct Limits {
  std::size_t target_bytes = 4096;             // request target; longer is 414
  std::size_t header_bytes = 16 * 1024;        // request line and all headers; more is 431. Also bounds a chunk's header and the trailers
  std::size_t body_bytes = 8 * 1024 * 1024;    // more is 413
  std::size_t pipelined_bytes = 64 * 1024;     // sent ahead while an answer is under way; more closes the connection
  std::size_t unsent_bytes = 4 * 1024 * 1024;  // of a stream that the client does not read; more closes the connection
  int connections = 512;                       // open at once; then an idle or half-read one must go, or the new one gets 503
  int half_read = 64;                          // requests under way of arriving; then the oldest of them is dropped with 408
  std::chrono::milliseconds header_timeout{10'000};  // from the first byte (or the connection) to the end of the headers
  std::chrono::milliseconds body_timeout{60'000};    // from there to the end of the body
  std::chrono::milliseconds idle_timeout{75'000};    // between two requests on one connection
  std::chrono::milliseconds write_timeout{30'000};   // without progress while bytes wait to be sent
  std::chrono::milliseconds linger_timeout{2'000};   // for the client to read a refusal before the connection is closed
};

}  // namespace vernier::serve
