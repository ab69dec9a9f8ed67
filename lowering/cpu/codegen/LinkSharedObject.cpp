//===- LinkSharedObject.cpp - an object file to a shared object -----------===//

#include "lld/Common/Driver.h"
#include "lowering/codegen/TemporaryFile.h"
#include "lowering/cpu/codegen/Codegen.h"
#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace llvm;
using lq::TemporaryFile;

namespace {

Error makeError(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
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
  TemporaryFile input;
  if (Error error = input.create("o", object))
    return error;
  std::string inputPath = input.path().str();
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
                             inputPath.c_str()};
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
  TemporaryFile output;
  if (Error error = output.create("so"))
    return std::move(error);
  if (Error error = linkSharedObject(object, output.path()))
    return std::move(error);
  return output.read();
}
