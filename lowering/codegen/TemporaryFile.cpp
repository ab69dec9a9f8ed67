//===- TemporaryFile.cpp - a file for another program ---------------------===//

#include "lowering/codegen/TemporaryFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

Error lq::TemporaryFile::create(StringRef suffix, ArrayRef<char> content) {
  int descriptor;
  if (std::error_code code =
          sys::fs::createTemporaryFile("lq", suffix, descriptor, place))
    return createStringError("cannot create a temporary file: " +
                             code.message());
  remover.setFile(place);
  raw_fd_ostream stream(descriptor, /*shouldClose=*/true);
  stream.write(content.data(), content.size());
  stream.close();
  if (stream.has_error()) {
    std::error_code code = stream.error();
    stream.clear_error();
    return createStringError("cannot write " + place.str() + ": " +
                             code.message());
  }
  return Error::success();
}

Expected<SmallVector<char, 0>> lq::TemporaryFile::read() const {
  auto buffer = MemoryBuffer::getFile(place, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError("cannot read " + place.str() + ": " +
                             buffer.getError().message());
  StringRef bytes = (*buffer)->getBuffer();
  return SmallVector<char, 0>(bytes.begin(), bytes.end());
}
