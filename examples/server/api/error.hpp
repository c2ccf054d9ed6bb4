// How the API says no: a status and OpenAI's error object. Thrown by validation, turned into an HTTP answer (or an SSE event) in one place.
#pragma once

#include <boost/json/value.hpp>
#include <exception>
#include <string>
#include <utility>

namespace vernier::serve {

/// A refusal. `message` is for people and names field, value and range; `param` is the field; `code` is for programs; both may be empty.
class ApiError : public std::exception {
 public:
  ApiError(int status, std::string message, std::string param = {}, std::string code = {})
      : status_(status), message_(std::move(message)), param_(std::move(param)), code_(std::move(code)) {}

  int status() const { return status_; }
  const std::string& message() const { return message_; }
  const std::string& param() const { return param_; }
  const std::string& code() const { return code_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  int status_;
  std::string message_, param_, code_;
};

/// The `type` that goes with a status: invalid_request_error, authentication_error, not_found_error, rate_limit_error, unavailable_error,
/// server_error.
const char* error_type(int status);

/// {"error": {"message", "type", "param", "code"}}
boost::json::value error_json(const ApiError& error);

}  // namespace vernier::serve
