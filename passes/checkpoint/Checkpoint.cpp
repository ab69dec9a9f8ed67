//===- Checkpoint.cpp - weights as other software stores them -------------===//

#include "passes/checkpoint/Checkpoint.h"

#include "dialects/lq/Storage.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace lq;
using namespace lq::checkpoint;

int64_t Weight::rowBytes() const {
  int64_t count = rows();
  return count == 0 ? 0 : *computeStorageBytes(type) / count;
}

llvm::Expected<ArrayRef<char>> Checkpoint::bytes(const Weight &weight) {
  return files->read(weight.file, static_cast<uint64_t>(weight.offset),
                     static_cast<uint64_t>(*computeStorageBytes(weight.type)));
}

llvm::Expected<std::unique_ptr<Checkpoint>>
Checkpoint::open(MLIRContext &context, StringRef path) {
  if (llvm::sys::fs::is_directory(path))
    return openSafetensors(context, path);
  if (path.ends_with(".gguf"))
    return openGguf(context, path);
  return llvm::createStringError(
      "cannot read a checkpoint from " + quoted(path) +
      (llvm::sys::fs::exists(path)
           ? ": expected a folder of safetensors files or a .gguf file"
           : ": there is no such folder or file"));
}
