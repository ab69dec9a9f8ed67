//===- LinkSharedObject.cpp - an object file to a shared object -----------===//

#include "lld/Common/Driver.h"
#include "lowering/cpu/codegen/Codegen.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace llvm;

namespace {

Error makeError(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
}

/// A temporary file with the given content, deleted with the remover.
Expected<SmallString<128>>
writeTemporary(ArrayRef<char> content, StringRef suffix, FileRemover &remover) {
  SmallString<128> path;
  int descriptor;
  if (std::error_code code =
          sys::fs::createTemporaryFile("lq", suffix, descriptor, path))
    return makeError("cannot create a temporary file: " + code.message());
  remover.setFile(path);
  raw_fd_ostream stream(descriptor, /*shouldClose=*/true);
  stream.write(content.data(), content.size());
  stream.close();
  if (stream.has_error()) {
    std::error_code code = stream.error();
    stream.clear_error();
    return makeError("cannot write " + path.str() + ": " + code.message());
  }
  return path;
}

/// lld's first complaint, on one line.
std::string firstLine(StringRef messages) {
  StringRef line = messages.ltrim().split('\n').first;
  line.consume_front("ld.lld: ");
  line.consume_front("error: ");
  return line.str();
}

} // namespace

Error lq::cpu::linkSharedObject(ArrayRef<char> object, StringRef path) {
  FileRemover remover;
  auto input = writeTemporary(object, "o", remover);
  if (!input)
    return input.takeError();
  std::string output = path.str();
  const char *arguments[] = {"ld.lld",
                             "-shared",
                             "-nostdlib",
                             "--no-undefined",
                             "--gc-sections",
                             "--strip-debug",
                             "--hash-style=gnu",
                             "--build-id=none",
                             "-znoexecstack",
                             "-Bsymbolic",
                             "-o",
                             output.c_str(),
                             input->c_str()};
  std::string messages;
  raw_string_ostream stream(messages);
  // lld keeps its state in globals.
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  const lld::DriverDef drivers[] = {{lld::Gnu, &lld::elf::link}};
  lld::Result result = lld::lldMain(arguments, stream, stream, drivers);
  if (result.retCode != 0)
    return makeError("cannot link " + path + ": " + firstLine(messages));
  return Error::success();
}

Expected<SmallVector<char, 0>>
lq::cpu::linkSharedObject(ArrayRef<char> object) {
  FileRemover remover;
  auto output = writeTemporary({}, "so", remover);
  if (!output)
    return output.takeError();
  if (Error error = linkSharedObject(object, *output))
    return std::move(error);
  auto buffer = MemoryBuffer::getFile(*output, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false);
  if (!buffer)
    return makeError("cannot read " + output->str() + ": " +
                     buffer.getError().message());
  StringRef bytes = (*buffer)->getBuffer();
  return SmallVector<char, 0>(bytes.begin(), bytes.end());
}
