//===- Activations.h - what goes from block to block ------------*- C++ -*-===//

#ifndef LQ_PASSES_CALIBRATE_ACTIVATIONS_H
#define LQ_PASSES_CALIBRATE_ACTIVATIONS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace lq {

/// A file with a tensor of f32 of the same size for each sample. Only the tensor
/// that is read or written is in memory.
class ActivationFile {
public:
  /// Opens the file at `path`, or makes it; each tensor has `elements` elements.
  static llvm::Expected<ActivationFile> open(llvm::StringRef path,
                                             int64_t elements);
  ActivationFile(ActivationFile &&other) noexcept;
  ActivationFile &operator=(ActivationFile &&) = delete;
  ~ActivationFile();

  /// Fails if the file ends before the sample.
  llvm::Error read(int64_t sample, llvm::MutableArrayRef<float> values) const;
  llvm::Error write(int64_t sample, llvm::ArrayRef<float> values);
  /// Waits until all that was written is on the disk.
  llvm::Error flush();

private:
  ActivationFile(llvm::StringRef path, int64_t elements)
      : path(path), elements(elements) {}
  llvm::Error fail(const char *what) const;

  std::string path;
  int64_t elements;
  int descriptor = -1;
};

} // namespace lq

#endif // LQ_PASSES_CALIBRATE_ACTIVATIONS_H
