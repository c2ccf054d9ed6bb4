// See model.hpp.
#include "server/setup/model.hpp"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "common/cpu_range.hpp"
#include "common/io/checkpoint.hpp"
#include "common/io/text_files.hpp"
#include "common/model/formats.hpp"
#include "common/model/weights.hpp"
#include "server/engine/llama_tier.hpp"
#include "server/engine/text_vocabulary.hpp"
#include "server/setup/route.hpp"
#include "vernier/core/error.hpp"
#include "vernier/kv/layout.hpp"

namespace vernier::serve {
namespace {

/// Bytes of the distinct matrices by format: what is really held.
std::vector<std::pair<std::string, std::size_t>> bytes_by_format(const model::Weights& weights) {
  std::map<std::string, std::size_t> bytes;
  std::set<const PackedMatrix*> seen;
  const auto add = [&](const std::shared_ptr<const PackedMatrix>& matrix) {
    if (matrix && seen.insert(matrix.get()).second) bytes[std::string(name(matrix->format().precision))] += matrix->bytes();
  };
  add(weights.embedding.matrix());
  add(weights.head.weight);
  for (const model::LayerWeights& layer : weights.layers)
    for (const model::Linear* linear : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down}) add(linear->weight);
  return {bytes.begin(), bytes.end()};
}

std::string name_from_path(const std::string& path) {
  std::filesystem::path p = std::filesystem::path(path).lexically_normal();
  if (!p.has_filename()) p = p.parent_path();
  const std::string name = p.extension() == ".gguf" ? p.stem().string() : p.filename().string();
  return name.empty() || name == "." ? "model" : name;
}

/// The template's text, and where it came from for messages.
std::pair<std::string, std::string> template_source(const Options& options, const io::TextFiles& files) {
  if (options.chat_template_file.empty()) return {files.chat_template, files.chat_template_from};
  std::ifstream in(options.chat_template_file, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  expect(in.good() || in.eof(), options.chat_template_file, "cannot be read as a chat template (--chat-template-file)");
  expect(!text.empty() && text.size() <= (std::size_t{4} << 20), options.chat_template_file, "has ", text.size(),
         " bytes, expected a chat template of 1 byte to 4 MiB");
  return {text, options.chat_template_file};
}

KvConfig kv_config(const Options& options, const std::string& tier) {
  return {.precision = options.kv == "auto" ? ladder_tier(tier).kv : *parse_precision(options.kv)};
}

/// Bytes for keys and values of all tiers together, and the flag that said so.
struct CacheBudget {
  std::size_t bytes = 0;
  std::string from;
};

/// On a device with its own memory, what the weights have left; ask when they are there.
CacheBudget cache_budget(const Options& options, const model::Device& device) {
  const auto memory = device.memory();
  if (!memory || options.kv_memory_mib != 0) {
    const int mib = options.kv_memory_mib != 0 ? options.kv_memory_mib : 1024;
    return {static_cast<std::size_t>(mib) << 20, concat("--kv-cache-memory ", mib)};
  }
  const auto allowed = static_cast<std::size_t>(options.gpu_memory * static_cast<double>(memory->total_bytes));
  const std::size_t taken = memory->total_bytes - memory->free_bytes;
  expect(allowed > taken, "vernier-server", "--gpu-memory-utilization ", options.gpu_memory, " allows ", allowed >> 20, " MiB, but ",
         taken >> 20, " MiB of ", device.name(),
         " are taken, by the weights of the tiers and by other programs; raise it, or hold fewer --tiers");
  return {allowed - taken, concat("--gpu-memory-utilization ", options.gpu_memory)};
}

/// The context of all tiers, and the pages of each.
struct CachePlan {
  int context = 0;
  std::vector<int> pages;
};

CachePlan plan_cache(const Options& options, const model::ModelConfig& config, const model::Device& device,
                     const std::function<void(const std::string&)>& report) {
  CachePlan plan;
  const CacheBudget all = cache_budget(options, device);
  expect(options.context <= config.context, "vernier-server", "--ctx-size is ", options.context, ", but the model was made for ",
         config.context, " positions");
  plan.context = options.context ? options.context : config.context;
  const std::size_t budget = all.bytes / options.tiers.size();
  for (const std::string& tier : options.tiers) {
    const KvConfig kv = kv_config(options, tier);
    const KvLayout layout =
        device.kv_layout(kv, {.layers = config.layers, .kv_heads = config.kv_heads, .head_dim = config.head_dim, .num_pages = 1});
    const auto affordable = static_cast<int>(std::min<std::size_t>(budget / layout.page_bytes(), 1 << 24));
    const std::size_t one = layout.page_bytes() * static_cast<std::size_t>(pages_for(kv, plan.context, 1));
    if (options.context)
      expect(affordable >= pages_for(kv, plan.context, 1), "vernier-server", "one sequence of --ctx-size ", plan.context, " at tier ", tier,
             " needs ", (one >> 20) + 1, " MiB of keys and values, but ", all.from, " leaves ", budget >> 20,
             " MiB to each tier; raise it, or lower --ctx-size");
    while (plan.context > kv.page_tokens && affordable < pages_for(kv, plan.context, 1)) plan.context -= kv.page_tokens;
    plan.pages.push_back(std::max(1, affordable));
  }
  if (!options.context && plan.context < config.context)
    report(concat("context: ", plan.context, " of the model's ", config.context, " tokens, which is what ", all.from, " holds"));
  for (std::size_t i = 0; i < plan.pages.size(); ++i) {
    const KvConfig kv = kv_config(options, options.tiers[i]);
    plan.pages[i] = std::min(plan.pages[i], pages_for(kv, plan.context, options.max_sequences));
  }
  return plan;
}

std::shared_ptr<Served> describe(const Options& options, const io::Checkpoint& checkpoint) {
  const model::ModelConfig& config = checkpoint.config();
  const io::TextFiles files = io::find_text_files(checkpoint);
  text::Tokenizer tokenizer =
      checkpoint.gguf() ? text::Tokenizer::from_gguf(*checkpoint.gguf()) : text::Tokenizer::from_folder(checkpoint.path());
  auto out = std::make_shared<Served>(Served{.name = options.served_name.empty() ? name_from_path(options.model) : options.served_name,
                                             .created = static_cast<std::int64_t>(std::time(nullptr)),
                                             .tokenizer = std::move(tokenizer),
                                             .chat_template = nullptr,
                                             .device = {},
                                             .context = 0,
                                             .limits = {},
                                             .tiers = {},
                                             .meta = {},
                                             .backend = {},
                                             .choose = make_chooser(options.tiers, options.tier)});
  if (const auto [source, from] = template_source(options, files); !source.empty()) {
    try {
      out->chat_template =
          std::make_shared<text::ChatTemplate>(source, text::SpecialTokens{{"bos_token", files.bos_token}, {"eos_token", files.eos_token}});
    } catch (const text::TemplateError& error) {
      fail(from, "the chat template cannot be used: ", error.what(), "; give another with --chat-template-file");
    }
  }
  out->limits.vocabulary = config.vocab;
  out->limits.tiers = options.tiers;
  std::size_t values = 0;
  for (const io::StoredTensor& tensor : checkpoint.tensors())
    values += static_cast<std::size_t>(tensor.rows) * static_cast<std::size_t>(tensor.cols);
  out->meta = {{"architecture", config.architecture},
               {"n_vocab", config.vocab},
               {"n_ctx_train", config.context},
               {"n_embd", config.hidden},
               {"n_layer", config.layers},
               {"n_params", values}};
  return out;
}

/// The weights of every tier, on the device: of the processor they may still be in the model's file.
std::vector<std::unique_ptr<model::PlacedModel>> place_tiers(const Options& options, LoadedModel& out, const LoadEvents& events) {
  model::WeightCache cache = options.weight_cache;
  cache.report = events.report;
  model::WeightLoader& loader = out.files->loader.emplace(out.files->checkpoint, *out.pool, std::move(cache));
  std::vector<std::shared_ptr<const model::Weights>> held;  // so that later tiers find what they can share
  std::vector<std::unique_ptr<model::PlacedModel>> placed;
  for (const std::string& tier : options.tiers) {
    const auto progress = [progress = events.progress, what = concat("packing tier ", tier)](std::size_t done, std::size_t total) {
      progress(what, done, total);
    };
    held.push_back(std::make_shared<const model::Weights>(loader.open(model::uniform_formats(*parse_precision(tier)), progress)));
    placed.push_back(out.device->place(held.back(), model::parse_activations(options.activations)));
    placed.back()->reserve(options.batch_tokens + options.max_sequences, options.max_sequences);
    out.served->tiers.push_back(
        {.name = tier, .weight_bytes = bytes_by_format(*held.back()), .kv = std::string(name(kv_config(options, tier).precision))});
    if (out.device->memory()) held.clear();  // it has its own copy
  }
  return placed;
}

/// Packs weights, and when that is done has them kept for the next start.
SpareTime pack_in_spare_time(ModelFiles& files, std::function<void(const std::string&)> failed) {
  return [&files, failed = std::move(failed)] {
    try {
      if (files.loader->pack_piece()) return true;
      files.keeper = files.loader->keep_in_background();
    } catch (const std::exception& error) {
      failed(error.what());
    }
    return false;
  };
}

/// The tiers with their caches.
std::vector<std::unique_ptr<TierModel>> make_tiers(const Options& options, std::vector<std::unique_ptr<model::PlacedModel>> placed,
                                                   const CachePlan& plan, const Served& served,
                                                   const std::function<void(const std::string&)>& report) {
  std::vector<std::unique_ptr<TierModel>> tiers;
  for (std::size_t i = 0; i < placed.size(); ++i) {
    const KvConfig kv = kv_config(options, options.tiers[i]);
    tiers.push_back(make_llama_tier(std::move(placed[i]), {.kv = kv, .context = plan.context, .pages = plan.pages[i]}));
    std::string line = concat("tier ", served.tiers[i].name, ":");
    for (const auto& [format, bytes] : served.tiers[i].weight_bytes)
      line += concat(" ", (bytes + (1 << 19)) >> 20, " MiB in ", format, ",");
    report(concat(line, " cache of ", static_cast<long>(plan.pages[i]) * kv.page_tokens, " tokens in ", served.tiers[i].kv));
  }
  return tiers;
}

}  // namespace

LoadedModel load_model(const Options& options, const LoadEvents& events) {
  LoadedModel out;
  out.files = std::make_unique<ModelFiles>(options.model);
  const io::Checkpoint& checkpoint = out.files->checkpoint;
  const int threads = options.threads != 0 ? options.threads : default_threads(options.processors);
  out.pool = std::make_unique<cpu::ThreadPool>(threads, processors_for(threads, options.processors));
  if (!options.processors.empty()) cpu::pin_this_thread(options.processors.front());  // worker 0: this thread, and the engine's, its child
  out.served = describe(options, checkpoint);
  if (!out.served->chat_template)
    events.report("the model has no chat template; /v1/chat/completions will be refused (give one with --chat-template-file)");
  out.device = model::open_device(options.device, checkpoint.config(), *out.pool, events.report);
  out.served->device = out.device->name();
  const bool own_memory = out.device->memory().has_value();
  CachePlan plan;
  if (!own_memory) plan = plan_cache(options, checkpoint.config(), *out.device, events.report);  // before the minutes that loading may take
  std::vector<std::unique_ptr<model::PlacedModel>> placed = place_tiers(options, out, events);
  if (own_memory) plan = plan_cache(options, checkpoint.config(), *out.device, events.report);
  std::vector<std::unique_ptr<TierModel>> tiers = make_tiers(options, std::move(placed), plan, *out.served, events.report);
  const EngineConfig engine{.max_sequences = options.max_sequences, .max_queue = options.max_queue, .chunk_tokens = options.batch_tokens};
  out.engine = std::make_unique<Engine>(std::move(tiers), std::make_shared<TextVocabulary>(out.served->tokenizer), engine,
                                        pack_in_spare_time(*out.files, events.failed));
  Engine* raw = out.engine.get();
  out.served->context = plan.context;
  out.served->limits.n = std::min(engine.max_n, options.max_sequences);
  out.served->meta["n_ctx"] = plan.context;
  out.served->backend.submit = [raw](GenerationRequest request, EventCallback callback) {
    return raw->submit(std::move(request), std::move(callback));
  };
  out.served->backend.cancel = [raw](GenerationId id) { raw->cancel(id); };
  out.served->backend.stats = [raw] { return raw->stats(); };
  return out;
}

}  // namespace vernier::serve
