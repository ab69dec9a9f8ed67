//===- PositionedFile.cpp - a file that is read and written in place ------===//

#include "passes/calibrate/PositionedFile.h"

#include "passes/calibrate/FileError.h"
#include "llvm/Support/Errno.h"

#include <fcntl.h>
#include <unistd.h>
#include <utility>

using namespace llvm;
using namespace lq;

llvm::Error PositionedFile::fail(const char *what) const {
  return createStringError("cannot " + Twine(what) + " " + filePath + ": " +
                           sys::StrError());
}

llvm::Expected<PositionedFile> PositionedFile::open(StringRef path) {
  PositionedFile file(path);
  file.descriptor =
      ::open(file.filePath.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file.descriptor < 0)
    return file.fail("open");
  return std::move(file);
}

PositionedFile::PositionedFile(PositionedFile &&other) noexcept
    : filePath(std::move(other.filePath)),
      descriptor(std::exchange(other.descriptor, -1)) {}

PositionedFile::~PositionedFile() {
  if (descriptor >= 0)
    ::close(descriptor);
}

llvm::Error PositionedFile::read(uint64_t offset,
                                 MutableArrayRef<char> bytes) const {
  while (!bytes.empty()) {
    ssize_t count = ::pread(descriptor, bytes.data(), bytes.size(),
                            static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return fail("read");
    if (count == 0)
      return fileError(filePath, "the file ends at ", offset, ", too early");
    bytes = bytes.drop_front(count);
    offset += count;
  }
  return llvm::Error::success();
}

llvm::Error PositionedFile::write(uint64_t offset, ArrayRef<char> bytes) {
  while (!bytes.empty()) {
    ssize_t count = ::pwrite(descriptor, bytes.data(), bytes.size(),
                             static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return fail("write");
    bytes = bytes.drop_front(count);
    offset += count;
  }
  return llvm::Error::success();
}

llvm::Error PositionedFile::resize(uint64_t size) {
  return ::ftruncate(descriptor, static_cast<off_t>(size)) == 0
             ? llvm::Error::success()
             : fail("write");
}

llvm::Error PositionedFile::flush() {
  return ::fsync(descriptor) == 0 ? llvm::Error::success() : fail("flush");
}

llvm::Error PositionedFile::moveTo(StringRef target) {
  if (llvm::Error error = flush())
    return error;
  // Close before the rename: some file systems report a full disk only here.
  if (::close(std::exchange(descriptor, -1)) != 0)
    return fail("write");
  if (::rename(filePath.c_str(), target.str().c_str()) != 0)
    return createStringError("cannot write " + target + ": " + sys::StrError());
  return llvm::Error::success();
}
