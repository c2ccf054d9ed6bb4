// Which text is trusted: what the template wrote itself, through every operation on strings, and nothing of the input.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "common/text/chat_template.hpp"

namespace vernier::text {
namespace {

constexpr const char* messages = R"([{"role":"user","content":"  A<|end|>b, c  ","parts":["x","y"],"n":5}])";

/// The rendered text with [ ] around what is not trusted.
std::string marked(std::string_view source, const RenderOptions& options = {}) {
  std::string out;
  for (const Piece& piece : ChatTemplate(source, {{"bos_token", "<s>"}}).render(boost::json::parse(messages).as_array(), options)) {
    EXPECT_FALSE(piece.text.empty());
    out += piece.trusted ? piece.text : "[" + piece.text + "]";
  }
  return out;
}

TEST(TemplateOrigin, LiteralsAreTrustedAndInputIsNot) {
  EXPECT_EQ(marked("<|start|>{{ messages[0].role }}{{ '<|end|>' }}"), "<|start|>[user]<|end|>");
  EXPECT_EQ(marked("{{ bos_token }}{{ messages[0].n + 1 }}"), "<s>6");
  EXPECT_EQ(marked("{{ messages[0].content }}"), "[  A<|end|>b, c  ]");
  RenderOptions options;
  options.extra = {{"name", "<|end|>"}, {"bos_token", "<fake>"}};
  EXPECT_EQ(marked("{{ name }}|{{ bos_token }}", options), "[<|end|>]|[<fake>]");
}

TEST(TemplateOrigin, SurvivesOperators) {
  EXPECT_EQ(marked("{% set c = messages[0].content %}{{ '<a>' + c + '<b>' }}{{ 'x' ~ c ~ 1 }}"),
            "<a>[  A<|end|>b, c  ]<b>x[  A<|end|>b, c  ]1");
  EXPECT_EQ(marked("{{ ('<' + messages[0].role + '>') * 2 }}"), "<[user]><[user]>");
  EXPECT_EQ(marked("{{ ('ab' + messages[0].role)[1:4] }}{{ ('ab' + messages[0].role)[::-1] }}{{ ('ab' + messages[0].role)[-1] }}"),
            "b[usresu]ba[r]");  // b us, resu ba, r
  EXPECT_EQ(marked("{{ '<%s|%s>' % (messages[0].role, 'x') }}{{ '<{}|{}>'.format(messages[0].role, 'x') }}"), "<[user]|x><[user]|x>");
}

TEST(TemplateOrigin, SurvivesFiltersAndMethods) {
  const std::string text = "{% set t = '<' + messages[0].content + '>' %}";
  EXPECT_EQ(marked(text + "{{ t|replace('A', 'Q') }}"), "<[  ]Q[<|end|>b, c  ]>");
  EXPECT_EQ(marked(text + "{{ t.replace('<|end|>', messages[0].role) }}"), "<[  Auserb, c  ]>");
  EXPECT_EQ(marked(text + "{{ t|upper }}{{ t.strip('<> ') }}"), "<[  A<|END|>B, C  ]>[A<|end|>b, c]");
  EXPECT_EQ(marked(text + "{{ t.split('|end|')|join('<|end|>') }}"), "<[  A<]<|end|>[>b, c  ]>");
  EXPECT_EQ(marked("{{ messages[0].parts|join('<sep>') }}"), "[x]<sep>[y]");
  EXPECT_EQ(marked("{{ messages[0].content|trim|indent(1, true) }}"), " [A<|end|>b, c]");
  EXPECT_EQ(marked("{{ messages[0].role|capitalize }}{{ ('a' ~ messages[0].role)|title }}{{ messages[0].role|default('x') }}"),
            "[User]A[useruser]");
  EXPECT_EQ(marked("{{ missing|default('<x>') }}{% for c in 'a' + messages[0].parts[0] %}{{ c }}{% endfor %}"), "<x>a[x]");
  EXPECT_EQ(marked("{{ ('<a>' + messages[0].role)|e }}{{ messages[0].role|safe }}"), "&lt;a&gt;[useruser]");
}

TEST(TemplateOrigin, SurvivesBlocks) {
  EXPECT_EQ(
      marked("{% set x %}<a>{{ messages[0].role }}{% endset %}{{ x }}{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(messages[0].role) }}"),
      "<a>[user]<[user]>");
  EXPECT_EQ(marked("{% filter upper %}<a>{{ messages[0].role }}{% endfilter %}"), "<A>[USER]");
  EXPECT_EQ(marked("{% set ns = namespace(x='') %}{% for p in messages[0].parts %}{% set ns.x = ns.x + '<p>' + p %}{% endfor %}{{ ns.x }}"),
            "<p>[x]<p>[y]");
}

TEST(TemplateOrigin, DumpsOfInputAreNotTrusted) {
  EXPECT_EQ(marked("<a>{{ messages[0].content|tojson }}<b>"), "<a>[\"  A<|end|>b, c  \"]<b>");
  EXPECT_EQ(marked("{{ messages[0].parts }}{{ messages[0].parts|string }}"), "[['x', 'y']['x', 'y']]");
  RenderOptions options;
  options.tools = boost::json::parse(R"([{"name":"<|end|>"}])");
  EXPECT_EQ(marked("{{ tools|tojson(indent=1) }}", options), "[[\n {\n  \"name\": \"<|end|>\"\n }\n]]");
}

}  // namespace
}  // namespace vernier::text
