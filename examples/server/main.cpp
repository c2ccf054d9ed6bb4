// vernier-server: loads a model at several precisions and answers OpenAI's API. Start-up and shutdown; the work is in http/, api/ and
// engine/.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>

#include "common/progress.hpp"
#include "server/api/service.hpp"
#include "server/http/server.hpp"
#include "server/observe/log.hpp"
#include "server/setup/model.hpp"
#include "server/setup/options.hpp"

namespace vernier::serve {
namespace {

/// Thrown out of loading when a signal comes.
struct Interrupted {};

int serve(const Options& options) {
  set_log_level(options.log_level);
  Service service({.api_key = options.api_key, .cors_origin = options.cors_origin});
  Limits limits;
  limits.body_bytes = static_cast<std::size_t>(options.max_body_mib) << 20;
  HttpServer http({options.host, options.port}, limits, [&](std::shared_ptr<Exchange> exchange) { service.handle(std::move(exchange)); });
  std::atomic<int> signals{0};
  http.on_signal([&](int) {
    if (signals++) return http.stop();  // a second one: now
    service.drain();
    http.drain(std::chrono::seconds(options.drain_seconds));
    log_info(concat("shutting down: answers under way have ", options.drain_seconds, " s to end"));
  });
  const std::string url = http.url();
  std::thread network([&] { http.run(); });
  Progress progress([](const std::string& line) { log_info(line); });
  std::atomic<bool> loaded{false};
  std::string failure;  // written before the network ends
  LoadedModel model;
  try {
    model = load_model(options, {.report = [](const std::string& line) { log_info(line); },
                                 .progress =
                                     [&](const std::string& what, std::size_t done, std::size_t total) {
                                       if (signals && !loaded) throw Interrupted{};
                                       progress.show(what, done, total);
                                     },
                                 .failed =
                                     [&](const std::string& error) {
                                       failure = error;
                                       http.stop();
                                     }});
    loaded = true;
  } catch (...) {
    http.stop();
    network.join();
    try {
      throw;
    } catch (const Interrupted&) {
      return 0;
    }
  }
  service.serve(model.served, std::make_shared<Metrics>(model.served->name, options.tiers, model.served->device));
  std::printf("listening on %s\n", url.c_str());
  std::fflush(stdout);
  network.join();
  model.engine.reset();  // cancels what is left; its last events still find service and server
  if (!failure.empty()) throw Error(failure);
  log_info("stopped");
  return 0;
}

}  // namespace
}  // namespace vernier::serve

int main(int argc, char** argv) {
  using namespace vernier::serve;
  const Parsed parsed = parse_options(argc, argv);
  if (parsed.exit_code == 0) {
    std::printf("%s\n", parsed.text.c_str());
    return 0;
  }
  try {
    if (parsed.exit_code < 0) return serve(parsed.options);
    std::fprintf(stderr, "vernier-server: %s\n", parsed.text.c_str());
    return parsed.exit_code;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "vernier-server: %s\n", error.what());
    return 1;
  }
}
