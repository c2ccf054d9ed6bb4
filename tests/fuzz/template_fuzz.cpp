// Any bytes as a chat template: it parses and renders, or is refused with an error of ours. Limits are small, so that each try is short.
#include <boost/json/parse.hpp>
#include <string_view>

#include "common/text/chat_template.hpp"
#include "fuzz/fuzz.hpp"

namespace {

constexpr std::string_view messages = R"([{"role":"system","content":"Be brief."},{"role":"user","content":" h\u00e9 \n<|end|>"},
  {"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":{"x":[1,2.5,true,null]}}}]},
  {"role":"tool","content":[{"type":"text","text":"one"}]}])";
constexpr std::string_view tools = R"([{"type":"function","function":{"name":"f","parameters":{"properties":{"x":{"type":"array"}}}}}])";

}  // namespace

std::vector<std::string> vernier::fuzz::seeds() {
  return {
      std::string(text::chatml_template),
      "{% for m in messages recursive %}{{ loop.index ~ m.role | upper }}{% if loop.first %}{% break %}{% endif %}{% else %}n{% endfor %}"};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vernier::text;
  RenderOptions options;
  options.tools = boost::json::parse(tools);
  options.limits = {.output_bytes = 1 << 16, .work_bytes = 1 << 20, .steps = 20'000, .depth = 400, .nesting = 64, .range = 1000};
  try {
    const ChatTemplate chat(std::string_view(reinterpret_cast<const char*>(data), size), {{"bos_token", "<s>"}});
    const std::vector<Piece> pieces = chat.render(boost::json::parse(messages).as_array(), options);
    for (std::size_t i = 0; i < pieces.size(); ++i)
      if (pieces[i].text.empty() || (i > 0 && pieces[i].trusted == pieces[i - 1].trusted)) __builtin_trap();  // pieces alternate
  } catch (const TemplateError&) {
  }
  return 0;
}
