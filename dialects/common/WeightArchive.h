//===- WeightArchive.h - Write weights to a file beside the IR --*- C++ -*-===//

#ifndef LQ_DIALECTS_COMMON_WEIGHTARCHIVE_H
#define LQ_DIALECTS_COMMON_WEIGHTARCHIVE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <mutex>
#include <string>

namespace lq {

/// A file of weights: blobs one after another, each at a multiple of 64 bytes
/// (a cache line, and the widest vector). Passes that make new weights add
/// them here and write the offsets into the IR.
///
/// Unless commit() is reached, the destructor (or a fatal signal) leaves no
/// trace: a new archive is written under a temporary name, a continued one is
/// cut back to its old length. Safe to use from several threads.
class WeightArchive {
public:
  static constexpr uint64_t kAlignment = 64;

  /// Starts an archive that takes the place of `path` when it is committed.
  static llvm::Expected<std::unique_ptr<WeightArchive>>
  create(llvm::StringRef path);
  /// Continues the archive at `path`, or starts it where there is none.
  static llvm::Expected<std::unique_ptr<WeightArchive>>
  append(llvm::StringRef path);
  ~WeightArchive();
  WeightArchive(const WeightArchive &) = delete;
  WeightArchive &operator=(const WeightArchive &) = delete;

  /// Writes a blob and returns its offset in bytes. An error (a full disk,
  /// say) leaves the archive as it was.
  llvm::Expected<uint64_t> add(llvm::ArrayRef<char> bytes);

  /// Makes room for a blob of `bytes` bytes, to be written piece by piece, and
  /// returns its offset. What is never written is zero.
  uint64_t reserve(uint64_t bytes);
  /// Writes a piece of a blob that reserve() made room for. Pieces of one blob
  /// may be written from several threads.
  llvm::Error write(uint64_t offset, llvm::ArrayRef<char> bytes);

  /// Puts the archive in its place. Further blobs may follow, and need
  /// another commit.
  llvm::Error commit();

  /// The path that the archive has once it is committed, as it was given.
  llvm::StringRef path() const { return finalPath; }
  /// An open descriptor of the archive, readable at any time.
  int descriptor() const { return fd; }
  /// The length in bytes so far.
  uint64_t size() const;

private:
  WeightArchive(llvm::StringRef path, int fd, std::string temporary,
                uint64_t length)
      : finalPath(path), temporaryPath(std::move(temporary)), fd(fd),
        committedLength(length), length(length) {}

  std::string finalPath;
  /// Where the bytes are until the first commit; empty afterwards.
  std::string temporaryPath;
  int fd;
  uint64_t committedLength;
  uint64_t length;
  mutable std::mutex mutex;
};

} // namespace lq

#endif // LQ_DIALECTS_COMMON_WEIGHTARCHIVE_H
