// Matrices are read and written in pieces, by whichever thread is free, each of which is summed while it is in the cache.
#include "common/model/weight_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <utility>

#include "common/io/mapped_file.hpp"
#include "common/model/checksum.hpp"
#include "vernier/core/error.hpp"
#include "vernier/core/math.hpp"
#include "vernier/layout/packed_matrix.hpp"

namespace vernier::model {
namespace {

constexpr char magic[8] = {'v', 'e', 'r', 'n', 'i', 'e', 'r', 'W'};
constexpr std::uint32_t file_version = 2;
constexpr std::size_t piece_bytes = std::size_t{1} << 17, page = 4096;
constexpr std::uint64_t most_matrices = 1 << 20;

struct Header {
  char magic[8];
  std::uint32_t version, layout;
  std::uint64_t key, count, bytes, checksum;
};
static_assert(sizeof(Header) == 48, "vernier: the header is what weight_file.hpp says");

/// All of [offset, offset + count), or false.
bool read_all(int fd, std::uint8_t* to, std::size_t count, std::uint64_t offset) {
  return io::read_at(fd, reinterpret_cast<std::byte*>(to), count, offset) == 0;
}

/// Writes the parts one behind the other. 0, or the errno of what went wrong.
int write_all(int fd, std::vector<iovec>& parts, std::uint64_t offset) {
  constexpr std::size_t most_parts = 1024;  // of one call
  for (std::size_t first = 0; first < parts.size();) {
    const ssize_t put =
        ::pwritev(fd, &parts[first], static_cast<int>(std::min(parts.size() - first, most_parts)), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return put < 0 ? errno : ENOSPC;
    offset += static_cast<std::uint64_t>(put);
    std::size_t done = static_cast<std::size_t>(put);
    for (; first < parts.size() && done >= parts[first].iov_len; ++first) done -= parts[first].iov_len;
    if (done != 0) parts[first] = {static_cast<std::uint8_t*>(parts[first].iov_base) + done, parts[first].iov_len - done};
  }
  return 0;
}

/// f(offset, bytes) for each piece of `total`, on all threads. The checksum of the whole is the sum over its pieces, in whatever order.
template <class F>
void for_pieces(cpu::ThreadPool& pool, std::size_t total, F&& f) {
  pool.for_each(static_cast<std::int64_t>(ceil_div(total, piece_bytes)), [&](std::int64_t piece) {
    const std::size_t offset = static_cast<std::size_t>(piece) * piece_bytes;
    f(offset, std::min(piece_bytes, total - offset));
  });
}

template <class T>
std::uint8_t* bytes_of(T* values) {
  return reinterpret_cast<std::uint8_t*>(values);
}

/// Bytes of the mapping at `start` that are in huge pages, as the system tells.
std::size_t huge_bytes(const void* start) {
  std::ifstream maps("/proc/self/smaps");
  char wanted[32];
  std::snprintf(wanted, sizeof wanted, "%llx-", static_cast<unsigned long long>(reinterpret_cast<std::uintptr_t>(start)));
  bool here = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.rfind(wanted, 0) == 0) here = true;
    std::size_t kib = 0;
    if (here && std::sscanf(line.c_str(), "FilePmdMapped: %zu kB", &kib) == 1) return kib << 10;
  }
  return 0;
}

std::uint64_t head_checksum(Header head, const void* records, std::size_t bytes) {
  head.checksum = 0;
  return checksum(static_cast<const std::uint8_t*>(records), bytes, checksum(bytes_of(&head), sizeof head));
}

constexpr std::array<std::uint8_t, page> zeros{};  // between matrices

iovec part(const std::uint8_t* from, std::size_t bytes) { return {const_cast<std::uint8_t*>(from), bytes}; }

/// Bytes [first, first + bytes) of the parts. Files are written in whole huge pages, each in one call, so that the system keeps it in such.
std::vector<iovec> cut(std::span<const iovec> parts, std::uint64_t first, std::uint64_t bytes) {
  std::vector<iovec> inside;
  std::uint64_t at = 0;
  for (const iovec& whole : parts) {
    const std::uint64_t begin = std::max(at, first), end = std::min(at + whole.iov_len, first + bytes);
    if (begin < end) inside.push_back({static_cast<std::uint8_t*>(whole.iov_base) + (begin - at), end - begin});
    at += whole.iov_len;
  }
  return inside;
}

/// The nanoseconds that say that the file was checked since the machine started; nothing where it does not say when that was.
std::optional<std::int32_t> mark_of(const Header& head) {
  std::string start;
  if (!(std::ifstream("/proc/sys/kernel/random/boot_id") >> start)) return std::nullopt;
  Key key;
  key.add(head.checksum);
  key.add(std::string_view(start));
  return static_cast<std::int32_t>(key.value() % 1'000'000'000);
}

/// A file that is removed again unless it is moved to its place.
class Draft {
 public:
  explicit Draft(const std::string& path) {
    static std::atomic<unsigned> drafts{0};
    name_ = concat(path, ".", ::getpid(), "-", drafts.fetch_add(1), ".tmp");
    fd_ = ::open(name_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd_ < 0) refuse(errno);
  }
  ~Draft() {
    if (fd_ >= 0) ::close(fd_);
    if (!name_.empty()) ::unlink(name_.c_str());
  }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  int fd() const { return fd_; }
  [[noreturn]] void refuse(int error) const { fail(name_, "cannot be written: ", std::strerror(error)); }

  void move_to(const std::string& path) {
    if (::fchmod(fd_, 0400) != 0 || ::close(std::exchange(fd_, -1)) != 0 || ::rename(name_.c_str(), path.c_str()) != 0) refuse(errno);
    name_.clear();
  }

 private:
  std::string name_;
  int fd_ = -1;
};

}  // namespace

WeightFile::~WeightFile() {
  if (fd_ >= 0) ::close(fd_);
}

WeightFile::WeightFile(WeightFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      map_(std::move(other.map_)),
      file_bytes_(other.file_bytes_),
      records_(std::move(other.records_)),
      good_(std::move(other.good_)),
      mark_(other.mark_),
      trusted_(other.trusted_) {}

WeightFile& WeightFile::operator=(WeightFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(map_, other.map_);
  std::swap(file_bytes_, other.file_bytes_);
  std::swap(records_, other.records_);
  std::swap(good_, other.good_);
  std::swap(mark_, other.mark_);
  std::swap(trusted_, other.trusted_);
  return *this;
}

std::optional<WeightFile> WeightFile::open(const std::string& path, std::uint64_t key, std::string& why) {
  why.clear();
  WeightFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.fd_ < 0) {
    if (errno != ENOENT && errno != ENOTDIR) why = concat("cannot be opened: ", std::strerror(errno));
    return std::nullopt;
  }
  why = file.load_records(key);
  if (!why.empty()) return std::nullopt;
  return file;
}

/// What is wrong with the file, or nothing.
std::string WeightFile::load_records(std::uint64_t key) {
  struct stat status {};
  Header head{};
  if (::fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) return "is no regular file";
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (!read_all(fd_, bytes_of(&head), sizeof head, 0)) return concat("ends after ", size, " bytes");
  if (std::memcmp(head.magic, magic, sizeof magic) != 0) return "is no file of weights";
  if (head.version != file_version) return concat("has version ", head.version, ", this program reads ", file_version);
  if (head.layout != packed_layout_version)
    return concat("holds weights of layout ", head.layout, ", this program's is ", packed_layout_version);
  if (head.bytes != size) return concat("has ", size, " bytes, ", head.bytes, " were written");
  if (head.count > most_matrices || head.count * sizeof(Record) > size) return concat("claims ", head.count, " matrices");
  records_.resize(head.count);
  const std::size_t record_bytes = records_.size() * sizeof(Record);
  if (!read_all(fd_, bytes_of(records_.data()), record_bytes, sizeof head)) return "cannot be read";
  if (head.checksum != head_checksum(head, records_.data(), record_bytes)) return "is damaged: its table differs from its checksum";
  if (head.key != key) return "holds other weights: the model has changed";
  file_bytes_ = size;
  for (const Record& record : records_) good_.push_back(record.bytes == 0);
  mark_ = mark_of(head);
  trusted_ =
      mark_ && status.st_mtim.tv_nsec == *mark_ && std::abs(status.st_ctim.tv_sec - status.st_mtim.tv_sec) <= 1;  // two clocks, one moment
  map(size);
  return {};
}

/// Maps the file if that gives huge pages.
void WeightFile::map(std::size_t size) {
  const std::size_t room = round_up(size, huge_page) + huge_page;  // to start on a huge page, as the file does
  void* reserved = ::mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return;
  std::shared_ptr<const std::uint8_t> owner(static_cast<const std::uint8_t*>(reserved),
                                            [room](const std::uint8_t* at) { ::munmap(const_cast<std::uint8_t*>(at), room); });
  auto* start = reinterpret_cast<std::uint8_t*>(round_up(reinterpret_cast<std::uintptr_t>(reserved), std::uintptr_t{huge_page}));
  if (::mmap(start, size, PROT_READ, MAP_SHARED | MAP_FIXED, fd_, 0) == MAP_FAILED) return;
  if (::madvise(start, size, MADV_HUGEPAGE) != 0) return;
  unsigned touched = 0;
  for (std::size_t at = 0; at < size; at += huge_page) touched += *static_cast<volatile const std::uint8_t*>(start + at);
  static_cast<void>(touched);
  const std::size_t whole = size / huge_page * huge_page;
  if (whole != 0 && huge_bytes(start) >= whole - whole / 16) map_ = std::shared_ptr<const std::uint8_t>(owner, start);
}

std::shared_ptr<const std::uint8_t> WeightFile::find(std::size_t index, cpu::ThreadPool& pool) {
  if (!map_ || index >= records_.size()) return nullptr;
  const Record& record = records_[index];
  if (record.offset % buffer_alignment != 0 || record.offset > file_bytes_ || record.bytes > file_bytes_ - record.offset) return nullptr;
  const std::uint8_t* start = map_.get() + record.offset;
  const std::shared_ptr<const std::uint8_t> found(map_, start);
  if (trusted_) return found;
  std::atomic<std::uint64_t> sum{0};
  for_pieces(pool, record.bytes, [&](std::size_t offset, std::size_t bytes) { sum += checksum(start + offset, bytes, offset); });
  good_[index] = good_[index] || sum == record.checksum;
  return sum == record.checksum ? found : nullptr;
}

bool WeightFile::read(std::size_t index, std::span<std::uint8_t> memory, cpu::ThreadPool& pool) {
  if (index >= records_.size() || records_[index].bytes != memory.size()) return false;
  const Record& record = records_[index];
  std::atomic<std::uint64_t> sum{0};
  std::atomic<bool> failed{false};
  for_pieces(pool, memory.size(), [&](std::size_t offset, std::size_t bytes) {
    if (failed.load(std::memory_order_relaxed) || !read_all(fd_, memory.data() + offset, bytes, record.offset + offset))
      failed = true;
    else
      sum += checksum(memory.data() + offset, bytes, offset);
  });
  if (!failed && sum == record.checksum) return good_[index] = true;
  std::memset(memory.data(), 0, memory.size());  // as a matrix begins, whose gaps nobody else writes
  return false;
}

void WeightFile::touch() const {
  timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {}};
  ::clock_gettime(CLOCK_REALTIME, &times[1]);
  if (mark_ && (trusted_ || std::find(good_.begin(), good_.end(), false) == good_.end())) times[1].tv_nsec = *mark_;
  static_cast<void>(::futimens(fd_, times));
}

bool mappable(const std::string& folder) {
  const Draft draft(folder + "/probe.weights");
  const std::vector<std::uint8_t> zeros(huge_page);
  std::vector<iovec> parts{part(zeros.data(), zeros.size())};
  if (const int error = write_all(draft.fd(), parts, 0)) draft.refuse(error);
  WeightFile file(::dup(draft.fd()));
  file.map(huge_page);
  return file.mapped();
}

bool write_weight_file(const std::string& path, std::uint64_t key, std::span<const std::span<const std::uint8_t>> matrices,
                       cpu::ThreadPool& pool, const std::stop_token& stop) {
  std::vector<WeightFile::Record> records(matrices.size());
  const std::size_t record_bytes = records.size() * sizeof(WeightFile::Record);
  std::uint64_t end = sizeof(Header) + record_bytes;
  for (std::size_t i = 0; i < matrices.size(); ++i) {
    records[i] = {.offset = round_up(end, std::uint64_t{page}), .bytes = matrices[i].size()};
    if (!matrices[i].empty()) end = records[i].offset + records[i].bytes;
  }
  Draft draft(path);
  // Takes the space at once: a full disk is known before anything is written. Not every file system can; the writes then say so.
  if (::fallocate(draft.fd(), 0, 0, static_cast<off_t>(end)) != 0 && errno != EOPNOTSUPP && errno != ENOSYS) draft.refuse(errno);
  for (std::size_t i = 0; i < matrices.size() && !stop.stop_requested(); ++i) {
    std::atomic<std::uint64_t> sum{0};
    for_pieces(pool, matrices[i].size(),
               [&](std::size_t offset, std::size_t bytes) { sum += checksum(matrices[i].data() + offset, bytes, offset); });
    records[i].checksum = sum;
  }
  Header head{.magic = {},
              .version = file_version,
              .layout = packed_layout_version,
              .key = key,
              .count = records.size(),
              .bytes = end,
              .checksum = 0};
  std::memcpy(head.magic, magic, sizeof magic);
  head.checksum = head_checksum(head, records.data(), record_bytes);
  std::vector<iovec> parts{part(bytes_of(&head), sizeof head), part(bytes_of(records.data()), record_bytes)};
  std::uint64_t at = sizeof head + record_bytes;
  for (std::size_t i = 0; i < matrices.size(); ++i) {
    if (matrices[i].empty()) continue;
    parts.push_back(part(zeros.data(), records[i].offset - at));
    parts.push_back(part(matrices[i].data(), matrices[i].size()));
    at = records[i].offset + matrices[i].size();
  }
  std::atomic<int> error{0};
  pool.for_each(static_cast<std::int64_t>(ceil_div(end, std::uint64_t{huge_page})), [&](std::int64_t block) {
    if (error != 0 || stop.stop_requested()) return;
    const std::uint64_t first = static_cast<std::uint64_t>(block) * huge_page;
    std::vector<iovec> block_parts = cut(parts, first, std::min<std::uint64_t>(huge_page, end - first));
    if (const int failed = write_all(draft.fd(), block_parts, first)) error = failed;
  });
  if (error != 0) draft.refuse(error);
  if (stop.stop_requested()) return false;
  draft.move_to(path);
  return true;
}

}  // namespace vernier::model
