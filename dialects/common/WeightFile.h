//===- WeightFile.h - Read weights where they lie ---------------*- C++ -*-===//
//
// Weights are never in the IR: an op holds a path and a byte offset, and the
// bytes stay in their file. This class maps such files, once each and read
// only, and refuses every address that could reach outside the folder it was
// given: an ONNX file chooses these paths, and an ONNX file is not trusted.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_DIALECTS_COMMON_WEIGHTFILE_H
#define LQ_DIALECTS_COMMON_WEIGHTFILE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace lq {

class WeightArchive;

/// The files that weights may be read from. Safe to use from several threads.
///
/// A relative path is looked up in the main folder. An absolute path must lie
/// in the main folder or in one that was allowed. In both cases no component
/// below that folder may be ".." or a symbolic link, and the last one must be
/// a regular file.
class WeightFiles {
public:
  /// Opens `folder` as the main folder; an error if it is not a folder.
  static llvm::Expected<std::unique_ptr<WeightFiles>>
  open(llvm::StringRef folder);
  ~WeightFiles();
  WeightFiles(const WeightFiles &) = delete;
  WeightFiles &operator=(const WeightFiles &) = delete;

  /// Makes absolute paths below `folder` readable too.
  llvm::Error allow(llvm::StringRef folder);

  /// Makes an archive readable under its own path before it is committed,
  /// and keeps it readable afterwards.
  llvm::Error attach(const WeightArchive &archive);

  /// The `length` bytes at `offset` of the file at `path`. They are mapped,
  /// not copied, and stay valid as long as this object lives. An error if the
  /// path is refused, the file cannot be read, or it ends too early.
  llvm::Expected<llvm::ArrayRef<char>> read(llvm::StringRef path,
                                            uint64_t offset, uint64_t length);

  /// The size in bytes of the file at `path`.
  llvm::Expected<uint64_t> size(llvm::StringRef path);

  /// How an op should name the file at `path` (relative to the working
  /// directory, or absolute): relative to the main folder where it lies in
  /// it, absolute elsewhere.
  llvm::Expected<std::string> address(llvm::StringRef path) const;

  /// The main folder, absolute, without symbolic links.
  llvm::StringRef folder() const { return roots.front().path; }

private:
  struct Root {
    std::string path;
    int fd;
  };
  struct Mapping {
    const char *data;
    uint64_t size;
  };
  struct File {
    int fd = -1;
    /// The last mapping covers all that is known of the file; earlier ones
    /// are kept because callers hold pointers into them.
    std::vector<Mapping> mappings;
  };

  WeightFiles() = default;
  llvm::Error addRoot(llvm::StringRef folder);
  llvm::Expected<File *> openFile(llvm::StringRef path);
  llvm::Expected<Mapping> mapUpTo(File &file, uint64_t end,
                                  llvm::StringRef path);

  /// References to a root stay valid when another is added.
  std::deque<Root> roots;
  llvm::StringMap<File> files;
  std::mutex mutex;
};

/// `text` in quotation marks, with bytes that are not printable ASCII escaped
/// and the middle of a long text left out, for use in a diagnostic.
std::string quoted(llvm::StringRef text);

} // namespace lq

#endif // LQ_DIALECTS_COMMON_WEIGHTFILE_H
