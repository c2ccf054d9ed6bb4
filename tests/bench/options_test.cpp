// vernier-bench's command line: llama-bench's lists and ranges, and what is said about those that make no sense.
#include "bench/options.hpp"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "vernier/core/error.hpp"

namespace {

using namespace vernier;
using namespace vernier::bench;

Options parse_line(std::vector<std::string> words) {
  words.insert(words.begin(), {"vernier-bench", "-m", "model.gguf"});
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  CLI::App app;
  return parse(static_cast<int>(arguments.size()), arguments.data(), app);
}

std::string refusal(const std::vector<std::string>& words) {
  try {
    parse_line(words);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Options, ListsAndRangesAreThoseOfLlamaBench) {
  const auto numbers = [](const char* text) { return parse_numbers("-p", text, 0, 1 << 20); };
  EXPECT_EQ(numbers("512"), (std::vector{512}));
  EXPECT_EQ(numbers("1,8,64"), (std::vector{1, 8, 64}));
  EXPECT_EQ(numbers("1-4"), (std::vector{1, 2, 3, 4}));
  EXPECT_EQ(numbers("10-40+10,5"), (std::vector{10, 20, 30, 40, 5}));
  EXPECT_EQ(numbers("1-16*2"), (std::vector{1, 2, 4, 8, 16}));
  EXPECT_EQ(numbers("1-1048576*1048576"), (std::vector{1, 1 << 20}));
}

TEST(Options, DefaultsAreThoseOfLlamaBench) {
  const Options o = parse_line({});
  ASSERT_EQ(o.phases.size(), 2u);
  EXPECT_EQ(o.phases[0].n_prompt, 512);
  EXPECT_EQ(o.phases[0].n_gen, 0);
  EXPECT_EQ(o.phases[1].n_gen, 128);
  EXPECT_EQ(o.repetitions, 5);
  EXPECT_EQ(o.batch, 512);
  EXPECT_EQ(o.weights, (std::vector<std::string>{"nf4", "i8", "f16"}));
}

TEST(Options, TakesLongNamesBehindOneDash) {
  const Options o =
      parse_line({"-p", "0", "-n", "8,16", "-pg", "32,4", "-ctk", "i8", "-ctv", "i8", "-ub", "64", "--weights", "nf4", "--plan", "mixed"});
  ASSERT_EQ(o.phases.size(), 3u);
  EXPECT_EQ(o.phases[2].n_prompt, 32);
  EXPECT_EQ(o.phases[2].n_gen, 4);
  EXPECT_EQ(o.kv, (std::vector{Precision::i8}));
  EXPECT_EQ(o.batch, 64);
  EXPECT_EQ(o.weights, (std::vector<std::string>{"nf4", "mixed"}));
  EXPECT_EQ(o.plans, 1u);
}

TEST(Options, KeepsWorkersOnProcessorsWhenAsked) {
  EXPECT_TRUE(parse_line({}).processors.empty());
  const Options o = parse_line({"--cpu-range", "2-5"});
  EXPECT_EQ(o.processors, (std::vector{2, 3, 4, 5}));
  EXPECT_EQ(o.threads, (std::vector{4}));
  EXPECT_EQ(parse_line({"--cpu-range", "7"}).processors, (std::vector{7}));
  EXPECT_EQ(parse_line({"--cpu-range", "0-3", "-t", "1,2"}).threads, (std::vector{1, 2}));
  for (const char* text : {"5-2", "-1", "1-", "a", "1-2-3", "0-1024"})
    EXPECT_EQ(refusal({std::string("--cpu-range=") + text}),
              std::string("--cpu-range: '") + text + "', expected LO-HI with 0 <= LO <= HI < 1024, as in 0-3");
  EXPECT_EQ(refusal({"--cpu-range", "0-1", "-t", "1,4"}), "--cpu-range: has 2 processors, too few for --threads 4");
}

TEST(Options, RefusesWhatMakesNoSense) {
  EXPECT_EQ(refusal({"-p", "many"}), "--n-prompt: 'many', expected whole numbers from 0 to 1048576, as in 1,8,64 or 1-16*2");
  EXPECT_EQ(refusal({"-t", "0"}), "--threads: '0', expected whole numbers from 1 to 1024, as in 1,8,64 or 1-16*2");
  EXPECT_EQ(refusal({"-d", "8-64*1"}), "--n-depth: '8-64*1' never ends; multiply a number above 0 by 2 or more");
  EXPECT_EQ(refusal({"-p", "0", "-n", "0"}), "-p and -n: both are 0, so there is nothing to time");
  EXPECT_EQ(refusal({"-pg", "512"}), "-pg: '512', expected prompt,generated as in 512,128");
  EXPECT_EQ(refusal({"--weights", "q4_0"}), "--weights: 'q4_0', expected f16, bf16, i8, e4m3, e5m2 or nf4");
  EXPECT_EQ(refusal({"-ctk", "i8", "-ctv", "f16"}),
            "--cache-type-v: differs from --cache-type-k; keys and values are cached in the same format");
}

}  // namespace
