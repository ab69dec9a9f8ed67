//===- ModelFolder.cpp - folders that exporters write ---------------------===//

#include "passes/checkpoint/ModelFolder.h"
#include "dialects/common/WeightFile.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

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
  auto staged = TemporaryFolder::create(target);
  if (!staged)
    return fail("cannot write in " + quoted(parent),
                errorToErrorCode(staged.takeError()));
  // A model to be read by others, as any new folder.
  sys::fs::setPermissions((*staged)->path(), static_cast<sys::fs::perms>(
                                                 0777 & ~sys::fs::getUmask()));
  return std::unique_ptr<StagedFolder>(
      new StagedFolder(std::string(target), std::move(*staged)));
}

Error StagedFolder::commit() {
  if (Error error = staged->moveTo(target))
    return fail("cannot make " + quoted(target),
                errorToErrorCode(std::move(error)));
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
