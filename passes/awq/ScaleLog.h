//===- ScaleLog.h - scales that were found so far ---------------*- C++ -*-===//

#ifndef LQ_PASSES_AWQ_SCALELOG_H
#define LQ_PASSES_AWQ_SCALELOG_H

#include "passes/awq/ScaleSearch.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <map>
#include <string>

namespace lq {

/// A text file with a line for each scale that was searched, from which a run that
/// was interrupted goes on.
class ScaleLog {
public:
  /// Reads the file at `path` if there is one. What is in it counts only if it is of
  /// a run with the same `key`, a digest of all that scales depend on.
  static llvm::Expected<ScaleLog> open(llvm::StringRef path,
                                       llvm::StringRef key);
  ScaleLog(ScaleLog &&other) noexcept;
  ScaleLog &operator=(ScaleLog &&) = delete;
  ~ScaleLog();

  size_t size() const { return found.size(); }
  /// The scale of an input by its number; null if it was not searched yet.
  const ChosenScale *find(size_t input) const;
  /// Writes it to the disk; the first one makes the file.
  llvm::Error add(size_t input, const ChosenScale &scale);
  /// Removes the file.
  void remove();

private:
  ScaleLog(llvm::StringRef path, std::string head)
      : path(path), head(std::move(head)) {}
  llvm::Error openFile(int flags);
  void parse(llvm::StringRef text);
  llvm::Error write(llvm::StringRef text);

  std::string path;
  /// The first line.
  std::string head;
  int descriptor = -1;
  std::map<size_t, ChosenScale> found;
};

} // namespace lq

#endif // LQ_PASSES_AWQ_SCALELOG_H
