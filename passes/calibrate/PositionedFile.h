//===- PositionedFile.h - a file that is read and written in place *- C++ -*-===//

#ifndef LQ_PASSES_CALIBRATE_POSITIONEDFILE_H
#define LQ_PASSES_CALIBRATE_POSITIONEDFILE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace lq {

/// A file of unfinished work, which stays when the process is killed. Errors name
/// it.
class PositionedFile {
public:
  /// Opens the file at `path`, or makes an empty one.
  static llvm::Expected<PositionedFile> open(llvm::StringRef path);
  PositionedFile(PositionedFile &&other) noexcept;
  PositionedFile &operator=(PositionedFile &&) = delete;
  ~PositionedFile();

  /// Fails, too, if the file ends before the bytes do.
  llvm::Error read(uint64_t offset, llvm::MutableArrayRef<char> bytes) const;
  llvm::Error write(uint64_t offset, llvm::ArrayRef<char> bytes);
  /// What is new is zero.
  llvm::Error resize(uint64_t size);
  /// Waits until all that was written is on the disk.
  llvm::Error flush();
  /// Flushes and closes the file, and renames it to `target`, which must be on
  /// the same file system.
  llvm::Error moveTo(llvm::StringRef target);

  const std::string &path() const { return filePath; }

private:
  explicit PositionedFile(llvm::StringRef path) : filePath(path) {}
  llvm::Error fail(const char *what) const;

  std::string filePath;
  int descriptor = -1;
};

/// The bytes of numbers.
inline llvm::ArrayRef<char> bytesOf(llvm::ArrayRef<float> values) {
  return {reinterpret_cast<const char *>(values.data()),
          values.size() * sizeof(float)};
}
inline llvm::MutableArrayRef<char>
bytesOf(llvm::MutableArrayRef<float> values) {
  return {reinterpret_cast<char *>(values.data()),
          values.size() * sizeof(float)};
}

} // namespace lq

#endif // LQ_PASSES_CALIBRATE_POSITIONEDFILE_H
