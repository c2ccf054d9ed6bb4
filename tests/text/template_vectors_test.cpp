// Each feature of the template language against what transformers made of it (data/make_template_vectors.py).
#include <gtest/gtest.h>

#include "common/text/chat_template.hpp"
#include "support/json_file.hpp"

namespace vernier::text {
namespace {

TEST(TemplateVectors, RendersAsTransformers) {
  const boost::json::object data = test::read_json("template_vectors.json");
  SpecialTokens tokens;
  for (const auto& [name, text] : data.at("tokens").as_object()) tokens.emplace_back(std::string(name), std::string(text.as_string()));
  const RenderOptions options{.tools = data.at("tools"), .extra = data.at("extra").as_object(), .now = data.at("now").as_int64()};
  const boost::json::array& cases = data.at("cases").as_array();
  ASSERT_GT(cases.size(), 300u);
  for (const boost::json::value& entry : cases) {
    const std::string source(entry.at(0).as_string());
    SCOPED_TRACE(source);
    const boost::json::value& want = entry.at(1);
    try {
      const std::string got = joined(ChatTemplate(source, tokens).render(data.at("messages").as_array(), options));
      if (want.is_null())
        ADD_FAILURE() << "transformers raises an error, we render " << got;
      else
        EXPECT_EQ(got, std::string(want.as_string()));
    } catch (const TemplateError& error) {
      EXPECT_TRUE(want.is_null()) << error.what();
    }
  }
}

}  // namespace
}  // namespace vernier::text
