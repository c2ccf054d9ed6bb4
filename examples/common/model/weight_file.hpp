// A file of packed matrices as they lie in memory, so that a start maps or reads them instead of quantising. Little-endian:
//
//   byte 0   char[8]  "vernierW"
//        8   u32      version of this layout: 2
//       12   u32      packed_layout_version: of what is inside the matrices
//       16   u64      key: whoever opens the file must know it; says which weights of which model these are
//       24   u64      number of matrices
//       32   u64      bytes of the whole file
//       40   u64      checksum of bytes 0 to 40 and of the records
//       48   records  u64 offset (a multiple of 4096), u64 bytes, u64 checksum; one a matrix, 0 bytes for one that is not in the file
//
// then the matrices, with zeros between them. Every byte that is used is under a checksum: one that was changed, cut off or never reached
// the disk is noticed, so nothing is flushed while writing. It is no protection against somebody who means to change weights.
//
// Checksums take as long as the first token, so a mapped file is checked once after the machine started. That it was, its time of
// modification says: seconds are those of the last use, and the nanoseconds a number made of the machine's start and the header. Whoever
// writes to the file changes the one, or else the time of change, which must be that of the last use too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "vernier/cpu/parallel.hpp"

namespace vernier::model {

/// An open file of matrices. Stays readable when the file is replaced or removed meanwhile; whoever shortens it while it is mapped ends the
/// program, as with every mapped file.
///
/// Where the system keeps the file in huge pages (Linux 6.16 and ext4 or XFS, for example) it is mapped: nothing is copied, no memory is
/// cleared, and programs share it. Small pages would cost decode more than a start gains, so elsewhere it is read into memory that has huge
/// ones.
class WeightFile {
 public:
  /// Nothing when there is no file at `path`, or one that cannot be trusted; then `why` says what is wrong with it.
  static std::optional<WeightFile> open(const std::string& path, std::uint64_t key, std::string& why);

  ~WeightFile();
  WeightFile(WeightFile&& other) noexcept;
  WeightFile& operator=(WeightFile&& other) noexcept;

  bool mapped() const { return map_ != nullptr; }
  /// Whether all matrices had their checksums since the machine started, and nobody wrote to the file afterwards.
  bool trusted() const { return trusted_; }

  /// The bytes of matrix `index`, if the file is mapped, and trusted or they have their checksum; else null.
  std::shared_ptr<const std::uint8_t> find(std::size_t index, cpu::ThreadPool& pool);
  std::size_t bytes(std::size_t index) const { return index < records_.size() ? records_[index].bytes : 0; }

  /// Reads matrix `index` with all threads. False, with zeros, unless it is there with just these bytes and its checksum.
  bool read(std::size_t index, std::span<std::uint8_t> memory, cpu::ThreadPool& pool);

  /// Marks the file as used now, and as trusted if all matrices were found or read since it was opened. The cache removes those first that
  /// were not used for longest.
  void touch() const;

 private:
  struct Record {
    std::uint64_t offset = 0, bytes = 0, checksum = 0;
  };
  explicit WeightFile(int fd) : fd_(fd) {}
  std::string load_records(std::uint64_t key);
  void map(std::size_t size);

  int fd_ = -1;
  std::shared_ptr<const std::uint8_t> map_;  // the whole file, or null
  std::uint64_t file_bytes_ = 0;
  std::vector<Record> records_;
  std::vector<bool> good_;            // of each record: seen with its checksum, or empty
  std::optional<std::int32_t> mark_;  // the nanoseconds of a trusted file, where the machine says when it started
  bool trusted_ = false;

  friend bool write_weight_file(const std::string&, std::uint64_t, std::span<const std::span<const std::uint8_t>>, cpu::ThreadPool&,
                                const std::stop_token&);
  friend bool mappable(const std::string&);
};

/// Whether the system keeps files in `folder`, as they are read and written there, in huge pages, so that they would be mapped. Throws
/// Error when the folder refuses.
bool mappable(const std::string& folder);

/// Writes the matrices beside `path` and moves them there in one step, so that readers and other writers never see a part. An empty one is
/// not in the file. Its owner, too, may only read the file, so that no program overwrites it by mistake. False, with nothing left behind,
/// when `stop` is asked for meanwhile. Throws Error, and leaves nothing behind, when the disk is full or the folder refuses.
bool write_weight_file(const std::string& path, std::uint64_t key, std::span<const std::span<const std::uint8_t>> matrices,
                       cpu::ThreadPool& pool, const std::stop_token& stop = {});

}  // namespace vernier::model
