//===- ModelFolder.cpp - folders that exporters write ---------------------===//

#include "passes/checkpoint/ModelFolder.h"
#include "dialects/common/WeightFile.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <cerrno>
#include <cstdlib>

using namespace llvm;
using namespace lq;
using namespace lq::checkpoint;

static Error fail(const Twine &what, std::error_code error) {
  return createStringError(error, what + ": " + error.message());
}

Expected<std::unique_ptr<StagedFolder>> StagedFolder::create(StringRef path) {
  SmallString<256> target(path);
  sys::fs::make_absolute(target);
  sys::path::remove_dots(target, /*remove_dot_dot=*/true);
  std::error_code error;
  bool isFolder = sys::fs::is_directory(target);
  if (sys::fs::exists(target) &&
      (!isFolder || sys::fs::directory_iterator(target, error) !=
                        sys::fs::directory_iterator()))
    return createStringError(
        quoted(path) + (isFolder ? " has files already" : " is no folder") +
        "; choose another place or remove it");
  StringRef parent = sys::path::parent_path(target);
  if (std::error_code error = sys::fs::create_directories(parent))
    return fail("cannot make " + quoted(parent), error);
  SmallString<256> staged(parent);
  sys::path::append(staged,
                    "." + sys::path::filename(target) + ".parts-XXXXXX");
  // A model to be read by others, as any new folder.
  if (!::mkdtemp(const_cast<char *>(staged.c_str())))
    return fail("cannot write in " + quoted(parent),
                std::error_code(errno, std::generic_category()));
  sys::fs::setPermissions(
      staged, static_cast<sys::fs::perms>(0777 & ~sys::fs::getUmask()));
  return std::unique_ptr<StagedFolder>(
      new StagedFolder(std::string(target), staged.c_str()));
}

StagedFolder::~StagedFolder() {
  if (!staged.empty())
    sys::fs::remove_directories(staged);
}

Error StagedFolder::commit() {
  // Takes the place of an empty folder as well.
  if (std::error_code error = sys::fs::rename(staged, target))
    return fail("cannot make " + quoted(target), error);
  staged.clear();
  return Error::success();
}

Error checkpoint::copyFile(StringRef model, StringRef name, StringRef folder) {
  std::string from = (model + "/" + name).str();
  if (!sys::fs::exists(from))
    return Error::success();
  if (std::error_code error =
          sys::fs::copy_file(from, (folder + "/" + name).str()))
    return fail("cannot copy " + quoted(from), error);
  return Error::success();
}

Error checkpoint::copyTokenizer(StringRef model, StringRef folder) {
  for (StringRef name :
       {"tokenizer.json", "tokenizer_config.json", "generation_config.json",
        "special_tokens_map.json", "chat_template.jinja"})
    if (Error error = copyFile(model, name, folder))
      return error;
  return Error::success();
}
