//===- WorkState.h - where an interrupted run goes on -----------*- C++ -*-===//

#ifndef LQ_PASSES_CALIBRATE_WORKSTATE_H
#define LQ_PASSES_CALIBRATE_WORKSTATE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace lq {

/// A folder with what a run over a model's blocks has finished. It stays when the
/// process is killed, and is removed when the run is complete.
class WorkState {
public:
  /// Opens the folder at `path`, or makes it. What is in it counts only if it is
  /// of a run with the same `key`, a digest of all that the result depends on.
  static llvm::Expected<WorkState> open(llvm::StringRef path,
                                        llvm::StringRef key);

  /// The blocks that are finished, and the shape of what the last one gives.
  size_t finished() const { return blocks; }
  const std::vector<int64_t> &shape() const { return streamShape; }

  /// Says that one more block is finished, for good.
  llvm::Error advance(llvm::ArrayRef<int64_t> shape);

  /// The path of a file in the folder.
  std::string file(const llvm::Twine &name) const;
  const std::string &path() const { return folder; }
  /// Removes the folder.
  void remove();

private:
  void read();

  std::string folder, key;
  size_t blocks = 0;
  std::vector<int64_t> streamShape;
};

} // namespace lq

#endif // LQ_PASSES_CALIBRATE_WORKSTATE_H
