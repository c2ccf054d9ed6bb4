// tokenizer.json: what happens to text before and after the model.
#include <algorithm>

#include "common/io/names.hpp"
#include "common/text/tokenizer_json.hpp"
#include "common/text/tokenizer_loader.hpp"
#include "vernier/core/error.hpp"

namespace vernier::text {
namespace {

namespace json = boost::json;

/// pattern: {"String": "..."} or {"Regex": "..."}.
std::pair<std::string, bool> read_pattern(const io::JsonFields& step) {
  const std::optional<io::JsonFields> pattern = step.object("pattern");
  if (!pattern || pattern->has("String") == pattern->has("Regex")) step.fail_field("pattern", "an object with String or Regex");
  return {pattern->text_or("String", "") + pattern->text_or("Regex", ""), pattern->has("Regex")};
}

void add_normalizer(const io::JsonFields& step, TokenizerSpec& spec) {
  const std::string type = step.text("type");
  NormalizeStep out;
  if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
    out.form = type == "NFC"    ? Normalization::nfc
               : type == "NFD"  ? Normalization::nfd
               : type == "NFKC" ? Normalization::nfkc
                                : Normalization::nfkd;
  } else if (type == "Prepend") {
    out.kind = NormalizeStep::Kind::prepend;
    out.to = step.text("prepend");
  } else if (type == "Replace") {
    const auto [pattern, regex] = read_pattern(step);
    expect(!regex && !pattern.empty(), spec.name, "normalizer: Replace of the pattern ", io::quoted(pattern),
           " is not supported; supported are strings");
    out = {.kind = NormalizeStep::Kind::replace, .from = pattern, .to = step.text("content")};
  } else {
    fail(spec.name, "normalizer.type = ", io::quoted(type),
         " is not supported; supported are: NFC, NFD, NFKC, NFKD, Prepend, Replace, Sequence");
  }
  spec.normalize.push_back(std::move(out));
}

SplitBehavior read_behavior(const io::JsonFields& step) {
  const std::string name = step.text("behavior");
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  step.fail_field("behavior", "Isolated, Removed, MergedWithPrevious, MergedWithNext or Contiguous");
}

void add_split(const io::JsonFields& step, TokenizerSpec& spec) {
  const auto [pattern, regex] = read_pattern(step);
  SplitStep out;
  out.behavior = read_behavior(step);
  out.invert = step.flag_or("invert", false);
  // The scanners cover a text without gaps, so that inverting them would change nothing but what is removed.
  const bool plain = out.behavior == SplitBehavior::isolated || (out.behavior == SplitBehavior::removed && out.invert);
  if (!regex || !plain || !known_pattern(pattern, out)) {
    expect(!pattern.empty(), spec.name, "pre_tokenizer: Split with an empty pattern");
    out.kind = SplitStep::Kind::pattern;
    try {
      out.pattern = regex ? make_regex_pattern(pattern) : make_literal_pattern(pattern);
    } catch (const Error& error) {
      fail(spec.name, "pre_tokenizer: the pattern ", io::json_text(json::value(pattern)), " cannot be used: ", error.what());
    }
  }
  spec.split.push_back(std::move(out));
}

void add_metaspace(const io::JsonFields& step, TokenizerSpec& spec) {
  Metaspace& metaspace = spec.metaspace;
  expect(spec.split.empty() && !metaspace.active, spec.name, "pre_tokenizer: Metaspace is supported as the first step only");
  metaspace.active = true;
  metaspace.mark = step.text_or("replacement", metaspace.mark);
  const std::string scheme = step.text_or("prepend_scheme", step.flag_or("add_prefix_space", true) ? "always" : "never");
  if (scheme != "always" && scheme != "first" && scheme != "never") step.fail_field("prepend_scheme", "always, first or never");
  metaspace.prepend = scheme == "always"  ? Metaspace::Prepend::always
                      : scheme == "first" ? Metaspace::Prepend::first
                                          : Metaspace::Prepend::never;
  if (!step.flag_or("split", true)) return;
  spec.split.push_back(
      {.kind = SplitStep::Kind::pattern, .pattern = make_literal_pattern(metaspace.mark), .behavior = SplitBehavior::merged_with_next});
}

/// Returns whether the step maps bytes to the byte-level alphabet, after which no other step can follow.
bool add_pre_tokenizer(const io::JsonFields& step, TokenizerSpec& spec) {
  const std::string type = step.text("type");
  if (type == "ByteLevel") {
    spec.byte_level = true;
    spec.add_prefix_space = step.flag_or("add_prefix_space", true);
    expect(!spec.add_prefix_space || spec.split.empty(), spec.name,
           "pre_tokenizer: ByteLevel with add_prefix_space is supported as the only step");
    if (step.flag_or("use_regex", true)) spec.split.push_back({.kind = SplitStep::Kind::gpt2});
    return true;
  }
  if (type == "Split")
    add_split(step, spec);
  else if (type == "Digits")
    spec.split.push_back({.kind = step.flag_or("individual_digits", false) ? SplitStep::Kind::digits : SplitStep::Kind::digit_runs});
  else if (type == "Metaspace")
    add_metaspace(step, spec);
  else
    fail(spec.name, "pre_tokenizer.type = ", io::quoted(type),
         " is not supported; supported are: ByteLevel, Split, Digits, Metaspace, Sequence");
  return false;
}

/// Ids of a template: objects {"SpecialToken": {"id": name}} before and after {"Sequence": {"id": "A"}}.
void read_template(const io::JsonFields& step, TokenizerSpec& spec) {
  const json::value* single = step.find("single");
  if (!single || !single->is_array()) step.fail_field("single", "an array of objects");
  const std::optional<io::JsonFields> tokens = step.object("special_tokens");
  bool behind = false;
  for (const json::value& part : single->get_array()) {
    if (!part.is_object()) step.fail_field("single", "an array of objects");
    const io::JsonFields fields(part.get_object(), spec.name, "post_processor.single[].");
    const std::optional<io::JsonFields> special = fields.object("SpecialToken");
    if (!special) {
      if (behind || !fields.has("Sequence")) step.fail_field("single", "special tokens around one Sequence");
      behind = true;
      continue;
    }
    const std::string name = special->text("id");
    const std::optional<io::JsonFields> token = tokens ? tokens->object(name) : std::nullopt;
    expect(token.has_value(), spec.name, "post_processor.special_tokens lacks ", io::quoted(name), ", which post_processor.single uses");
    for (const int id : token->integers("ids", 0, static_cast<int>(spec.pieces.size()) - 1))
      (behind ? spec.suffix : spec.prefix).push_back(id);
  }
}

}  // namespace

void read_normalizer(const io::JsonFields& root, TokenizerSpec& spec) {
  for_each_step(root, "normalizer", "normalizers", [&](const io::JsonFields& step) { add_normalizer(step, spec); });
}

void read_pre_tokenizer(const io::JsonFields& root, TokenizerSpec& spec) {
  bool done = false;
  spec.byte_level = false;
  for_each_step(root, "pre_tokenizer", "pretokenizers", [&](const io::JsonFields& step) {
    expect(!done, spec.name, "pre_tokenizer: ", io::quoted(step.text("type")), " after ByteLevel is not supported");
    done = add_pre_tokenizer(step, spec);
  });
}

void read_decoder(const io::JsonFields& root, TokenizerSpec& spec) {
  bool known = spec.byte_level || spec.byte_fallback;
  for_each_step(root, "decoder", "decoders", [&](const io::JsonFields& step) {
    const std::string type = step.text("type");
    if (type == "Strip") {
      spec.strip_space = step.text_or("content", " ") == " " && step.integer_or("start", 0, 1 << 20, 0) > 0;
    } else if (type == "Metaspace") {
      spec.strip_space = step.text_or("prepend_scheme", step.flag_or("add_prefix_space", true) ? "always" : "never") != "never";
      known = true;
    } else if (type != "ByteLevel" && type != "Replace" && type != "ByteFallback" && type != "Fuse") {
      fail(spec.name, "decoder.type = ", io::quoted(type),
           " is not supported; supported are: ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace, Sequence");
    }
  });
  expect(known, spec.name,
         "neither a ByteLevel pre_tokenizer nor model.byte_fallback nor a Metaspace decoder: this kind of BPE is not supported");
}

void read_post_processor(const io::JsonFields& root, TokenizerSpec& spec) {
  for_each_step(root, "post_processor", "processors", [&](const io::JsonFields& step) {
    const std::string type = step.text("type");
    if (type == "TemplateProcessing")
      read_template(step, spec);
    else
      expect(type == "ByteLevel", spec.name, "post_processor.type = ", io::quoted(type),
             " is not supported; supported are: TemplateProcessing, ByteLevel, Sequence");
  });
  spec.add_bos = !spec.prefix.empty();
}

}  // namespace vernier::text
