// The HTTP API: routes, authorisation, and one function per endpoint. Give handle() to an HttpServer.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "server/api/error.hpp"
#include "server/api/generation_answer.hpp"
#include "server/api/served.hpp"
#include "server/http/exchange.hpp"
#include "server/http/workers.hpp"

namespace vernier::serve {

struct ServiceOptions {
  std::string api_key;      // empty: everybody may ask
  std::string cors_origin;  // for Access-Control-Allow-Origin; empty: browsers of other origins may not read answers
  int workers = 2;          // threads that prepare requests
};

/// Answers 503 to all but /health and /version until serve() was called, and again after drain().
class Service {
 public:
  explicit Service(ServiceOptions options);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// From now on, answers from this model. Call once.
  void serve(std::shared_ptr<const Served> served, std::shared_ptr<Metrics> metrics);

  /// From now on, refuses new work; what runs goes on.
  void drain() { draining_ = true; }

  /// The handler. Never blocks: long work goes to threads of its own.
  void handle(std::shared_ptr<Exchange> exchange);

 private:
  struct Call;
  struct Route;
  using Endpoint = void (Service::*)(Call&);
  static const Route* find_route(const std::string& path);

  void run(Call& call);
  void check_access(const Call& call) const;
  void respond(Call& call, Response response);
  void refuse(Call& call, const ApiError& error);
  void options(Call& call);

  void health(Call& call);
  void version(Call& call);
  void models(Call& call);
  void metrics(Call& call);
  void tokenize(Call& call);
  void detokenize(Call& call);
  void apply_template(Call& call);
  void chat(Call& call);
  void completion(Call& call);

  template <class Parsed>
  AnswerPlan plan(Call& call, const Parsed& request, const TierChoice& choice, bool chat);
  TierChoice choose(Call& call, const CommonRequest& request, std::string_view text) const;
  std::string fresh_id();

  const ServiceOptions options_;
  std::atomic<bool> draining_{false};
  mutable std::mutex mutex_;  // guards the two below
  std::shared_ptr<const Served> served_;
  std::shared_ptr<Metrics> metrics_;
  std::atomic<std::uint64_t> next_id_{0};
  std::uint64_t id_salt_ = 0;
  Workers workers_;  // last: its threads use all of the above
};

}  // namespace vernier::serve
