// Fields that chat and text completions share: sampling, stops, streaming, the tier.
#include <limits>

#include "server/api/error.hpp"
#include "server/api/fields.hpp"
#include "server/api/json.hpp"
#include "server/api/request.hpp"
#include "vernier/core/error.hpp"

namespace vernier::serve {
namespace {

namespace json = boost::json;

void parse_sampling(Fields& fields, const RequestLimits& limits, CommonRequest& out) {
  ops::SampleOptions& s = out.generation.sampling;
  const auto real = [&](std::string_view name, double low, double high, float& into, bool above = false) {
    if (const auto x = fields.number(name, low, high, above)) into = static_cast<float>(*x);
  };
  real("temperature", 0, 2, s.temperature);
  real("top_p", 0, 1, s.top_p);
  real("min_p", 0, 1, s.min_p);
  real("repeat_penalty", 0, 10, s.repetition_penalty, true);  // llama-server's name
  real("repetition_penalty", 0, 10, s.repetition_penalty, true);
  real("presence_penalty", -2, 2, s.presence_penalty);
  real("frequency_penalty", -2, 2, s.frequency_penalty);
  if (const auto k = fields.integer("top_k", -1, limits.vocabulary)) s.top_k = *k < 0 ? 0 : static_cast<int>(*k);
  const json::value* seed = fields.find("seed");
  if (!seed) return;
  out.seeded = true;
  if (seed->is_uint64())
    s.seed = seed->get_uint64();
  else if (const auto number = whole(*seed))
    s.seed = static_cast<std::uint64_t>(*number);  // negative seeds are as good as any
  else
    fields.refuse("seed", *seed, "a whole number of at most 64 bits");
}

/// "logit_bias": {"50256": -100}
void parse_bias(Fields& fields, const RequestLimits& limits, CommonRequest& out) {
  const json::object* biases = fields.object("logit_bias");
  if (!biases) return;
  if (biases->size() > static_cast<std::size_t>(limits.biases))
    throw ApiError(400, concat("logit_bias has ", biases->size(), " entries, expected at most ", limits.biases), "logit_bias",
                   "invalid_value");
  for (const auto& [key, value] : *biases) {
    int id = -1;
    const bool digits = !key.empty() && key.size() <= 9 && key.find_first_not_of("0123456789") == json::string_view::npos;
    if (digits) id = std::stoi(std::string(key));
    if (id < 0 || id >= limits.vocabulary)
      throw ApiError(400, concat("logit_bias names token ", shown(json::value(key)), ", expected an id from 0 to ", limits.vocabulary - 1),
                     "logit_bias", "invalid_value");
    const double bias = value.is_number() ? value.to_number<double>() : std::numeric_limits<double>::quiet_NaN();
    if (!(bias >= -100 && bias <= 100))
      throw ApiError(400, concat("logit_bias of token ", id, " is ", shown(value), ", expected a number from -100 to 100"), "logit_bias",
                     "invalid_value");
    out.generation.sampling.logit_bias.emplace_back(id, static_cast<float>(bias));
  }
}

void parse_stops(Fields& fields, const RequestLimits& limits, CommonRequest& out) {
  const auto add = [&](const json::value& value) {
    if (!value.is_string() || value.get_string().empty() || value.get_string().size() > static_cast<std::size_t>(limits.stop_bytes))
      throw ApiError(400, concat("stop has ", shown(value), ", expected strings of 1 to ", limits.stop_bytes, " bytes"), "stop",
                     "invalid_value");
    out.generation.stop.emplace_back(value.get_string());
  };
  if (const json::value* stop = fields.find("stop")) {
    if (stop->is_string()) {
      add(*stop);
    } else {
      if (!stop->is_array() || stop->get_array().size() > static_cast<std::size_t>(limits.stops))
        fields.refuse("stop", *stop, concat("a string or an array of at most ", limits.stops, " strings"));
      for (const json::value& one : stop->get_array()) add(one);
    }
  }
  if (const json::array* ids = fields.array("stop_token_ids", static_cast<std::size_t>(limits.stops)))
    out.generation.stop_ids = parse_ids(*ids, "stop_token_ids", limits.vocabulary);
}

void parse_streaming(Fields& fields, CommonRequest& out) {
  out.stream = fields.boolean("stream").value_or(false);
  const json::object* options = fields.object("stream_options");
  if (!options) return;
  if (!out.stream) throw ApiError(400, "stream_options is given, but stream is not true", "stream_options", "invalid_value");
  Fields inner(*options, "stream_options.");
  out.include_usage = inner.boolean("include_usage").value_or(false);
}

void parse_tier(Fields& fields, const RequestLimits& limits, CommonRequest& out) {
  const json::object* ours = fields.object("vernier");
  if (!ours) return;
  Fields inner(*ours, "vernier.");
  out.tier = inner.string("tier", 64).value_or("");
  if (out.tier == "auto") out.tier.clear();
  std::string known = "auto";
  bool found = out.tier.empty();
  for (const std::string& tier : limits.tiers) {
    known += ", " + tier;
    found = found || tier == out.tier;
  }
  if (!found) inner.refuse("tier", json::value(out.tier), "one of: " + known);
  for (const std::string& name : inner.unread())
    throw ApiError(400, concat(inner.full(name), " is not a known field; vernier has: tier"), inner.full(name), "unknown_field");
}

}  // namespace

std::vector<int> parse_ids(const json::array& ids, std::string_view name, int vocabulary) {
  std::vector<int> out;
  out.reserve(ids.size());
  for (const json::value& value : ids) {
    const auto id = whole(value);
    if (!id || *id < 0 || *id >= vocabulary)
      throw ApiError(400,
                     concat(name, " has ", shown(value), " at position ", out.size(), ", expected token ids from 0 to ", vocabulary - 1),
                     std::string(name), "invalid_value");
    out.push_back(static_cast<int>(*id));
  }
  return out;
}

void parse_common(Fields& fields, const RequestLimits& limits, CommonRequest& out) {
  (void)fields.string("model", 256);  // one model is served; the answer says which
  (void)fields.string("user", 1024);
  out.generation.n = static_cast<int>(fields.integer("n", 1, limits.n).value_or(1));
  const auto old_name = fields.integer("max_tokens", 1, limits.max_tokens),
             new_name = fields.integer("max_completion_tokens", 1, limits.max_tokens);
  if (old_name && new_name && *old_name != *new_name)
    throw ApiError(
        400, concat("max_tokens is ", *old_name, " and max_completion_tokens is ", *new_name, ", expected one of them or equal values"),
        "max_completion_tokens", "invalid_value");
  out.generation.max_tokens = static_cast<int>(new_name.value_or(old_name.value_or(0)));
  out.generation.ignore_end = fields.boolean("ignore_eos").value_or(false);
  parse_sampling(fields, limits, out);
  parse_bias(fields, limits, out);
  parse_stops(fields, limits, out);
  parse_streaming(fields, out);
  parse_tier(fields, limits, out);
}

}  // namespace vernier::serve
