//===- AtomicFile.cpp - a file that appears whole or not at all -----------===//

#include "runtime/AtomicFile.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace lq;

/// What one write takes: a huge page of the file, for the pages that keep a
/// file in memory have the size of the writes that made them.
static constexpr size_t bufferSize = 2 << 20;

static std::string folderOf(const std::string &path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos)
    return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// A name beside `path` that no other thread or live process uses.
static std::string temporaryName(const std::string &path) {
  static std::atomic<unsigned> counter{0};
  return path + ".tmp." + std::to_string(getpid()) + "." +
         std::to_string(counter++);
}

Error AtomicFile::fail(const char *what) const {
  return makeError(ErrorCode::Io, path, ": cannot ", what, ": ",
                   std::strerror(errno));
}

Expected<AtomicFile> AtomicFile::create(const std::string &path) {
  AtomicFile file(path);
  if (Error error = file.open())
    return error;
  return file;
}

Error AtomicFile::open() {
  if (path.empty())
    return makeError(ErrorCode::InvalidArgument,
                     "expected the name of a file to write, got an empty one");
  struct stat status;
  bool exists = stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) {
    errno = EISDIR;
    return fail("write");
  }
  inPlace = exists && !S_ISREG(status.st_mode);
  if (inPlace) {
    descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    descriptor =
        ::open(folderOf(path).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    if (descriptor < 0) {
      temporary = temporaryName(path);
      descriptor = ::open(temporary.c_str(),
                          O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
  }
  if (descriptor < 0) {
    temporary.clear();
    return fail("write");
  }
  buffer.reserve(bufferSize);
  return Error::success();
}

AtomicFile::AtomicFile(AtomicFile &&other) noexcept
    : path(std::move(other.path)), temporary(std::move(other.temporary)),
      descriptor(std::exchange(other.descriptor, -1)), inPlace(other.inPlace),
      position(other.position), buffer(std::move(other.buffer)) {
  other.temporary.clear();
}

AtomicFile::~AtomicFile() {
  if (descriptor >= 0)
    close(descriptor);
  if (!temporary.empty())
    unlink(temporary.c_str());
}

static bool writeAll(int descriptor, const uint8_t *data, size_t size) {
  while (size) {
    ssize_t written = ::write(descriptor, data, size);
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return false;
    data += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

Error AtomicFile::flush() {
  bool written = writeAll(descriptor, buffer.data(), buffer.size());
  buffer.clear();
  return written ? Error::success() : fail("write");
}

Error AtomicFile::write(std::span<const uint8_t> bytes) {
  position += bytes.size();
  while (!bytes.empty()) {
    size_t count = std::min(bytes.size(), bufferSize - buffer.size());
    buffer.insert(buffer.end(), bytes.begin(), bytes.begin() + count);
    bytes = bytes.subspan(count);
    if (buffer.size() == bufferSize)
      if (Error error = flush())
        return error;
  }
  return Error::success();
}

Error AtomicFile::overwriteStart(std::string_view bytes) {
  if (Error error = flush())
    return error;
  ssize_t written = pwrite(descriptor, bytes.data(), bytes.size(), 0);
  if (written < 0)
    return fail("rewrite the header");
  if (static_cast<size_t>(written) != bytes.size())
    return makeError(ErrorCode::Io, path, ": cannot rewrite the header");
  return Error::success();
}

Error AtomicFile::commit() {
  if (Error error = flush())
    return error;
  if (inPlace)
    return close(std::exchange(descriptor, -1)) ? fail("write")
                                                : Error::success();
  if (fsync(descriptor) != 0)
    return fail("flush");
  if (temporary.empty()) {
    std::string name = temporaryName(path);
    std::string self = "/proc/self/fd/" + std::to_string(descriptor);
    if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(),
               AT_SYMLINK_FOLLOW) != 0)
      return fail("write");
    temporary = std::move(name);
  }
  // Close before the rename: some file systems report a full disk only here.
  if (close(std::exchange(descriptor, -1)) != 0)
    return fail("write");
  if (rename(temporary.c_str(), path.c_str()) != 0)
    return fail("replace");
  temporary.clear();
  return Error::success();
}

Error lq::writeFileAtomically(const std::string &path, std::string_view bytes) {
  auto file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  if (Error error = file->write(bytes))
    return error;
  return file->commit();
}
