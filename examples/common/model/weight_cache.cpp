#include "common/model/weight_cache.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "common/model/checksum.hpp"
#include "common/seconds_text.hpp"
#include "vernier/core/error.hpp"
#include "vernier/core/macros.hpp"

namespace vernier::model {
namespace {

namespace fs = std::filesystem;

constexpr const char* suffix = ".weights";

bool scaled(const WeightFormat& format) { return format.scaling != Scaling::none; }

/// The folder for `where`, empty for off.
std::string folder_of(const std::string& where) {
  if (where == "off") return {};
  if (where != "auto") return where;
  if (const char* cache = std::getenv("VERNIER_CACHE"); cache != nullptr && *cache != '\0') return concat(cache, "/weights");
  if (const char* caches = std::getenv("XDG_CACHE_HOME"); caches != nullptr && *caches != '\0') return concat(caches, "/vernier/weights");
  const char* home = std::getenv("HOME");
  return home != nullptr && *home != '\0' ? concat(home, "/.cache/vernier/weights") : std::string();
}

/// Names that all file systems take.
std::string file_name(const std::string& model, std::uint64_t number) {
  std::string name = fs::path(model).stem().string().substr(0, 80);
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-') c = '_';
  std::array<char, 17> hex{};
  std::snprintf(hex.data(), hex.size(), "%016llx", static_cast<unsigned long long>(number));
  return concat(name, "-", hex.data(), suffix);
}

void add(Key& key, const WeightFormat& format) {
  key.add(static_cast<std::uint64_t>(format.precision));
  key.add(static_cast<std::uint64_t>(format.scaling));
  key.add(static_cast<std::uint64_t>(format.group));
}

/// Of the file's name: the model's place and the formats.
std::uint64_t place_key(const io::Checkpoint& checkpoint, std::span<const WantedMatrix> wanted) {
  Key key;
  for (const io::MappedFile* file : checkpoint.files()) {
    std::error_code ignored;
    key.add(std::string_view(fs::weakly_canonical(file->path(), ignored).string()));
  }
  for (const WantedMatrix& matrix : wanted) {
    key.add(std::string_view(matrix.name));
    add(key, matrix.format);
  }
  return key.value();
}

/// Of the file's contents: the name's key, and what the model's files are now.
std::uint64_t content_key(std::uint64_t place, const io::Checkpoint& checkpoint, std::span<const WantedMatrix> wanted) {
  Key key;
  key.add(place);
  key.add(std::uint64_t{VERNIER_VERSION_MAJOR} << 32 | VERNIER_VERSION_MINOR);
  for (const io::MappedFile* file : checkpoint.files()) {
    key.add(file->size());
    key.add(static_cast<std::uint64_t>(file->modified()));
    key.add(static_cast<std::uint64_t>(file->changed()));
  }
  for (const WantedMatrix& matrix : wanted) {
    const io::StoredTensor& stored = *matrix.stored;
    key.add(std::string_view(stored.name));
    for (const int number : {static_cast<int>(stored.type), stored.rows, stored.cols, stored.paired_head})
      key.add(static_cast<std::uint64_t>(number));
  }
  return key.value();
}

std::size_t code_bytes(std::span<const WantedMatrix> wanted) {
  std::size_t bytes = 0;
  for (const WantedMatrix& matrix : wanted)
    bytes += CpuPanel{matrix.format.precision, matrix.stored->rows, matrix.stored->cols}.total_bytes();
  return bytes;
}

/// Removes what other runs left half-written, and then the files that were not used for longest, until `bytes` more fit into `limit`.
void make_room(const fs::path& folder, const fs::path& own, std::uintmax_t bytes, std::uintmax_t limit) {
  using namespace std::chrono_literals;
  std::error_code error;
  std::vector<fs::directory_entry> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (!entry.is_regular_file(error)) continue;
    const fs::path& path = entry.path();
    const bool draft = path.extension() == ".tmp" && path.filename().string().find(suffix) != std::string::npos;
    if (draft && fs::file_time_type::clock::now() - entry.last_write_time(error) > 1h) fs::remove(path, error);
    if (path.extension() == suffix && path != own) files.push_back(entry);
  }
  std::sort(files.begin(), files.end(), [&](const auto& a, const auto& b) { return a.last_write_time(error) > b.last_write_time(error); });
  for (const fs::directory_entry& entry : files) {  // youngest first
    const std::uintmax_t size = entry.file_size(error);
    if (error || bytes + size > limit)
      fs::remove(entry.path(), error);
    else
      bytes += size;
  }
}

std::string mebibytes(std::uintmax_t bytes) { return concat((bytes + (1u << 19)) >> 20, " MiB"); }

/// What happened to a file that should be written, for people.
std::string write(const WeightCache& cache, const NewWeightFile& file, cpu::ThreadPool& pool, const std::stop_token& stop) {
  try {
    const fs::path folder = fs::path(file.path).parent_path();
    fs::create_directories(folder);
    const bool all = mappable(folder.string());
    std::vector<std::span<const std::uint8_t>> matrices;
    std::uintmax_t bytes = 0;
    for (const auto& matrix : file.matrices) {
      const bool kept = all || scaled(matrix->format());
      matrices.push_back(kept ? matrix->memory() : std::span<const std::uint8_t>());
      bytes += matrices.back().size();
    }
    if (bytes == 0) return {};
    const std::uintmax_t limit = static_cast<std::uintmax_t>(cache.limit_gib) << 30, free = fs::space(folder).available;
    if (bytes > limit) return concat("not kept: ", mebibytes(bytes), " are more than --weight-cache-limit ", mebibytes(limit));
    if (bytes > free / 2)
      return concat("not kept: ", mebibytes(bytes), " are more than half of the ", mebibytes(free), " free in ", folder.string());
    make_room(folder, file.path, bytes, limit);
    if (!write_weight_file(file.path, file.key, matrices, pool, stop)) return {};
    return concat(mebibytes(bytes), " kept in ", file.path, " for the next start (--weight-cache off keeps nothing)");
  } catch (const std::exception& error) {  // Error, or the file system's
    return concat("not kept: ", std::string_view(error.what()), " (--weight-cache names another folder, or off)");
  }
}

}  // namespace

void write_files(const WeightCache& cache, std::span<const NewWeightFile> files, cpu::ThreadPool& pool, const std::stop_token& stop) {
  for (const NewWeightFile& file : files) {
    if (stop.stop_requested()) return;
    const std::string line = write(cache, file, pool, stop);
    if (!line.empty() && cache.report) cache.report(concat("weights: ", line));
  }
}

std::jthread write_in_background(WeightCache cache, std::vector<NewWeightFile> files) {
  return std::jthread([cache = std::move(cache), files = std::move(files)](const std::stop_token& stop) {
    ::setpriority(PRIO_PROCESS, 0, 10);  // a tenth of what others get; of this thread alone, on Linux
    cpu::ThreadPool pool(1);
    write_files(cache, files, pool, stop);
  });
}

CachedWeights::CachedWeights(const WeightCache& cache, const io::Checkpoint& checkpoint, std::span<const WantedMatrix> wanted,
                             cpu::ThreadPool& pool)
    : cache_(&cache), pool_(&pool) {
  const std::string folder = folder_of(cache.where);
  const std::size_t bytes = code_bytes(wanted);
  if (folder.empty() || (cache.where == "auto" && bytes < WeightCache::auto_least_bytes)) return;
  const std::uint64_t place = place_key(checkpoint, wanted);
  key_ = content_key(place, checkpoint, wanted);
  path_ = concat(folder, "/", file_name(checkpoint.path(), place));
  std::string why;
  file_ = WeightFile::open(path_, key_, why);
  if (!why.empty()) report(concat("weights: ", path_, " ", why, "; it is not used"));
}

void CachedWeights::report(const std::string& line) const {
  if (cache_->report) cache_->report(line);
}

std::shared_ptr<PackedMatrix> CachedWeights::read(int n, int k, WeightFormat format, Arena& arena) {
  const std::size_t index = kept_.size();
  if (!file_ || (!scaled(format) && file_->bytes(index) == 0)) return nullptr;
  if (file_->mapped()) {
    auto memory = file_->find(index, *pool_);
    if (memory && file_->bytes(index) == PackedMatrix::memory_bytes(n, k, format))
      return std::make_shared<PackedMatrix>(n, k, format, std::move(memory));
  } else {
    auto matrix = std::make_shared<PackedMatrix>(n, k, format, &arena);
    if (file_->read(index, matrix->memory(), *pool_)) return matrix;
  }
  report(concat("weights: ", path_, " is damaged: matrix ", kept_.size(), " is not what was written; the rest is not used"));
  file_.reset();
  return nullptr;
}

void CachedWeights::keep(std::shared_ptr<const PackedMatrix> next) {
  if (!path_.empty()) kept_.push_back(std::move(next));
}

std::optional<NewWeightFile> CachedWeights::finish() {
  if (file_) {
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    file_->touch();
    report(concat("weights: loaded in ", seconds_text(seconds), file_->mapped() ? ", mapped from " : " from ", path_));
    return std::nullopt;
  }
  if (path_.empty()) return std::nullopt;
  return NewWeightFile{path_, key_, std::move(kept_)};
}

}  // namespace vernier::model
