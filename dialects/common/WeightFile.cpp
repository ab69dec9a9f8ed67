//===- WeightFile.cpp - Read weights where they lie -----------------------===//

#include "dialects/common/WeightFile.h"
#include "dialects/common/WeightArchive.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace llvm;
using namespace lq;

static Error fail(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
}

std::string lq::quoted(StringRef text) {
  constexpr size_t kShown = 160;
  std::string result;
  raw_string_ostream stream(result);
  stream << '"';
  if (text.size() <= kShown) {
    printEscapedString(text, stream);
  } else {
    printEscapedString(text.take_front(kShown / 2), stream);
    stream << "...";
    printEscapedString(text.take_back(kShown / 2), stream);
  }
  stream << '"';
  return result;
}

namespace {

/// Splits a path into its components, leaving out empty ones and ".".
Expected<SmallVector<std::string>> splitPath(StringRef path, StringRef shown) {
  if (path.contains('\0'))
    return fail("cannot read " + quoted(shown) +
                ": the path holds a zero byte");
  SmallVector<StringRef> parts;
  path.split(parts, '/', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  SmallVector<std::string> result;
  for (StringRef part : parts) {
    if (part == "..")
      return fail("cannot read " + quoted(shown) +
                  ": the path leaves the model folder by \"..\"; put the file "
                  "inside the model folder");
    if (part != ".")
      result.push_back(part.str());
  }
  if (result.empty())
    return fail("cannot read " + quoted(shown) + ": the path names no file");
  return result;
}

/// The part of `path` below `folder`, or nothing if it lies elsewhere.
std::optional<StringRef> below(StringRef path, StringRef folder) {
  if (folder == "/")
    return path.drop_front();
  if (!path.consume_front(folder) || !path.consume_front("/"))
    return std::nullopt;
  return path;
}

Error openFailure(int error, StringRef shown) {
  if (error == ELOOP || error == ENOTDIR)
    return fail("cannot read " + quoted(shown) +
                ": the path goes through a symbolic link or a file; copy the "
                "model folder with its links resolved (cp -rL)");
  return fail("cannot read " + quoted(shown) + ": " + sys::StrError(error));
}

/// Opens a regular file below the folder `root`, one component at a time, so
/// that no symbolic link is followed even if the folder changes meanwhile.
Expected<int> openBelow(int root, ArrayRef<std::string> parts,
                        StringRef shown) {
  int folder = root;
  auto close = [&] {
    if (folder != root)
      ::close(folder);
  };
  for (const std::string &part : parts.drop_back()) {
    int next = ::openat(folder, part.c_str(),
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int error = errno;
    close();
    if (next < 0)
      return openFailure(error, shown);
    folder = next;
  }
  // Without O_NONBLOCK a named pipe would block here, before it is refused.
  int fd = ::openat(folder, parts.back().c_str(),
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  int error = errno;
  close();
  if (fd < 0)
    return openFailure(error, shown);
  struct stat status;
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
    return fd;
  ::close(fd);
  return fail("cannot read " + quoted(shown) + ": not a regular file");
}

Expected<std::string> canonical(StringRef path) {
  SmallString<256> result;
  if (std::error_code error = sys::fs::real_path(path, result))
    return fail("cannot open " + quoted(path) + ": " + error.message());
  return result.str().str();
}

/// The canonical form of a path whose last component need not exist yet.
Expected<std::string> canonicalFile(StringRef path) {
  StringRef parent = sys::path::parent_path(path);
  Expected<std::string> folder = canonical(parent.empty() ? "." : parent);
  if (!folder)
    return folder;
  SmallString<256> result(*folder);
  sys::path::append(result, sys::path::filename(path));
  return result.str().str();
}

} // namespace

Expected<std::unique_ptr<WeightFiles>> WeightFiles::open(StringRef folder) {
  std::unique_ptr<WeightFiles> result(new WeightFiles());
  if (Error error = result->addRoot(folder.empty() ? "." : folder))
    return std::move(error);
  return result;
}

WeightFiles::~WeightFiles() {
  for (Root &root : roots)
    ::close(root.fd);
  for (auto &entry : files) {
    File &file = entry.second;
    for (Mapping &mapping : file.mappings)
      ::munmap(const_cast<char *>(mapping.data), mapping.size);
    if (file.fd >= 0)
      ::close(file.fd);
  }
}

Error WeightFiles::addRoot(StringRef folder) {
  Expected<std::string> path = canonical(folder);
  if (!path)
    return path.takeError();
  int fd = ::open(path->c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return fail("cannot open the folder " + quoted(folder) + ": " +
                sys::StrError(errno));
  roots.push_back({std::move(*path), fd});
  return Error::success();
}

Error WeightFiles::allow(StringRef folder) {
  std::lock_guard<std::mutex> lock(mutex);
  return addRoot(folder.empty() ? "." : folder);
}

Error WeightFiles::attach(const WeightArchive &archive) {
  Expected<std::string> path = canonicalFile(archive.path());
  if (!path)
    return path.takeError();
  int fd = ::dup(archive.descriptor());
  if (fd < 0)
    return fail("cannot read " + quoted(archive.path()) + ": " +
                sys::StrError(errno));
  std::lock_guard<std::mutex> lock(mutex);
  File &file = files[*path];
  if (file.fd >= 0)
    ::close(file.fd);
  file.fd = fd;
  return Error::success();
}

Expected<WeightFiles::File *> WeightFiles::openFile(StringRef path) {
  std::string full;
  const Root *root = nullptr;
  StringRef rest = path;
  if (sys::path::is_absolute(path)) {
    if (auto it = files.find(path); it != files.end())
      return &it->second;
    for (const Root &candidate : roots)
      if (auto inside = below(path, candidate.path)) {
        root = &candidate;
        rest = *inside;
        break;
      }
    if (!root)
      return fail("cannot read " + quoted(path) +
                  ": the path is outside the model folder " + quoted(folder()));
  } else {
    root = &roots.front();
  }
  auto parts = splitPath(rest, path);
  if (!parts)
    return parts.takeError();
  std::string key = root->path + "/" + llvm::join(*parts, "/");
  auto it = files.find(key);
  if (it != files.end())
    return &it->second;
  Expected<int> fd = openBelow(root->fd, *parts, path);
  if (!fd)
    return fd.takeError();
  File &file = files[key];
  file.fd = *fd;
  return &file;
}

Expected<WeightFiles::Mapping> WeightFiles::mapUpTo(File &file, uint64_t end,
                                                    StringRef path) {
  if (!file.mappings.empty() && end <= file.mappings.back().size)
    return file.mappings.back();
  struct stat status;
  if (::fstat(file.fd, &status) != 0)
    return fail("cannot read " + quoted(path) + ": " + sys::StrError(errno));
  uint64_t size = static_cast<uint64_t>(status.st_size);
  if (end > size)
    return fail("cannot read bytes up to " + Twine(end) + " of " +
                quoted(path) + ": the file has " + Twine(size) +
                " bytes; it may have been cut off when it was copied");
  if (size == 0)
    return Mapping{nullptr, 0};
  void *data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.fd, 0);
  if (data == MAP_FAILED)
    return fail("cannot map " + quoted(path) + ": " + sys::StrError(errno));
  file.mappings.push_back({static_cast<const char *>(data), size});
  return file.mappings.back();
}

Expected<ArrayRef<char>> WeightFiles::read(StringRef path, uint64_t offset,
                                           uint64_t length) {
  std::lock_guard<std::mutex> lock(mutex);
  Expected<File *> file = openFile(path);
  if (!file)
    return file.takeError();
  if (length > UINT64_MAX - offset)
    return fail("cannot read " + quoted(path) + ": offset " + Twine(offset) +
                " plus length " + Twine(length) + " overflows 64 bits");
  Expected<Mapping> mapping = mapUpTo(**file, offset + length, path);
  if (!mapping)
    return mapping.takeError();
  if (length == 0)
    return ArrayRef<char>();
  return ArrayRef<char>(mapping->data + offset, length);
}

Expected<uint64_t> WeightFiles::size(StringRef path) {
  std::lock_guard<std::mutex> lock(mutex);
  Expected<File *> file = openFile(path);
  if (!file)
    return file.takeError();
  struct stat status;
  if (::fstat((*file)->fd, &status) != 0)
    return fail("cannot read " + quoted(path) + ": " + sys::StrError(errno));
  return static_cast<uint64_t>(status.st_size);
}

Expected<std::string> WeightFiles::address(StringRef path) const {
  Expected<std::string> full = canonicalFile(path);
  if (!full)
    return full;
  if (auto inside = below(*full, folder()))
    return inside->str();
  return full;
}
