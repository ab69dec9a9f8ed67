//===- ScaleLog.cpp - scales that were found so far -----------------------===//

#include "passes/awq/ScaleLog.h"

#include "passes/calibrate/FileError.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MemoryBuffer.h"

#include <fcntl.h>
#include <unistd.h>

using namespace lq;

ScaleLog::ScaleLog(ScaleLog &&other) noexcept
    : path(std::move(other.path)), head(std::move(other.head)),
      descriptor(std::exchange(other.descriptor, -1)),
      found(std::move(other.found)) {}

ScaleLog::~ScaleLog() {
  if (descriptor >= 0)
    ::close(descriptor);
}

static llvm::Error systemError(llvm::StringRef path, const char *what) {
  return fileError(path, "cannot ", what, ": ",
                   std::error_code(errno, std::generic_category()).message());
}

/// "0 <before> <after> <scale>...": numbers in hexadecimal, which are exact.
static std::string lineOf(size_t input, const ChosenScale &scale) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << input << llvm::format(" %a %a", scale.before, scale.after);
  for (float value : scale.scale)
    stream << llvm::format(" %a", static_cast<double>(value));
  stream << "\n";
  return text;
}

/// Takes whole lines; one that was cut off is searched again.
void ScaleLog::parse(llvm::StringRef text) {
  while (text.contains('\n')) {
    auto [line, rest] = text.split('\n');
    text = rest;
    llvm::SmallVector<llvm::StringRef> words;
    line.split(words, ' ');
    size_t input = 0;
    if (words.size() < 3 || words[0].getAsInteger(10, input))
      continue;
    ChosenScale scale;
    scale.before = std::strtod(words[1].str().c_str(), nullptr);
    scale.after = std::strtod(words[2].str().c_str(), nullptr);
    for (llvm::StringRef word : llvm::drop_begin(words, 3))
      scale.scale.push_back(std::strtof(word.str().c_str(), nullptr));
    found[input] = std::move(scale);
  }
}

llvm::Expected<ScaleLog> ScaleLog::open(llvm::StringRef path,
                                        llvm::StringRef key) {
  ScaleLog log(path, (key + "\n").str());
  auto old = llvm::MemoryBuffer::getFile(path);
  if (!old || !(*old)->getBuffer().starts_with(log.head))
    return log;
  llvm::StringRef text = (*old)->getBuffer();
  text = text.take_front(text.rfind('\n') + 1);
  log.parse(text.drop_front(log.head.size()));
  if (llvm::Error error = log.openFile(0))
    return error;
  if (::ftruncate(log.descriptor, static_cast<off_t>(text.size())) != 0)
    return systemError(path, "write");
  return log;
}

llvm::Error ScaleLog::openFile(int flags) {
  descriptor = ::open(path.c_str(),
                      O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND | flags, 0666);
  return descriptor >= 0 ? llvm::Error::success() : systemError(path, "open");
}

llvm::Error ScaleLog::write(llvm::StringRef text) {
  while (!text.empty()) {
    ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0)
      return systemError(path, "write");
    text = text.drop_front(written);
  }
  return ::fsync(descriptor) == 0 ? llvm::Error::success()
                                  : systemError(path, "write");
}

const ChosenScale *ScaleLog::find(size_t input) const {
  auto entry = found.find(input);
  return entry == found.end() ? nullptr : &entry->second;
}

llvm::Error ScaleLog::add(size_t input, const ChosenScale &scale) {
  found[input] = scale;
  std::string text = lineOf(input, scale);
  if (descriptor < 0) {
    if (llvm::Error error = openFile(O_TRUNC))
      return error;
    text = head + text;
  }
  return write(text);
}

void ScaleLog::remove() { llvm::sys::fs::remove(path); }
