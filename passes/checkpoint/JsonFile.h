//===- JsonFile.h - JSON files beside a model -------------------*- C++ -*-===//

#ifndef LQ_PASSES_CHECKPOINT_JSONFILE_H
#define LQ_PASSES_CHECKPOINT_JSONFILE_H

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace lq::checkpoint {

/// Reads and parses a file. Errors name it.
llvm::Expected<llvm::json::Value> readJsonFile(llvm::StringRef path);
/// The same for a file that must hold an object.
llvm::Expected<llvm::json::Object> readJsonObject(llvm::StringRef path);

} // namespace lq::checkpoint

#endif // LQ_PASSES_CHECKPOINT_JSONFILE_H
