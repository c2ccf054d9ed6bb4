// The JSON of errors.
#include "server/api/error.hpp"

#include <boost/json/object.hpp>

namespace vernier::serve {

const char* error_type(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 404: return "not_found_error";
    case 429: return "rate_limit_error";
    case 503: return "unavailable_error";
    default: return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

boost::json::value error_json(const ApiError& error) {
  const auto or_null = [](const std::string& text) { return text.empty() ? boost::json::value(nullptr) : boost::json::value(text); };
  return {{"error",
           {{"message", error.message()},
            {"type", error_type(error.status())},
            {"param", or_null(error.param())},
            {"code", or_null(error.code())}}}};
}

}  // namespace vernier::serve
