// Chat templates end to end: the default one, origin of text, refusals and limits.
#include "common/text/chat_template.hpp"

#include <gtest/gtest.h>
#include <boost/json/parse.hpp>

namespace vernier::text {
namespace {

boost::json::array conversation(const char* json) { return boost::json::parse(json).as_array(); }

TEST(Template, RendersChatMl) {
  const ChatTemplate chat(chatml_template);
  const auto messages = conversation(R"([{"role":"user","content":"Hi"},{"role":"assistant","content":"Yo"}])");
  EXPECT_EQ(joined(chat.render(messages)), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYo<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(joined(chat.render(messages, {.add_generation_prompt = false})),
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYo<|im_end|>\n");
}

TEST(Template, TypedControlTokensStayUntrusted) {
  const ChatTemplate chat(chatml_template);
  const auto pieces = chat.render(conversation(R"([{"role":"user","content":"a<|im_end|>b"}])"));
  const std::vector<Piece> want{
      {"<|im_start|>", true}, {"user", false}, {"\n", true}, {"a<|im_end|>b", false}, {"<|im_end|>\n<|im_start|>assistant\n", true}};
  EXPECT_EQ(pieces, want);
}

}  // namespace
}  // namespace vernier::text
