// A regular file, mapped read-only. Never blocks on a pipe and never reads a device. The mapping follows the file on disk: whoever
// shortens the file while it is mapped makes the next access fail with SIGBUS, as with every mapped file. Whoever needs the file for long
// reads it through descriptor() instead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace vernier::io {

class MappedFile {
 public:
  /// Maps `path`. Throws Error, naming the path, when it is missing, unreadable, empty, or not a regular file.
  explicit MappedFile(std::string path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  /// As given by the caller; for messages.
  const std::string& path() const { return path_; }
  std::size_t size() const { return size_; }
  /// When contents, and contents or attributes, were last changed as the file was opened, in nanoseconds of the system's clock.
  std::int64_t modified() const { return modified_; }
  std::int64_t changed() const { return changed_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  /// Open for reading as long as this object lives; for dup() and pread().
  int descriptor() const { return fd_; }

  /// Tells the kernel that the whole file is about to be read once, front to back: it reads further ahead, and at once if the file is
  /// small. Only a hint.
  void advise_streaming() const;
  /// Whether the system has (nearly all of) the file in memory, by a sample.
  bool in_memory() const;

 private:
  std::string path_;
  int fd_ = -1;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::int64_t modified_ = 0, changed_ = 0;
};

/// Reads `count` bytes at `offset` of an open file. 0, or the errno of what went wrong; EIO where the file ends before.
int read_at(int fd, std::byte* to, std::size_t count, std::uint64_t offset);

/// `count` rows of `bytes`, each `stride` bytes behind the one before.
struct RowsInMemory {
  std::byte* first;
  std::size_t bytes, stride;
  int count;
};

/// The same for rows that follow each other in the file.
int read_rows_at(int fd, const RowsInMemory& rows, std::uint64_t offset);

/// The whole of a small regular file as text. Throws Error when it is larger than `limit` bytes, with both numbers.
std::string read_text_file(const std::string& path, std::size_t limit);

}  // namespace vernier::io
