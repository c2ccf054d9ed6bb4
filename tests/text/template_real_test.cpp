// Templates of real models, in the folder that VERNIER_TEMPLATES names and in the GGUF file that VERNIER_MODEL names, against what
// transformers made of them (data/make_template_real.py). The files are not ours, so only digests of them and of their output are stored.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "common/io/text_files.hpp"
#include "common/text/chat_template.hpp"
#include "support/json_file.hpp"
#include "support/sha256.hpp"

namespace vernier::text {
namespace {

std::string digest(const ChatTemplate& chat, const boost::json::value& messages, const boost::json::value& options, std::int64_t now) {
  RenderOptions render;
  render.add_generation_prompt = options.at("add_generation_prompt").as_bool();
  render.tools = options.at("tools");
  render.extra = options.at("extra").as_object();
  render.now = now;
  try {
    return test::sha256(joined(chat.render(messages.as_array(), render))).substr(0, 16);
  } catch (const TemplateError&) {
    return "error";
  }
}

/// Renders every conversation with every option. False for another version of the file, for which there is no reference.
bool compare(const boost::json::object& data, const std::string& name, const std::string& source) {
  const auto* entry = data.at("files").as_object().if_contains(name);
  if (!entry || test::sha256(source) != entry->at("sha256").as_string()) return false;
  SCOPED_TRACE(name);
  SpecialTokens tokens;
  for (const auto& [token, text] : data.at("tokens").as_object()) tokens.emplace_back(std::string(token), std::string(text.as_string()));
  const ChatTemplate chat(source, tokens);
  std::size_t at = 0;
  for (const boost::json::value& messages : data.at("conversations").as_array())
    for (const boost::json::value& options : data.at("options").as_array()) {
      EXPECT_EQ(digest(chat, messages, options, data.at("now").as_int64()), entry->at("results").at(at).as_string()) << "result " << at;
      ++at;
    }
  return true;
}

TEST(TemplateReal, RendersAsTransformers) {
  const char* folder = std::getenv("VERNIER_TEMPLATES");
  if (folder == nullptr) GTEST_SKIP() << "VERNIER_TEMPLATES names no folder of templates";
  const boost::json::object data = test::read_json("template_real.json");
  int compared = 0;
  for (const auto& [name, entry] : data.at("files").as_object()) {
    const std::string path = std::string(folder) + "/" + std::string(name);
    if (std::filesystem::exists(path) && compare(data, name, test::read_file(path))) ++compared;
  }
  EXPECT_GE(compared, 10) << "of the templates that the data knows, " << folder << " holds too few";
}

TEST(TemplateReal, RendersTheDefaultModelsAsTransformers) {
  const char* model = std::getenv("VERNIER_MODEL");
  if (model == nullptr) GTEST_SKIP() << "VERNIER_MODEL is not set";
  const std::string source = io::find_text_files(io::open_checkpoint(model)).chat_template;
  EXPECT_TRUE(compare(test::read_json("template_real.json"), "SmolLM2-135M-Instruct.jinja", source)) << model << " has another template";
}

TEST(TemplateReal, Sha256KnowsItsStandardExamples) {
  EXPECT_EQ(test::sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(test::sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

}  // namespace
}  // namespace vernier::text
