// Packed weights that outlive the program: which file holds them, when it is read, and when it is written.
// The file itself is described in weight_file.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "common/io/checkpoint.hpp"
#include "common/model/weight_file.hpp"
#include "vernier/cpu/parallel.hpp"
#include "vernier/layout/packed_matrix.hpp"

namespace vernier::model {

/// Where packed weights are kept, and what the user hears about it.
struct WeightCache {
  /// Tiers with fewer bytes of weights than this are packed in about the time that reading them takes.
  static constexpr std::size_t auto_least_bytes = std::size_t{256} << 20;

  /// off, auto or a folder. auto: "weights" in $VERNIER_CACHE, else in ~/.cache/vernier (or $XDG_CACHE_HOME/vernier), for tiers of
  /// auto_least_bytes and more.
  std::string where = "off";
  /// All files together; before one is written, those go that were not used for longest. A file takes at most half of the free space.
  int limit_gib = 16;
  /// Called from the thread that loads, and from the one that writes.
  std::function<void(const std::string& line)> report = {};
};

/// A matrix that a tier needs: its name, where it comes from and what it becomes.
struct WantedMatrix {
  std::string name;
  const io::StoredTensor* stored = nullptr;
  WeightFormat format;
};

/// A file that is not there yet: what it will hold.
struct NewWeightFile {
  std::string path;
  std::uint64_t key = 0;
  std::vector<std::shared_ptr<const PackedMatrix>> matrices;
};

/// Writes the files, one after the other, with all threads of `pool`, until it is asked to stop. Formats without scales are kept where
/// files are mapped in huge pages, which takes a tenth of the time that copying does; elsewhere they are copied from the checkpoint as fast
/// as from anywhere.
void write_files(const WeightCache& cache, std::span<const NewWeightFile> files, cpu::ThreadPool& pool, const std::stop_token& stop = {});

/// The same on a thread of low priority, which its destructor asks to stop.
std::jthread write_in_background(WeightCache cache, std::vector<NewWeightFile> files);

/// One load of a tier beside the cache. The matrices are asked for in the same order every time, which is their order in the file.
///
/// A file belongs to the model's path and to the tier's formats, and is replaced when it holds something else than its key says: the key
/// adds size, modification and change time of the model's files (change times cannot be set back, so a file that was exchanged under an old
/// date is noticed), their table of tensors and the versions of the layout and of this program. Nothing of the model is read for that.
///
/// What goes wrong with the cache is reported in a line and costs time, never the load.
class CachedWeights {
 public:
  /// `wanted`: all matrices of the tier, in any fixed order. `cache` and `pool` are not owned.
  CachedWeights(const WeightCache& cache, const io::Checkpoint& checkpoint, std::span<const WantedMatrix> wanted, cpu::ThreadPool& pool);

  /// Whether there is a file to read from.
  bool found() const { return file_.has_value(); }
  /// The next matrix, mapped, which nobody may write, or read into `arena`; null if it has to be quantised.
  std::shared_ptr<PackedMatrix> read(int n, int k, WeightFormat format, Arena& arena);
  /// The next matrix as it was read, made or found in another tier; it need not be packed yet.
  void keep(std::shared_ptr<const PackedMatrix> next);
  /// After the last matrix: says how long reading took. Or the file that should be written, if there was none, when all is packed.
  std::optional<NewWeightFile> finish();

 private:
  void report(const std::string& line) const;

  const WeightCache* cache_;
  cpu::ThreadPool* pool_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::string path_;  // empty: this load is not cached
  std::uint64_t key_ = 0;
  std::optional<WeightFile> file_;
  std::vector<std::shared_ptr<const PackedMatrix>> kept_;
};

}  // namespace vernier::model
