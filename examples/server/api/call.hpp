// Internal to api/: one HTTP request being answered, as the endpoints see it.
#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "server/api/service.hpp"

namespace vernier::serve {

struct Service::Call {
  std::shared_ptr<Exchange> exchange;
  std::shared_ptr<const Served> served;  // null while the model loads
  std::shared_ptr<Metrics> metrics;      // likewise
  const Route* route = nullptr;
  std::string id;  // X-Request-Id
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();

  const Request& request() const { return exchange->request(); }
};

struct Service::Route {
  std::string_view path;    // as metrics and logs call it
  std::string_view alias;   // another spelling; empty if there is none
  std::string_view method;  // GET (and then HEAD) or POST
  Endpoint endpoint;
  bool open = false;   // needs no API key
  bool early = false;  // answers while the model loads and during a drain
  bool slow = false;   // runs on a worker
};

/// A response with a JSON body.
Response json_response(const boost::json::value& value);

}  // namespace vernier::serve
