//===- Progress.h - how far a long pass is ----------------------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_PROGRESS_H
#define LQ_PASSES_QUANTIZE_PROGRESS_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <functional>

namespace lq {

/// Takes what is done: `action` is what the pass does ("quantize"), `weight`
/// the one it works on, `done` of `total` elements.
using ProgressCallback =
    std::function<void(llvm::StringRef action, llvm::StringRef weight,
                       int64_t done, int64_t total)>;

/// Prints progress to stderr, with how long the rest will take: a line that is
/// overwritten on a terminal, else a line for every tenth of the work.
ProgressCallback printProgress();
/// The same where `isShown`, else none.
inline ProgressCallback progressIf(bool isShown) {
  return isShown ? printProgress() : ProgressCallback();
}

/// Counts the elements of a pass's weights as they are written.
class Progress {
public:
  Progress(llvm::StringRef action, int64_t total, ProgressCallback callback)
      : action(action), total(total), callback(std::move(callback)) {}

  void advance(llvm::StringRef weight, int64_t elements) {
    done += elements;
    if (callback)
      callback(action, weight, done, total);
  }

  /// Says that all is done, where there was less to do than was thought.
  void finish() {
    if (callback && done < total)
      callback(action, {}, total, total);
    done = total;
  }

  /// Leaves out elements that were done before.
  void skip(int64_t elements) { total -= elements; }

private:
  llvm::StringRef action;
  int64_t done = 0, total;
  ProgressCallback callback;
};

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_PROGRESS_H
