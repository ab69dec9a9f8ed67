//===- WorkFolder.h - files that only live while lq compiles ----*- C++ -*-===//

#ifndef LQ_TOOLS_LQ_COMPILE_WORKFOLDER_H
#define LQ_TOOLS_LQ_COMPILE_WORKFOLDER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>

namespace lq {

/// A folder beside the output for intermediate weights. It is removed with all
/// that is in it when the object goes, and when the process is told to stop
/// (SIGINT, SIGTERM, SIGHUP).
class WorkFolder {
public:
  /// Makes a folder for the output at `output`, in the same file system.
  static llvm::Expected<std::unique_ptr<WorkFolder>>
  create(llvm::StringRef output);
  ~WorkFolder();
  WorkFolder(const WorkFolder &) = delete;
  WorkFolder &operator=(const WorkFolder &) = delete;

  /// The path of a file in the folder.
  std::string file(llvm::StringRef name) const;
  llvm::StringRef path() const { return folder; }

private:
  explicit WorkFolder(std::string folder) : folder(std::move(folder)) {}
  std::string folder;
};

/// From now on, stop signals are taken by a thread that removes the work folder
/// and ends the process with 128 + signal. Call before other threads start.
void handleStopSignals();

} // namespace lq

#endif // LQ_TOOLS_LQ_COMPILE_WORKFOLDER_H
