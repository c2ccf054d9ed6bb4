// Templates that come to do harm: each is stopped with an error that names the limit, soon, and without a crash.
#include <gtest/gtest.h>

#include <chrono>

#include "common/text/chat_template.hpp"

namespace vernier::text {
namespace {

std::string repeated(const std::string& text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

/// The message of the error that parsing and rendering end with, or "" if there is none.
std::string error_of(const std::string& source) {
  try {
    (void)ChatTemplate(source).render({});
  } catch (const TemplateError& error) {
    return error.what();
  }
  return "";
}

void expect_error(const std::string& source, const std::string& part) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string error = error_of(source);
  EXPECT_NE(error.find(part), std::string::npos) << source.substr(0, 100) << "\nfails with: " << error.substr(0, 300);
  // Only tells an unbounded search from a bounded one; sanitizers and loaded machines are slow.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60)) << source.substr(0, 100);
}

TEST(TemplateHostile, LoopsAndOutputAreBounded) {
  expect_error("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "steps");
  expect_error("{% for i in range(1000000000) %}{% endfor %}", "range() of more than 100000");
  expect_error("{{ range(-9223372036854775807, 9223372036854775807) }}", "range() of more than");
  expect_error("{{ 'abcdefgh' * 999999999999 }}", "exceeds the limit");
  expect_error("{{ [0] * 999999999999 }}", "exceeds the limit");
  expect_error("{{ 'a'.ljust(999999999999) }}", "exceeds the limit");
  expect_error("{{ '%999999999d' % 1 }}", "exceeds 10000");
  expect_error("{{ '{:999999999}'.format(1) }}", "exceeds 10000");
  expect_error("{{ 'a\nb'|indent(999999999999) }}", "exceeds the limit");
  expect_error("{% set x = 'a' * 1000000 %}{% for i in range(1000) %}{{ x }}{% endfor %}", "bytes");
  expect_error("{% set ns = namespace(x='a' * 1000000) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}", "bytes");
  expect_error("{% set ns = namespace(x=[0]) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}", "bytes");
  expect_error("{% set x = 'a' * 1000000 %}{{ x.replace('a', x) }}", "bytes");
  expect_error("{{ ('a' * 3000000)|list }}", "bytes");
  expect_error("{% set l = ('a' * 100000)|list %}{% for i in range(1000) %}{% set x = l|sort %}{% endfor %}", "stopped after");
}

TEST(TemplateHostile, RecursionIsBounded) {
  expect_error("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "levels deep");
  expect_error("{% macro m() %}{% call m() %}{% endcall %}{{ caller }}{% endmacro %}{{ m() }}", "levels deep");
  expect_error("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "levels deep");
  expect_error("{{ " + repeated("(", 100'000) + "1" + repeated(")", 100'000) + " }}", "nested more than");
  expect_error("{{ " + repeated("[", 100'000) + "1" + repeated("]", 100'000) + " }}", "nested more than");
  expect_error("{{ " + repeated("-", 100'000) + "1 }}", "nested more than");
  expect_error("{{ " + repeated("not ", 100'000) + "1 }}", "nested more than");
  expect_error("{{ 1" + repeated(" if 1 else 1", 100'000) + " }}", "nested more than");
  expect_error("{{ x" + repeated(".a", 100'000) + " }}", "nested more than");
  expect_error("{{ x" + repeated("|trim", 100'000) + " }}", "nested more than");
  expect_error(repeated("{% if 1 %}", 100'000), "nested more than");
  expect_error("{% set " + repeated("(", 100'000) + "a" + repeated(")", 100'000) + " = 1 %}", "nested more than");
  EXPECT_EQ(error_of("{{ 1" + repeated(" + 1", 10'000) + " }}"), "");  // a long sum is no deep one
}

TEST(TemplateHostile, DeepAndCyclicValuesAreBounded) {
  expect_error("{% set ns = namespace(x=[]) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor %}", "nested more than");
  expect_error("{% set ns = namespace(x={}) %}{% for i in range(1000) %}{% set ns.x = {'a': ns.x} %}{% endfor %}", "nested more than");
  expect_error("{% set ns = namespace(x=1) %}{% for i in range(1000) %}{% set ns.x = [ns.x].index %}{% endfor %}", "nested more than");
  // A list of itself twice, 100 times over, has 2^100 leaves.
  const std::string twice = "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}";
  expect_error(twice + "{{ ns.x }}", "exceeds the limit");
  expect_error(twice + "{{ ns.x|tojson }}", "exceeds the limit");
  expect_error(twice + "{% set a = ns.x %}" + twice + "{{ a == ns.x }}", "stopped after");
  expect_error(twice + "{% set a = ns.x %}" + twice + "{{ a < ns.x }}", "stopped after");
  expect_error("{% set ns = namespace() %}{% set ns.x = ns %}{{ ns.x.x.x }}", "has no text");
}

TEST(TemplateHostile, KeptObjectsDoNotLeakOrChain) {
  const std::string chain = "{% set ns = namespace(x=none) %}{% for i in range(20000) %}";
  EXPECT_EQ(error_of(chain + "{% set ns.x = namespace(next=ns.x) %}{% endfor %}"), "");
  EXPECT_EQ(error_of(chain + "{% for j in [ns.x] %}{% set ns.x = loop %}{% endfor %}{% endfor %}"), "");
  EXPECT_EQ(error_of(chain + "{% set old = ns.x %}{% macro m() %}{{ old }}{% endmacro %}{% set ns.x = m %}{% endfor %}"), "");
  EXPECT_EQ(
      error_of("{% set ns = namespace() %}{% set ns.me = ns %}{% set ns.list = [ns] %}{% macro m() %}{% endmacro %}{% set ns.m = m %}"),
      "");
  expect_error("{% set ns = namespace() %}{% for i in [1] recursive %}{% set ns.l = loop %}{% endfor %}{{ ns.l([1]) }}",
               "the loop has ended");
}

TEST(TemplateHostile, SlowSearchesStayLinear) {
  // Quadratic searches would need 10^12 comparisons here.
  const std::string big = "{% set a = 'a' * 4000000 %}{% set b = ('a' * 1000000) ~ 'b' %}";
  EXPECT_EQ(error_of(big + "{{ b in a }}{{ a.find(b) }}{{ a.count(b) }}{{ a.replace(b, '')|length }}{{ a.split(b)|length }}"), "");
  EXPECT_EQ(error_of("{{ (' ' * 8000000).strip()|length }}{{ ('x ' * 100000).split()|length }}"), "");
}

TEST(TemplateHostile, NumbersAreBounded) {
  expect_error("{{ 9223372036854775807 + 1 }}", "does not fit a 64-bit integer");
  expect_error("{{ 99999999999999999999 }}", "does not fit 64 bits");
  expect_error("{{ 10 ** 100 }}", "does not fit a 64-bit integer");
  expect_error("{{ (0 - 9223372036854775807 - 1) // -1 }}", "does not fit a 64-bit integer");
  EXPECT_EQ(error_of("{{ (0 - 9223372036854775807 - 1) % -1 }}{{ 'abc'[-9223372036854775807:9223372036854775807:9223372036854775807] }}"),
            "");
}

}  // namespace
}  // namespace vernier::text
