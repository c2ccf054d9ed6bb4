// The parts of tokenizer.json, one function each. Includes Boost.JSON: only for .cpp files. Internal to the tokenizer.
#pragma once

#include "common/io/json_fields.hpp"
#include "common/text/tokenizer_spec.hpp"

namespace vernier::text {

/// model: vocabulary, merges and flags of a BPE model; added_tokens after it.
void read_model(const io::JsonFields& root, TokenizerSpec& spec);
void read_added_tokens(const io::JsonFields& root, TokenizerSpec& spec);

/// The steps around the model. Each kind is known by its name; what is not supported is refused by its name.
void read_normalizer(const io::JsonFields& root, TokenizerSpec& spec);
void read_pre_tokenizer(const io::JsonFields& root, TokenizerSpec& spec);
void read_decoder(const io::JsonFields& root, TokenizerSpec& spec);
void read_post_processor(const io::JsonFields& root, TokenizerSpec& spec);

/// Calls visit(fields) for the object `name` of `fields`, or for each member of it if it is a Sequence whose list is called `list`.
template <class Visit>
void for_each_step(const io::JsonFields& fields, std::string_view name, std::string_view list, const Visit& visit) {
  const std::optional<io::JsonFields> step = fields.object(name);
  if (!step) return;
  if (step->text("type") != "Sequence") return visit(*step);
  const boost::json::value* members = step->find(list);
  if (!members || !members->is_array()) step->fail_field(list, "an array of objects");
  for (const boost::json::value& member : members->get_array()) {
    if (!member.is_object()) step->fail_field(list, "an array of objects");
    // A Sequence inside a Sequence is legal but never written; wrapping the member lets the same function read it.
    boost::json::object wrapped;
    wrapped.emplace(std::string(name), member);
    for_each_step(io::JsonFields(wrapped, fields.file()), name, list, visit);
  }
}

}  // namespace vernier::text
