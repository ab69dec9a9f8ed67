//===- TemporaryFolder.h - a folder that does not stay ----------*- C++ -*-===//

#ifndef LQ_DIALECTS_COMMON_TEMPORARYFOLDER_H
#define LQ_DIALECTS_COMMON_TEMPORARYFOLDER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>

namespace lq {

/// A hidden folder beside the place of a result, in the same file system. It is
/// removed with all that is in it when the object goes, unless it became the
/// result, and by removeAll().
class TemporaryFolder {
public:
  /// Makes a folder for the result at `target`, whose parent exists; the error is
  /// that of the system.
  static llvm::Expected<std::unique_ptr<TemporaryFolder>>
  create(llvm::StringRef target);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;

  /// Absolute.
  llvm::StringRef path() const { return folder; }
  /// The path of a file in the folder.
  std::string file(llvm::StringRef name) const;

  /// Renames the folder to `target`, where there may be an empty one.
  llvm::Error moveTo(llvm::StringRef target);

  /// Removes the folders of all objects, and lets no other thread make or
  /// remove one any more: for a process that ends. From any thread, but not
  /// from a signal handler.
  static void removeAll();

private:
  explicit TemporaryFolder(std::string folder);
  std::string folder;
};

} // namespace lq

#endif // LQ_DIALECTS_COMMON_TEMPORARYFOLDER_H
