// Endpoints that tell about the server: health, version, models, metrics.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "server/api/call.hpp"

namespace vernier::serve {

namespace json = boost::json;

void Service::health(Call& call) {
  if (draining_) throw ApiError(503, "the server is shutting down", {}, "shutting_down");
  if (!call.served) throw ApiError(503, "the model is still being loaded", {}, "loading");
  respond(call, json_response({{"status", "ok"}}));
}

void Service::version(Call& call) { respond(call, json_response({{"version", VERNIER_VERSION}})); }

void Service::models(Call& call) {
  const Served& served = *call.served;
  json::array tiers;
  for (const TierInfo& tier : served.tiers) {
    json::object weights;
    std::size_t total = 0;
    for (const auto& [format, bytes] : tier.weight_bytes) {
      weights[format] = bytes;
      total += bytes;
    }
    tiers.push_back({{"name", tier.name}, {"weight_bytes", total}, {"weight_bytes_by_format", std::move(weights)}, {"kv", tier.kv}});
  }
  json::object model{{"id", served.name},
                     {"object", "model"},
                     {"created", served.created},
                     {"owned_by", "vernier"},
                     {"max_model_len", served.context},
                     {"meta", served.meta},
                     {"vernier", {{"device", served.device}, {"tiers", std::move(tiers)}}}};
  constexpr std::string_view one = "/v1/models/";
  const std::string& path = call.request().path;
  if (!path.starts_with(one)) return respond(call, json_response({{"object", "list"}, {"data", json::array{std::move(model)}}}));
  if (path.substr(one.size()) != served.name) throw ApiError(404, "this server has one model, " + served.name, "model", "model_not_found");
  respond(call, json_response(model));
}

void Service::metrics(Call& call) {
  Response response;
  response.content_type = Metrics::content_type;
  response.body = call.metrics->text(call.served->backend.stats());
  respond(call, std::move(response));
}

}  // namespace vernier::serve
