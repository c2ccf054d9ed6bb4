// Routes, access, and the way from an exchange to an endpoint. The endpoints are in service_info.cpp, service_text.cpp and
// service_generate.cpp.
#include "server/api/service.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <random>

#include "server/api/call.hpp"
#include "server/observe/log.hpp"
#include "vernier/core/error.hpp"

namespace vernier::serve {
namespace {

/// An id that a log line or a header can carry as it is.
bool sane_id(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

/// Takes the same time wherever the first difference is; only the length of the given key shows.
bool equal_in_constant_time(std::string_view given, std::string_view secret) {
  unsigned char difference = given.size() == secret.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i)
    difference = static_cast<unsigned char>(difference | (given[i] ^ secret[i % std::max<std::size_t>(1, secret.size())]));
  volatile unsigned char result = difference;  // keeps the loop whole
  return result == 0;
}

std::string_view media_type(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (!content_type.empty() && content_type.back() == ' ') content_type.remove_suffix(1);
  return content_type;
}

std::string allowed(std::string_view method) { return method == "GET" ? "GET, HEAD, OPTIONS" : "POST, OPTIONS"; }

}  // namespace

Response json_response(const boost::json::value& value) {
  Response out;
  out.body = boost::json::serialize(value);
  return out;
}

Service::Service(ServiceOptions options) : options_(std::move(options)), workers_(options_.workers) {
  std::random_device random;
  id_salt_ = (std::uint64_t{random()} << 32) ^ random();
}

Service::~Service() = default;

const Service::Route* Service::find_route(const std::string& path) {
  static constexpr Route routes[] = {
      {"/v1/chat/completions", "/chat/completions", "POST", &Service::chat, false, false, true},
      {"/v1/completions", "/completions", "POST", &Service::completion, false, false, true},
      {"/v1/models", "/models", "GET", &Service::models, true, false, false},
      {"/tokenize", "/v1/tokenize", "POST", &Service::tokenize, false, false, true},
      {"/detokenize", "/v1/detokenize", "POST", &Service::detokenize, false, false, true},
      {"/apply-template", "/v1/apply-template", "POST", &Service::apply_template, false, false, true},
      {"/health", "/v1/health", "GET", &Service::health, true, true, false},
      {"/metrics", "", "GET", &Service::metrics, false, false, true},
      {"/version", "/v1/version", "GET", &Service::version, true, true, false},
  };
  for (const Route& route : routes)
    if (path == route.path || (!route.alias.empty() && path == route.alias)) return &route;
  if (path.starts_with("/v1/models/")) return find_route("/v1/models");
  return nullptr;
}

void Service::serve(std::shared_ptr<const Served> served, std::shared_ptr<Metrics> metrics) {
  const std::scoped_lock lock(mutex_);
  served_ = std::move(served);
  metrics_ = std::move(metrics);
}

std::string Service::fresh_id() {
  char text[40];
  // A counter through a bijection: never twice in one process, and not guessable from one process to the next.
  std::uint64_t x = (next_id_++ + id_salt_) * 0x9e3779b97f4a7c15u;
  x ^= x >> 32;
  std::snprintf(text, sizeof text, "%08x%016llx", static_cast<unsigned>(id_salt_ >> 17), static_cast<unsigned long long>(x));
  return text;
}

void Service::handle(std::shared_ptr<Exchange> exchange) {
  Call call;
  call.exchange = std::move(exchange);
  {
    const std::scoped_lock lock(mutex_);
    call.served = served_;
    call.metrics = metrics_;
  }
  const std::string_view given = call.request().header("x-request-id");
  call.id = sane_id(given) ? std::string(given) : fresh_id();
  call.route = find_route(call.request().path);
  try {
    const std::string& method = call.request().method;
    if (method == "OPTIONS") return options(call);
    check_access(call);
    if (!call.route)
      throw ApiError(404, concat("there is no ", log_quoted(call.request().path), " here; see docs/serving.md for the paths"), {},
                     "not_found");
    if (method != call.route->method && !(method == "HEAD" && call.route->method == "GET"))
      throw ApiError(405, concat("the method is ", log_quoted(method), ", expected ", allowed(call.route->method)), {},
                     "method_not_allowed");
    if (!call.route->early && !call.served) throw ApiError(503, "the model is still being loaded", {}, "loading");
    if (!call.route->early && draining_ && call.route->method == "POST")
      throw ApiError(503, "the server is shutting down", {}, "shutting_down");
    const std::string_view type = media_type(call.request().header("content-type"));
    if (method == "POST" && !type.empty() && !equal_ignoring_case(type, "application/json"))
      throw ApiError(415, concat("Content-Type is ", log_quoted(type), ", expected application/json"), {}, "unsupported_media_type");
    if (!call.route->slow) return run(call);
    workers_.post([this, call]() mutable {
      if (!call.exchange->closed()) run(call);
    });
  } catch (const ApiError& error) {
    refuse(call, error);
  }
}

void Service::run(Call& call) {
  try {
    (this->*call.route->endpoint)(call);
  } catch (const ApiError& error) {
    refuse(call, error);
  } catch (const std::exception& error) {
    log_error(concat("request ", call.id, " met an internal error: ", log_quoted(error.what())));
    refuse(call, ApiError(500, "internal error; the server's log has it under this request's X-Request-Id", {}, "internal_error"));
  }
}

void Service::check_access(const Call& call) const {
  if (options_.api_key.empty() || (call.route && call.route->open)) return;
  std::string_view given = call.request().header("authorization");
  if (given.size() > 7 && equal_ignoring_case(given.substr(0, 7), "Bearer "))
    given.remove_prefix(7);
  else
    given = call.request().header("x-api-key");
  if (!equal_in_constant_time(given, options_.api_key))
    throw ApiError(401, "the API key is missing or wrong; send it as 'Authorization: Bearer KEY'", {}, "invalid_api_key");
}

void Service::respond(Call& call, Response response) {
  response.headers.push_back({"X-Request-Id", call.id});
  if (!options_.cors_origin.empty()) {
    response.headers.push_back({"Access-Control-Allow-Origin", options_.cors_origin});
    response.headers.push_back({"Access-Control-Expose-Headers", "X-Request-Id, X-Vernier-Tier, X-Vernier-Score, X-Vernier-Reason"});
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - call.begun;
  RequestLine line;
  line.id = call.id;
  line.method = call.request().method;
  line.path = call.request().path;
  line.status = response.status;
  line.total_seconds = took.count();
  log_request(line, false);
  if (call.metrics) call.metrics->http(call.route ? call.route->path : "other", response.status);
  call.exchange->respond(std::move(response));
}

void Service::refuse(Call& call, const ApiError& error) {
  Response response = json_response(error_json(error));
  response.status = error.status();
  if (error.status() == 405) response.headers.push_back({"Allow", allowed(call.route->method)});
  if (error.status() == 401) response.headers.push_back({"WWW-Authenticate", "Bearer"});
  if (error.status() == 503) response.headers.push_back({"Retry-After", "5"});
  respond(call, std::move(response));
}

void Service::options(Call& call) {
  Response response;
  response.status = 204;
  response.headers.push_back({"Allow", call.route ? allowed(call.route->method) : "GET, HEAD, POST, OPTIONS"});
  if (!options_.cors_origin.empty()) {
    response.headers.push_back({"Access-Control-Allow-Methods", "GET, POST, OPTIONS"});
    response.headers.push_back({"Access-Control-Allow-Headers", "Authorization, Content-Type, X-Api-Key, X-Request-Id"});
    response.headers.push_back({"Access-Control-Max-Age", "86400"});
  }
  respond(call, std::move(response));
}

}  // namespace vernier::serve
