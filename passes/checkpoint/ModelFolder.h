//===- ModelFolder.h - folders that exporters write -------------*- C++ -*-===//

#ifndef LQ_PASSES_CHECKPOINT_MODELFOLDER_H
#define LQ_PASSES_CHECKPOINT_MODELFOLDER_H

#include "dialects/common/TemporaryFolder.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>

namespace lq::checkpoint {

/// A folder that is filled under a temporary name beside its own and then takes
/// its place. Unless commit() is reached nothing stays of it.
class StagedFolder {
public:
  /// An error if there is a file or a folder with files at `path` already.
  static llvm::Expected<std::unique_ptr<StagedFolder>>
  create(llvm::StringRef path);

  /// Where to write until then, absolute.
  llvm::StringRef path() const { return staged->path(); }
  llvm::Error commit();

private:
  StagedFolder(std::string target, std::unique_ptr<TemporaryFolder> staged)
      : target(std::move(target)), staged(std::move(staged)) {}

  std::string target;
  std::unique_ptr<TemporaryFolder> staged;
};

/// Copies what makes up the tokenizer and the way of generating, as far as the
/// folder `model` has it.
llvm::Error copyTokenizer(llvm::StringRef model, llvm::StringRef folder);
/// Copies a file of the folder `model`, if there is one.
llvm::Error copyFile(llvm::StringRef model, llvm::StringRef name,
                     llvm::StringRef folder);

} // namespace lq::checkpoint

#endif // LQ_PASSES_CHECKPOINT_MODELFOLDER_H
