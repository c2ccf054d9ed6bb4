// Weights that were packed once and read back: equal to the bit, and never from a file that cannot be trusted.
#include "common/model/weight_cache.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "common/io/checkpoint.hpp"
#include "common/model/formats.hpp"
#include "common/model/weights.hpp"
#include "vernier/core/error.hpp"

namespace vernier::model {
namespace {

namespace fs = std::filesystem;

class WeightCacheTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    root_ = fs::path(testing::TempDir()) / concat("vernier-", test->name(), "-", ::getpid());
    fs::remove_all(root_);
    fs::create_directories(root_);
    fs::copy(fs::path(VERNIER_TEST_DATA) / "models/llama3-tied", root_ / "model", fs::copy_options::recursive);
  }
  void TearDown() override {
    if (fs::exists(root_ / "cache")) fs::permissions(root_ / "cache", fs::perms::owner_all);
    fs::remove_all(root_);
  }

  Weights load(Precision precision = Precision::nf4, std::string where = {}) {
    lines_.clear();
    const io::Checkpoint checkpoint = io::open_checkpoint((root_ / "model").string());
    WeightCache cache{.where = where.empty() ? (root_ / "cache").string() : where};
    cache.report = [this](const std::string& line) { lines_ += line + "\n"; };
    WeightLoader loader(checkpoint, pool_, cache);
    Weights weights = loader.load(uniform_formats(precision));
    loader.keep();
    return weights;
  }

  std::vector<fs::path> files() const {
    std::vector<fs::path> all;
    if (fs::exists(root_ / "cache"))
      for (const auto& entry : fs::directory_iterator(root_ / "cache")) all.push_back(entry.path());
    return all;
  }

  void expect_said(const std::string& words) const { EXPECT_NE(lines_.find(words), std::string::npos) << lines_; }

  fs::path root_;
  std::string lines_;
  cpu::ThreadPool pool_{3};
};

std::vector<const PackedMatrix*> matrices(const Weights& weights) {
  std::vector<const PackedMatrix*> all;
  for (const LayerWeights& layer : weights.layers)
    for (const Linear* linear : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down})
      all.push_back(linear->weight.get());
  all.push_back(weights.head.weight.get());
  return all;
}

void expect_same(const Weights& a, const Weights& b) {
  const auto left = matrices(a), right = matrices(b);
  ASSERT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    ASSERT_EQ(left[i]->format(), right[i]->format()) << i;
    ASSERT_EQ(left[i]->memory().size(), right[i]->memory().size()) << i;
    EXPECT_EQ(std::memcmp(left[i]->memory().data(), right[i]->memory().data(), left[i]->memory().size()), 0) << i;
  }
}

/// Writes to a file, whose owner may only read it.
void overwrite(const fs::path& path, std::streamoff at, const char* text) {
  fs::permissions(path, fs::perms::owner_write, fs::perm_options::add);
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary).seekp(at) << text;
}

TEST_F(WeightCacheTest, ASecondStartReadsTheSameBytes) {
  for (const Precision precision : {Precision::nf4, Precision::i8, Precision::e4m3}) {
    const Weights plain = load(precision, "off");
    const Weights made = load(precision);
    expect_said("kept in");
    const Weights read = load(precision);
    expect_said("from");
    EXPECT_EQ(lines_.find("quantised"), std::string::npos) << lines_;
    expect_same(plain, made);
    expect_same(plain, read);
  }
  EXPECT_EQ(files().size(), 3u);
}

TEST_F(WeightCacheTest, TiersThatShareMatricesReadTheirOwn) {
  const auto both = [&] {
    const io::Checkpoint checkpoint = io::open_checkpoint((root_ / "model").string());
    WeightLoader loader(checkpoint, pool_, {.where = (root_ / "cache").string()});
    const FormatOf eight_bits = [](std::string_view name) {
      return default_format(name == "model.layers.0.mlp.up_proj.weight" ? Precision::nf4 : Precision::i8);
    };
    std::vector<Weights> tiers;
    tiers.push_back(loader.load(uniform_formats(Precision::nf4)));
    tiers.push_back(loader.load(eight_bits));  // its file also holds what it found in the first tier
    loader.keep();
    return tiers;
  };
  const auto made = both(), read = both();
  expect_same(made[0], read[0]);
  expect_same(made[1], read[1]);
}

// And copied from the model elsewhere, which takes as long as reading another file.
TEST_F(WeightCacheTest, SixteenBitsAreKeptWhereFilesAreMapped) {
  fs::create_directory(root_ / "cache");
  const bool kept = mappable((root_ / "cache").string());
  for (const Precision precision : {Precision::f16, Precision::bf16, Precision::e4m3}) {  // the last with a head in f16
    const Weights plain = load(precision, "off");
    expect_said(precision == Precision::e4m3 ? "quantised in" : "copied in");
    expect_same(load(precision), plain);
    expect_same(load(precision), plain);
    EXPECT_EQ(lines_.find(" from ") != std::string::npos, kept || precision == Precision::e4m3) << lines_;
  }
  EXPECT_EQ(files().size(), kept ? 3u : 1u);
}

TEST_F(WeightCacheTest, AMatrixThatIsNotInTheFileIsPackedAgain) {
  const Weights plain = load(Precision::e4m3, "off");
  load(Precision::e4m3);
  const auto all = matrices(plain);
  std::vector<std::span<const std::uint8_t>> some;
  for (const PackedMatrix* matrix : all)
    some.push_back(matrix->format().scaling == Scaling::none ? std::span<const std::uint8_t>() : matrix->memory());
  const std::string path = files().front().string();
  std::uint64_t key = 0;  // of the file that is replaced by one without its 16-bit matrices
  std::ifstream(path, std::ios::binary).seekg(16).read(reinterpret_cast<char*>(&key), sizeof key);
  ASSERT_TRUE(write_weight_file(path, key, some, pool_));
  expect_same(load(Precision::e4m3), plain);
  expect_said("weights: loaded in");
  EXPECT_EQ(lines_.find("damaged"), std::string::npos) << lines_;
}

TEST_F(WeightCacheTest, AWriterThatIsStoppedLeavesNothing) {
  const std::vector<std::uint8_t> bytes(3 * huge_page);
  const std::span<const std::uint8_t> one[] = {bytes};
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(write_weight_file((root_ / "x.weights").string(), 7, one, pool_, stop.get_token()));
  EXPECT_EQ(std::distance(fs::directory_iterator(root_), fs::directory_iterator()), 1);  // the model
  const io::Checkpoint checkpoint = io::open_checkpoint((root_ / "model").string());
  WeightLoader loader(checkpoint, pool_, {.where = (root_ / "cache").string()});
  loader.load(uniform_formats(Precision::nf4));
  { const std::jthread writer = loader.keep_in_background(); }  // gone before, while or after it writes
  for (const fs::path& path : files()) EXPECT_EQ(path.extension(), ".weights") << path;
}

TEST_F(WeightCacheTest, NobodyOverwritesAFileByMistake) {
  load();
  EXPECT_EQ(fs::status(files().front()).permissions(), fs::perms::owner_read);
}

TEST_F(WeightCacheTest, AChangedModelReplacesItsFile) {
  const Weights before = load();
  const fs::path model = root_ / "model/model.safetensors";
  const auto date = fs::last_write_time(model);
  std::fstream file(model, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-2, std::ios::end);
  file.write("\x12\x34", 2);
  file.close();
  fs::last_write_time(model, date);  // an exchange that hides
  const Weights after = load();
  expect_said("holds other weights: the model has changed");
  expect_same(after, load(Precision::nf4, "off"));
  EXPECT_EQ(files().size(), 1u);
  load();
  EXPECT_EQ(lines_.find("quantised"), std::string::npos) << lines_;
}

TEST_F(WeightCacheTest, DamagedFilesAreIgnoredAndReplaced) {
  const Weights plain = load(Precision::nf4, "off");
  load();
  const fs::path path = files().front();
  std::string good;
  {
    std::ifstream in(path, std::ios::binary);
    good.assign(std::istreambuf_iterator<char>(in), {});
  }
  const auto with = [&](std::size_t at, char byte) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ byte);
    return bad;
  };
  const struct {
    std::string contents;
    const char* words;
  } cases[] = {
      {"", "ends after 0 bytes"},
      {std::string(5000, 'x'), "is no file of weights"},
      {good.substr(0, 47), "ends after 47 bytes"},
      {good.substr(0, good.size() - 1), "were written"},
      {good + "x", "were written"},
      {with(8, 1), "has version 3, this program reads 2"},
      {with(12, 3), "holds weights of layout"},
      {with(16, 1), "its table differs from its checksum"},
      {with(24, 1), "its table differs from its checksum"},
      {with(31, 1), "matrices"},
      {with(60, 1), "its table differs from its checksum"},
      {with(4096, 1), "is damaged: matrix 0"},
      {with(good.size() - 1, 64), "is damaged: matrix"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.words);
    fs::remove(path);
    std::ofstream(path, std::ios::binary) << c.contents;
    expect_same(load(), plain);
    expect_said(c.words);
    expect_said("kept in");
    expect_same(load(), plain);
    EXPECT_EQ(lines_.find("quantised"), std::string::npos) << lines_;
  }
}

TEST_F(WeightCacheTest, AFolderThatRefusesCostsALineOnly) {
  const Weights plain = load(Precision::nf4, "off");
  std::ofstream(root_ / "file") << "x";
  expect_same(load(Precision::nf4, (root_ / "file/cache").string()), plain);
  expect_said("not kept: ");
  if (::geteuid() == 0) return;  // root may write anywhere
  fs::create_directory(root_ / "cache");
  fs::permissions(root_ / "cache", fs::perms::owner_read | fs::perms::owner_exec);
  expect_same(load(), plain);
  expect_said("cannot be written: Permission denied");
}

TEST_F(WeightCacheTest, WritersAtOnceLeaveOneWholeFile) {
  const Weights plain = load(Precision::nf4, "off");
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i)
    writers.emplace_back([&] {
      const io::Checkpoint checkpoint = io::open_checkpoint((root_ / "model").string());
      cpu::ThreadPool pool(2);
      WeightLoader loader(checkpoint, pool, {.where = (root_ / "cache").string()});
      expect_same(loader.load(uniform_formats(Precision::nf4)), plain);
      loader.keep();
    });
  for (std::thread& writer : writers) writer.join();
  ASSERT_EQ(files().size(), 1u);
  expect_same(load(), plain);
  EXPECT_EQ(lines_.find("quantised"), std::string::npos) << lines_;
}

TEST_F(WeightCacheTest, TheOldestGoFirst) {
  fs::create_directory(root_ / "cache");
  const auto make = [&](const char* name, std::uintmax_t bytes, int hours) {
    const fs::path path = root_ / "cache" / name;
    std::ofstream(path) << "x";
    fs::resize_file(path, bytes);  // a hole: no space is taken
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(hours));
    return path;
  };
  const auto old = make("old.weights", std::uintmax_t{12} << 30, 3), young = make("young.weights", std::uintmax_t{12} << 30, 2);
  const auto other = make("notes.txt", 10, 9), draft = make("a.weights.1-0.tmp", 10, 2), fresh = make("b.weights.1-0.tmp", 10, 0);
  load();
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(young));
  EXPECT_TRUE(fs::exists(other));
  EXPECT_FALSE(fs::exists(draft));
  EXPECT_TRUE(fs::exists(fresh));
}

// Large enough for huge pages: mapped where the system keeps files in them, which depends on the disk, and read elsewhere.
TEST_F(WeightCacheTest, LargeFilesAreFoundOrRead) {
  const std::size_t size = 5 * huge_page + 77;
  std::vector<std::uint8_t> first(size), second(12345);
  for (std::size_t i = 0; i < size; ++i) first[i] = static_cast<std::uint8_t>(i * i >> 7);
  for (std::size_t i = 0; i < second.size(); ++i) second[i] = static_cast<std::uint8_t>(i);
  const std::string path = (root_ / "large.weights").string();
  const std::span<const std::uint8_t> both[] = {first, second};
  write_weight_file(path, 7, both, pool_);
  const auto holds = [&](WeightFile& file, std::size_t index, const std::vector<std::uint8_t>& want) {
    std::vector<std::uint8_t> got(want.size());
    if (!file.mapped()) return file.read(index, got, pool_) && got == want;
    const auto found = file.find(index, pool_);
    return found && std::memcmp(found.get(), want.data(), want.size()) == 0;
  };
  std::string why;
  {
    auto file = WeightFile::open(path, 7, why);
    ASSERT_TRUE(file) << why;
    EXPECT_TRUE(holds(*file, 0, first) && holds(*file, 1, second));
    EXPECT_FALSE(holds(*file, 2, first));
    file->touch();
    file = WeightFile::open(path, 7, why);
    ASSERT_TRUE(file && file->trusted()) << why;
    EXPECT_TRUE(holds(*file, 0, first) && holds(*file, 1, second));
    fs::remove(path);  // stays readable
    EXPECT_TRUE(holds(*file, 0, first));
  }
  write_weight_file(path, 7, both, pool_);
  WeightFile::open(path, 7, why)->touch();  // without a look at it
  overwrite(path, 4 << 20, "damage");
  auto file = WeightFile::open(path, 7, why);
  ASSERT_TRUE(file) << why;
  EXPECT_FALSE(holds(*file, 0, first));
  EXPECT_TRUE(holds(*file, 1, second));
}

TEST_F(WeightCacheTest, AFileIsTrustedOnceItWasReadWholeAndNoLonger) {
  const std::vector<std::uint8_t> bytes(10000, 3);
  const std::span<const std::uint8_t> two[] = {bytes, bytes};
  const fs::path path = root_ / "x.weights";
  write_weight_file(path.string(), 7, two, pool_);
  std::vector<std::uint8_t> got(bytes.size());
  const auto open_and_read = [&](std::size_t matrices) {
    std::string why;
    auto file = WeightFile::open(path.string(), 7, why);
    EXPECT_TRUE(file) << why;
    const bool trusted = file->trusted();
    for (std::size_t i = 0; i < matrices; ++i) EXPECT_TRUE(file->read(i, got, pool_));
    file->touch();
    return trusted;
  };
  EXPECT_FALSE(open_and_read(1));
  EXPECT_FALSE(open_and_read(2));  // one was not looked at
  EXPECT_TRUE(open_and_read(0));
  EXPECT_TRUE(open_and_read(0));  // still
  const auto used = fs::last_write_time(path);
  overwrite(path, 4096, "\3");  // what was there, but who knows
  EXPECT_FALSE(open_and_read(2));
  EXPECT_TRUE(open_and_read(0));
  fs::last_write_time(path, used - std::chrono::seconds(10));  // one who hides that he wrote
  EXPECT_FALSE(open_and_read(0));
  write_weight_file(path.string(), 7, two, pool_);
  EXPECT_FALSE(open_and_read(0));
}

TEST_F(WeightCacheTest, DamageAfterATrustedStartIsFound) {
  const Weights plain = load(Precision::nf4, "off");
  for (int i = 0; i < 3; ++i) load();
  overwrite(files().front(), 4200, "damage");
  expect_same(load(), plain);
  expect_said("is damaged: matrix 0");
}

TEST_F(WeightCacheTest, AutoLeavesSmallModelsAlone) {
  ::setenv("VERNIER_CACHE", (root_ / "cache").c_str(), 1);
  load(Precision::nf4, "auto");
  ::unsetenv("VERNIER_CACHE");
  expect_said("weights: quantised in");
  EXPECT_TRUE(files().empty());
}

}  // namespace
}  // namespace vernier::model
