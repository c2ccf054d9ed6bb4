// Chat templates end to end: the default one, refusals, limits, the clock, and messages as transformers prepares them.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <cstdlib>

#include "common/text/chat_template.hpp"

namespace vernier::text {
namespace {

boost::json::array conversation(const char* json) { return boost::json::parse(json).as_array(); }

std::string render(std::string_view source, const char* messages = "[]", const RenderOptions& options = {}) {
  return joined(ChatTemplate(source).render(conversation(messages), options));
}

TemplateError error_of(std::string_view source, const char* messages = "[]", const RenderOptions& options = {}) {
  try {
    render(source, messages, options);
  } catch (const TemplateError& error) {
    return error;
  }
  return {"no error", -1};
}

TEST(Template, RendersChatMl) {
  const char* messages = R"([{"role":"user","content":"Hi"},{"role":"assistant","content":"Yo"}])";
  const std::string turns = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYo<|im_end|>\n";
  EXPECT_EQ(render(chatml_template, messages), turns + "<|im_start|>assistant\n");
  EXPECT_EQ(render(chatml_template, messages, {.add_generation_prompt = false}), turns);
}

TEST(Template, ErrorsCarryLineAndConstruct) {
  const TemplateError tag = error_of("a\nb\n{% include 'x' %}");
  EXPECT_EQ(tag.line(), 3);
  EXPECT_STREQ(tag.what(), "chat template, line 3: the tag 'include' is not supported in chat templates");
  const TemplateError filter = error_of("\n{{ messages\n | urlize }}");
  EXPECT_EQ(filter.line(), 3);
  EXPECT_STREQ(filter.what(), "chat template, line 3: unknown or unsupported filter 'urlize'");
  const TemplateError value = error_of("{{ 1 }}\n{{ messages[0].content + 'x' }}", R"([{"role":"user"}])");
  EXPECT_EQ(value.line(), 2);
  EXPECT_STREQ(value.what(), "chat template, line 2: 'dict object' has no attribute 'content'");
  EXPECT_FALSE(value.raised());
  EXPECT_STREQ(error_of("\xff").what(), "chat template, line 1: the template is not valid UTF-8");
  EXPECT_STREQ(error_of("{{ cycler(1) }}").what(), "chat template, line 1: the global 'cycler' is not supported in chat templates");
}

TEST(Template, ItsOwnRefusalIsToldApart) {
  const TemplateError error = error_of("\n{{ raise_exception('Roles must alternate, not ' ~ messages[0].role) }}", R"([{"role":"x"}])");
  EXPECT_TRUE(error.raised());
  EXPECT_EQ(error.line(), 2);
  EXPECT_STREQ(error.what(), "Roles must alternate, not x");
}

TEST(Template, LimitsAreTheCallers) {
  const char* loop = "{% for i in range(100) %}{{ 'abcdefgh' }}{% endfor %}";
  EXPECT_EQ(render(loop).size(), 800u);
  RenderOptions options;
  options.limits.output_bytes = 500;
  EXPECT_NE(std::string(error_of("{% for i in range(9) %}{{ 'abcdefgh' * 9 }}{% endfor %}", "[]", options).what()).find("limit of 500"),
            std::string::npos);
  options = {};
  options.limits.steps = 100;
  EXPECT_NE(std::string(error_of(loop, "[]", options).what()).find("stopped after 100 steps"), std::string::npos);
  options = {};
  options.limits.range = 99;
  EXPECT_NE(std::string(error_of(loop, "[]", options).what()).find("range() of more than 99"), std::string::npos);
}

TEST(Template, TheClockIsAnInput) {
  RenderOptions options;
  options.now = 951782400;  // 2000-02-29 00:00:00 UTC
  EXPECT_EQ(render("{{ strftime_now('%d %b %Y, %A') }}", "[]", options), "29 Feb 2000, Tuesday");
  EXPECT_EQ(render("{{ strftime_now('') }}", "[]", options), "");
  ASSERT_EQ(::setenv("SOURCE_DATE_EPOCH", "86400", 1), 0);
  EXPECT_EQ(clock_seconds(), 86400);
  ASSERT_EQ(::setenv("SOURCE_DATE_EPOCH", "yesterday", 1), 0);
  EXPECT_GT(clock_seconds(), 1'600'000'000);
  ASSERT_EQ(::unsetenv("SOURCE_DATE_EPOCH"), 0);
  EXPECT_GT(clock_seconds(), 1'600'000'000);
}

TEST(Template, VariablesArePassedAsTransformersDoes) {
  const char* all = "{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}{{ enable_thinking is defined }}";
  EXPECT_EQ(render(all), "TrueTrueTrueFalse");
  RenderOptions options;
  options.tools = boost::json::parse(R"([{"b":1,"a":2}])");
  options.documents = boost::json::parse(R"([{"title":"t"}])");
  options.extra = {{"enable_thinking", false}, {"bos_token", "<mine>"}};
  EXPECT_EQ(render("{{ tools|tojson }}{{ documents[0].title }}{{ enable_thinking }}", "[]", options), R"([{"b": 1, "a": 2}]tFalse)");
  EXPECT_EQ(joined(ChatTemplate("{{ bos_token }}{{ eos_token }}", {{"bos_token", "<s>"}, {"eos_token", "</s>"}}).render({}, options)),
            "<mine></s>");  // an argument overrides the model's own token
}

TEST(Template, ReasoningHasAllItsNames) {
  const char* dump = "{{ messages[0]|tojson }}";
  EXPECT_EQ(render(dump, R"([{"role":"a","reasoning":"r"}])"),
            R"({"thinking": "r", "role": "a", "reasoning": "r", "reasoning_content": "r"})");
  EXPECT_EQ(render(dump, R"([{"role":"a","thinking":"t","reasoning_content":"r"}])"),
            R"({"thinking": "t", "role": "a", "reasoning_content": "r"})");
  EXPECT_EQ(render(dump, R"([{"role":"a","reasoning":null}])"), R"({"role": "a", "reasoning": null})");
}

TEST(Template, NumbersOfTheInputKeepTheirForm) {
  EXPECT_EQ(
      render("{{ messages[0].n|tojson }} {{ messages[0].n }}", R"([{"n":[1,1.0,1e5,18446744073709551615,-9223372036854775808,0.1]}])"),
      "[1, 1.0, 100000.0, 18446744073709551615, -9223372036854775808, 0.1] "
      "[1, 1.0, 100000.0, 18446744073709551615, -9223372036854775808, 0.1]");
}

TEST(Template, BadMessagesAreRefused) {
  EXPECT_STREQ(error_of("x", R"(["text"])").what(), "chat template: each message must be an object");
  RenderOptions options;
  boost::json::value value = nullptr;
  for (int i = 0; i < 1000; ++i) value = boost::json::object{{"a", std::move(value)}};
  options.tools = std::move(value);
  EXPECT_NE(std::string(error_of("x", "[]", options).what()).find("nested more than"), std::string::npos);
}

TEST(Template, RendersTheSameTwice) {
  const ChatTemplate chat("{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}");
  const auto messages = conversation(R"([{"role":"a"},{"role":"b"}])");
  EXPECT_EQ(joined(chat.render(messages)), "2");
  EXPECT_EQ(joined(chat.render(messages)), "2");
}

}  // namespace
}  // namespace vernier::text
