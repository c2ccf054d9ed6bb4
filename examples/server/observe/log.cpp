// The one file that compiles spdlog.
#include "server/observe/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>

#include "vernier/core/error.hpp"

namespace vernier::serve {
namespace {

/// A logger of our own on stderr, not spdlog's default one: stdout carries the "listening" line alone.
spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("vernier", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *instance;
}

}  // namespace

void set_log_level(const std::string& level) {
  for (const auto known :
       {spdlog::level::trace, spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err, spdlog::level::off}) {
    const auto text = spdlog::level::to_string_view(known);
    if (level == std::string_view(text.data(), text.size()) || (level == "warn" && known == spdlog::level::warn))
      return logger().set_level(known);
  }
  fail("vernier-server", "--log-level is ", log_quoted(level), ", expected trace, debug, info, warn, error or off");
}

void log_info(std::string_view line) { logger().info("{}", line); }
void log_warning(std::string_view line) { logger().warn("{}", line); }
void log_error(std::string_view line) { logger().error("{}", line); }

void log_request(const RequestLine& r, bool generation) {
  if (!logger().should_log(generation ? spdlog::level::info : spdlog::level::debug)) return;
  std::string text = concat("request {\"id\":", log_quoted(r.id), ",\"method\":", log_quoted(r.method), ",\"path\":", log_quoted(r.path),
                            ",\"status\":", r.status);
  if (!r.error_code.empty()) text += concat(",\"code\":", log_quoted(r.error_code));
  if (!r.tier.empty()) {
    text += concat(",\"tier\":", log_quoted(r.tier), ",\"finish\":", log_quoted(r.finish), ",\"prompt_tokens\":", r.prompt_tokens);
    text += concat(",\"completion_tokens\":", r.completion_tokens, ",\"first_token_s\":", r.first_token_seconds);
  }
  text += concat(",\"total_s\":", r.total_seconds, "}");
  logger().log(generation ? spdlog::level::info : spdlog::level::debug, "{}", text);
}

std::string log_quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text.substr(0, 512)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", byte);
      out += code;
    }
  }
  return out + "\"";
}

}  // namespace vernier::serve
