// The one file that compiles prometheus-cpp.
#include "server/observe/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>

namespace vernier::serve {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using Labels = prometheus::Labels;
using Buckets = Histogram::BucketBoundaries;

// vLLM's bounds, so that its dashboards fit.
const Buckets& first_token_buckets() {
  static const Buckets b{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560};
  return b;
}
const Buckets& inter_token_buckets() {
  static const Buckets b{.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80};
  return b;
}
const Buckets& latency_buckets() {
  static const Buckets b{.3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
  return b;
}
const Buckets& token_buckets() {
  static const Buckets b{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000};
  return b;
}

/// The series of one tier.
struct TierSeries {
  Gauge *running, *waiting, *kv_usage;
  Counter *prompt_tokens, *generation_tokens, *host_logits;
  Histogram *first_token, *inter_token, *end_to_end, *queue, *request_prompt, *request_generation;
};

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;
  Labels model;
  std::vector<std::string> tier_names;
  std::vector<TierSeries> tiers;
  Counter* preemptions = nullptr;
  Family<Counter>*finished = nullptr, *http = nullptr, *routed = nullptr;
  std::mutex scrape;  // one scrape at a time sets the gauges it then reads
};

Metrics::Metrics(std::string_view model, const std::vector<std::string>& tiers, std::string_view device) : impl_(std::make_unique<Impl>()) {
  Impl& m = *impl_;
  m.model = {{"model_name", std::string(model)}};
  m.tier_names = tiers;
  const auto gauge = [&](const char* name, const char* help) {
    return &prometheus::BuildGauge().Name(name).Help(help).Labels(m.model).Register(m.registry);
  };
  const auto counter = [&](const char* name, const char* help) {
    return &prometheus::BuildCounter().Name(name).Help(help).Labels(m.model).Register(m.registry);
  };
  const auto histogram = [&](const char* name, const char* help) {
    return &prometheus::BuildHistogram().Name(name).Help(help).Labels(m.model).Register(m.registry);
  };
  auto *running = gauge("vernier_num_requests_running", "Answers that the engine is writing."),
       *waiting = gauge("vernier_num_requests_waiting", "Answers that wait for a place."),
       *kv = gauge("vernier_kv_cache_usage_perc", "Share of the KV pages in use, 0 to 1.");
  auto *prompt = counter("vernier_prompt_tokens_total", "Prompt tokens of finished requests."),
       *generation = counter("vernier_generation_tokens_total", "Generated tokens of finished requests."),
       *host = counter("vernier_host_logits_total", "Generated tokens whose logits came to the host, for log-probabilities.");
  auto *first = histogram("vernier_time_to_first_token_seconds", "From submission to the first token."),
       *inter = histogram("vernier_inter_token_latency_seconds", "Between two pieces of one answer."),
       *end = histogram("vernier_e2e_request_latency_seconds", "From submission to the last token."),
       *queue = histogram("vernier_request_queue_time_seconds", "From submission to the first step."),
       *request_prompt = histogram("vernier_request_prompt_tokens", "Prompt tokens of a request."),
       *request_generation = histogram("vernier_request_generation_tokens", "Generated tokens of a request, all its answers.");
  for (const std::string& name : tiers) {
    const Labels tier{{"tier", name}};
    m.tiers.push_back({&running->Add(tier), &waiting->Add(tier), &kv->Add(tier), &prompt->Add(tier), &generation->Add(tier),
                       &host->Add(tier), &first->Add(tier, first_token_buckets()), &inter->Add(tier, inter_token_buckets()),
                       &end->Add(tier, latency_buckets()), &queue->Add(tier, latency_buckets()),
                       &request_prompt->Add(tier, token_buckets()), &request_generation->Add(tier, token_buckets())});
  }
  m.preemptions =
      &counter("vernier_num_preemptions_total", "Answers that lost their pages to an older one and were computed again.")->Add({});
  gauge("vernier_device_info", "What the model runs on: the label says it.")->Add({{"device", std::string(device)}}).Set(1);
  m.finished = counter("vernier_request_success_total", "Answers by how they ended.");
  m.http = counter("vernier_http_requests_total", "HTTP answers by path and status.");
  m.routed = counter("vernier_routing_decisions_total", "Requests by tier and the reason for it.");
}

Metrics::~Metrics() = default;

void Metrics::inter_token(int tier, double seconds) { impl_->tiers.at(static_cast<std::size_t>(tier)).inter_token->Observe(seconds); }

void Metrics::answer(int tier, FinishReason reason) {
  impl_->finished->Add({{"finished_reason", std::string(name(reason))}, {"tier", impl_->tier_names.at(static_cast<std::size_t>(tier))}})
      .Increment();
}

void Metrics::request(int tier, const Usage& usage, const Timing& timing) {
  const TierSeries& t = impl_->tiers.at(static_cast<std::size_t>(tier));
  t.prompt_tokens->Increment(usage.prompt_tokens);
  t.generation_tokens->Increment(usage.completion_tokens);
  t.request_prompt->Observe(usage.prompt_tokens);
  t.request_generation->Observe(usage.completion_tokens);
  t.end_to_end->Observe(timing.total);
  if (timing.first_token > 0) t.first_token->Observe(timing.first_token);
  if (timing.queued > 0) t.queue->Observe(timing.queued);
  if (timing.preemptions > 0) impl_->preemptions->Increment(timing.preemptions);
}

void Metrics::http(std::string_view path, int status) {
  impl_->http->Add({{"path", std::string(path)}, {"status", std::to_string(status)}}).Increment();
}

void Metrics::routed(int tier, std::string_view reason) {
  impl_->routed->Add({{"tier", impl_->tier_names.at(static_cast<std::size_t>(tier))}, {"reason", std::string(reason)}}).Increment();
}

std::string Metrics::text(const EngineStats& stats) {
  const std::scoped_lock lock(impl_->scrape);
  for (std::size_t i = 0; i < impl_->tiers.size() && i < stats.tiers.size(); ++i) {
    const TierStats& s = stats.tiers[i];
    impl_->tiers[i].running->Set(s.running);
    impl_->tiers[i].waiting->Set(s.waiting);
    impl_->tiers[i].host_logits->Increment(static_cast<double>(s.host_logits) - impl_->tiers[i].host_logits->Value());
    impl_->tiers[i].kv_usage->Set(s.pages_total ? static_cast<double>(s.pages_used) / s.pages_total : 0.0);
  }
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace vernier::serve
