//===- WeightArchive.cpp - Write weights to a file beside the IR ----------===//

#include "dialects/common/WeightArchive.h"
#include "dialects/common/WeightFile.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Signals.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace llvm;
using namespace lq;

static Error fail(StringRef path, const Twine &reason) {
  return createStringError(inconvertibleErrorCode(),
                           "cannot write " + quoted(path) + ": " + reason);
}

Expected<std::unique_ptr<WeightArchive>> WeightArchive::create(StringRef path) {
  SmallString<256> temporary;
  int fd = -1;
  if (std::error_code error = sys::fs::createUniqueFile(
          path + ".partial-%%%%%%", fd, temporary, sys::fs::OF_None))
    return fail(path, error.message());
  sys::RemoveFileOnSignal(temporary);
  return std::unique_ptr<WeightArchive>(
      new WeightArchive(path, fd, temporary.str().str(), /*length=*/0));
}

Expected<std::unique_ptr<WeightArchive>> WeightArchive::append(StringRef path) {
  int fd = ::open(path.str().c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT)
    return create(path);
  if (fd < 0)
    return fail(path, sys::StrError(errno));
  struct stat status;
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd);
    return fail(path, "not a regular file");
  }
  return std::unique_ptr<WeightArchive>(new WeightArchive(
      path, fd, /*temporary=*/"", static_cast<uint64_t>(status.st_size)));
}

WeightArchive::~WeightArchive() {
  if (!temporaryPath.empty()) {
    ::unlink(temporaryPath.c_str());
    sys::DontRemoveFileOnSignal(temporaryPath);
  } else {
    // Cuts off what was added since, also by an add() that failed half way.
    // Nothing is left to report to, and the surplus bytes do no harm.
    [[maybe_unused]] int ignored =
        ::ftruncate(fd, static_cast<off_t>(committedLength));
  }
  ::close(fd);
}

Error WeightArchive::write(uint64_t offset, ArrayRef<char> bytes) {
  uint64_t written = 0;
  while (written < bytes.size()) {
    ssize_t count = ::pwrite(fd, bytes.data() + written, bytes.size() - written,
                             static_cast<off_t>(offset + written));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return fail(finalPath, count < 0 ? sys::StrError(errno)
                                       : std::string("no bytes written"));
    written += static_cast<uint64_t>(count);
  }
  return Error::success();
}

uint64_t WeightArchive::reserve(uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex);
  uint64_t offset = alignTo(length, kAlignment);
  length = offset + bytes;
  return offset;
}

Expected<uint64_t> WeightArchive::add(ArrayRef<char> bytes) {
  std::lock_guard<std::mutex> lock(mutex);
  uint64_t offset = alignTo(length, kAlignment);
  if (Error error = write(offset, bytes))
    return error;
  length = offset + bytes.size();
  return offset;
}

Error WeightArchive::commit() {
  std::lock_guard<std::mutex> lock(mutex);
  // An empty last blob may lie past the bytes that were written.
  if (::ftruncate(fd, static_cast<off_t>(length)) != 0)
    return fail(finalPath, sys::StrError(errno));
  if (!temporaryPath.empty()) {
    if (std::error_code error = sys::fs::rename(temporaryPath, finalPath))
      return fail(finalPath, error.message());
    sys::DontRemoveFileOnSignal(temporaryPath);
    temporaryPath.clear();
  }
  committedLength = length;
  return Error::success();
}

uint64_t WeightArchive::size() const {
  std::lock_guard<std::mutex> lock(mutex);
  return length;
}
