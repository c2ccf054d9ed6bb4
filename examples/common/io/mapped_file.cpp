// mmap with the checks that keep a loader from hanging: O_NONBLOCK so that opening a FIFO returns, then fstat before anything else.
#include "common/io/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "vernier/core/error.hpp"

namespace vernier::io {

namespace {

// Closes the descriptor when the constructor fails.
struct Descriptor {
  int fd;
  explicit Descriptor(int fd_) : fd(fd_) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a named pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

// What the system knows of the open regular file.
struct stat checked_status(int fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) fail(path, "cannot be examined: ", std::strerror(errno));
  if (!S_ISREG(status.st_mode)) fail(path, "is ", kind_of(status.st_mode), ", expected a regular file");
  if (status.st_size == 0) fail(path, "is empty");
  return status;
}

std::int64_t nanoseconds(const timespec& time) { return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

int open_for_reading(const std::string& path) {
  if (path.find('\0') != std::string::npos) fail(path.c_str(), "the path contains a zero byte");
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) fail(path, "cannot be opened: ", std::strerror(errno));
  return fd;
}

}  // namespace

MappedFile::MappedFile(std::string path) : path_(std::move(path)) {
  Descriptor file(open_for_reading(path_));
  const struct stat status = checked_status(file.fd, path_);
  const auto size = static_cast<std::size_t>(status.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (address == MAP_FAILED) fail(path_, "cannot be mapped (", size, " bytes): ", std::strerror(errno));
  fd_ = std::exchange(file.fd, -1);
  data_ = static_cast<const std::byte*>(address);
  size_ = size;
  modified_ = nanoseconds(status.st_mtim);
  changed_ = nanoseconds(status.st_ctim);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  if (fd_ >= 0) ::close(fd_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      modified_(other.modified_),
      changed_(other.changed_) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(modified_, other.modified_);
  std::swap(changed_, other.changed_);
  return *this;
}

void MappedFile::advise_streaming() const {
  constexpr std::size_t small = std::size_t{1} << 30;  // beyond this, reading all of it ahead would push out what others have cached
  ::posix_fadvise(fd_, 0, 0, POSIX_FADV_SEQUENTIAL);
  if (size_ <= small) ::posix_fadvise(fd_, 0, 0, POSIX_FADV_WILLNEED);
}

bool MappedFile::in_memory() const {
  constexpr std::size_t samples = 256, page = 4096;
  const std::size_t pages = (size_ + page - 1) / page, count = std::min(samples, pages);
  std::size_t found = 0;
  for (std::size_t i = 0; i < count; ++i) {
    unsigned char present = 0;
    const std::byte* at = data_ + (pages - 1) * i / std::max<std::size_t>(1, count - 1) * page;
    if (::mincore(const_cast<std::byte*>(at), 1, &present) == 0) found += present & 1u;
  }
  return found >= count - count / 16;
}

int read_at(int fd, std::byte* to, std::size_t count, std::uint64_t offset) {
  while (count != 0) {
    const ssize_t got = ::pread(fd, to, count, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got < 0 ? errno : EIO;
    to += got, offset += static_cast<std::uint64_t>(got), count -= static_cast<std::size_t>(got);
  }
  return 0;
}

int read_rows_at(int fd, const RowsInMemory& rows, std::uint64_t offset) {
  constexpr std::size_t most = 32;                                                               // rows in one call
  for (std::size_t row = 0, end = static_cast<std::size_t>(rows.count), done = 0; row < end;) {  // done: bytes of `row`
    iovec places[most];
    const std::size_t count = std::min(most, end - row);
    for (std::size_t i = 0; i < count; ++i) places[i] = {rows.first + (row + i) * rows.stride, rows.bytes};
    places[0] = {rows.first + row * rows.stride + done, rows.bytes - done};
    const ssize_t got = ::preadv(fd, places, static_cast<int>(count), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got < 0 ? errno : EIO;
    offset += static_cast<std::uint64_t>(got), done += static_cast<std::size_t>(got);
    row += done / rows.bytes, done %= rows.bytes;
  }
  return 0;
}

std::string read_text_file(const std::string& path, std::size_t limit) {
  const MappedFile file(path);
  if (file.size() > limit) fail(path, "is ", file.size(), " bytes, expected at most ", limit);
  return std::string(reinterpret_cast<const char*>(file.bytes().data()), file.size());
}

}  // namespace vernier::io
