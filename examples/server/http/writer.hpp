// Bytes of responses: heads, chunks and server-sent events. Pure functions; connection.cpp sends what they return.
#pragma once

#include <string>
#include <string_view>

#include "server/http/message.hpp"

namespace vernier::serve {

struct WriteOptions {
  bool keep_alive = true;
  bool head_only = false;  // the answer to HEAD: same headers, no body
  bool http10 = false;     // no chunked coding: a stream then ends with the connection
};

/// A whole response with Content-Length. Control characters in header values become spaces, so that no value can add a header.
std::string write_response(const Response& response, WriteOptions options);

/// The head of a stream whose length is not known; chunks follow, and last_chunk() ends it.
std::string write_stream_head(const Response& head, WriteOptions options);

/// `data` as one chunk; empty data gives nothing, because an empty chunk would end the stream.
std::string write_chunk(std::string_view data);
std::string_view last_chunk();

/// "data: ...\n\n". `json` must not contain a line break (serialised JSON has none).
std::string sse_event(std::string_view json);

/// The event that ends an OpenAI stream.
inline constexpr std::string_view sse_done = "data: [DONE]\n\n";

}  // namespace vernier::serve
