//===- Activations.cpp - what goes from block to block --------------------===//

#include "passes/calibrate/Activations.h"

#include "passes/calibrate/FileError.h"
#include "llvm/Support/Errno.h"

#include <fcntl.h>
#include <unistd.h>
#include <utility>

using namespace llvm;
using namespace lq;

llvm::Error ActivationFile::fail(const char *what) const {
  return createStringError("cannot " + Twine(what) + " " + path + ": " +
                           sys::StrError());
}

llvm::Expected<ActivationFile> ActivationFile::open(StringRef path,
                                                    int64_t elements) {
  ActivationFile file(path, elements);
  file.descriptor =
      ::open(file.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file.descriptor < 0)
    return file.fail("open");
  return std::move(file);
}

ActivationFile::ActivationFile(ActivationFile &&other) noexcept
    : path(std::move(other.path)), elements(other.elements),
      descriptor(std::exchange(other.descriptor, -1)) {}

ActivationFile::~ActivationFile() {
  if (descriptor >= 0)
    ::close(descriptor);
}

llvm::Error ActivationFile::read(int64_t sample,
                                 MutableArrayRef<float> values) const {
  assert(static_cast<int64_t>(values.size()) == elements);
  auto *bytes = reinterpret_cast<char *>(values.data());
  auto size = values.size() * sizeof(float);
  auto offset = static_cast<off_t>(sample * size);
  for (size_t done = 0; done < size;) {
    ssize_t count = ::pread(descriptor, bytes + done, size - done,
                            offset + static_cast<off_t>(done));
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return fail("read");
    if (count == 0)
      return fileError(path, "the file ends before sample ", sample);
    done += static_cast<size_t>(count);
  }
  return llvm::Error::success();
}

llvm::Error ActivationFile::write(int64_t sample, ArrayRef<float> values) {
  assert(static_cast<int64_t>(values.size()) == elements);
  const auto *bytes = reinterpret_cast<const char *>(values.data());
  auto size = values.size() * sizeof(float);
  auto offset = static_cast<off_t>(sample * size);
  for (size_t done = 0; done < size;) {
    ssize_t count = ::pwrite(descriptor, bytes + done, size - done,
                             offset + static_cast<off_t>(done));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return fail("write");
    done += static_cast<size_t>(count);
  }
  return llvm::Error::success();
}

llvm::Error ActivationFile::flush() {
  return ::fsync(descriptor) == 0 ? llvm::Error::success() : fail("flush");
}
