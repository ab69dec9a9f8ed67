//===- TemporaryFolder.cpp - a folder that does not stay ------------------===//

#include "dialects/common/TemporaryFolder.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <set>

using namespace llvm;
using namespace lq;

namespace {

/// The folders that there are.
struct Folders {
  std::mutex mutex;
  std::set<std::string> paths;
};

} // namespace

/// Never destroyed: a stop may come while the process ends.
static Folders &getFolders() {
  static auto *folders = new Folders;
  return *folders;
}

TemporaryFolder::TemporaryFolder(std::string path) : folder(std::move(path)) {
  getFolders().paths.insert(folder);
}

Expected<std::unique_ptr<TemporaryFolder>>
TemporaryFolder::create(StringRef target) {
  SmallString<256> path(target);
  if (std::error_code error = sys::fs::make_absolute(path))
    return errorCodeToError(error);
  sys::path::remove_dots(path, /*remove_dot_dot=*/true);
  std::string name = sys::path::filename(path).str();
  sys::path::remove_filename(path);
  sys::path::append(path, "." + name + ".parts-XXXXXX");
  std::lock_guard lock(getFolders().mutex);
  if (!::mkdtemp(const_cast<char *>(path.c_str())))
    return errorCodeToError(std::error_code(errno, std::generic_category()));
  return std::unique_ptr<TemporaryFolder>(new TemporaryFolder(path.c_str()));
}

TemporaryFolder::~TemporaryFolder() {
  std::lock_guard lock(getFolders().mutex);
  if (getFolders().paths.erase(folder))
    sys::fs::remove_directories(folder);
}

std::string TemporaryFolder::file(StringRef name) const {
  SmallString<256> path(folder);
  sys::path::append(path, name);
  return std::string(path);
}

Error TemporaryFolder::moveTo(StringRef target) {
  std::lock_guard lock(getFolders().mutex);
  if (std::error_code error = sys::fs::rename(folder, target))
    return errorCodeToError(error);
  getFolders().paths.erase(folder);
  return Error::success();
}

void TemporaryFolder::removeAll() {
  getFolders().mutex.lock();
  for (const std::string &path : getFolders().paths)
    sys::fs::remove_directories(path);
}
