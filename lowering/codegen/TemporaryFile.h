//===- TemporaryFile.h - a file for another program -------------*- C++ -*-===//

#ifndef LQ_LOWERING_CODEGEN_TEMPORARYFILE_H
#define LQ_LOWERING_CODEGEN_TEMPORARYFILE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileUtilities.h"

namespace lq {

/// A file in the system's folder for such, deleted with this. Errors name it.
class TemporaryFile {
public:
  llvm::Error create(llvm::StringRef suffix, llvm::ArrayRef<char> content = {});

  llvm::StringRef path() const { return place; }
  llvm::Expected<llvm::SmallVector<char, 0>> read() const;

private:
  llvm::SmallString<128> place;
  llvm::FileRemover remover;
};

} // namespace lq

#endif // LQ_LOWERING_CODEGEN_TEMPORARYFILE_H
