// Log lines to stderr. Text from clients is JSON-escaped, so that no request can forge a line; prompts and answers are never logged.
#pragma once

#include <string>
#include <string_view>

namespace vernier::serve {

/// One of trace, debug, info, warn, error, off. Throws Error with the list otherwise.
void set_log_level(const std::string& level);

void log_info(std::string_view line);
void log_warning(std::string_view line);
void log_error(std::string_view line);

/// What a line about a finished request tells. Strings may come from clients.
struct RequestLine {
  std::string id, method, path, tier, finish, error_code;
  int status = 0;
  int prompt_tokens = 0, completion_tokens = 0;
  double first_token_seconds = 0, total_seconds = 0;
};

/// Level info for generation, debug for everything else.
void log_request(const RequestLine& line, bool generation);

/// `text` as a JSON string with its quotes; all that is not printable ASCII is escaped.
std::string log_quoted(std::string_view text);

}  // namespace vernier::serve
