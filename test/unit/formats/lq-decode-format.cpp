//===- lq-decode-format.cpp - what bytes stand for, for tests -------------===//
//
//     lq-decode-format FORMAT COLUMNS STORAGE WEIGHTS AGAIN
//
// Reads rows of a format's storage from the file STORAGE, and writes the weights
// they stand for to WEIGHTS (f32) and the storage again, by way of planes, to
// AGAIN. Other implementations of the format are compared with both.
//
//===----------------------------------------------------------------------===//

#include "dialects/lq/LqOps.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace lq;

static int fail(const llvm::Twine &message) {
  llvm::errs() << "lq-decode-format: error: " << message << "\n";
  return 1;
}

static bool write(llvm::StringRef path, llvm::StringRef bytes) {
  std::error_code error;
  llvm::raw_fd_ostream stream(path, error);
  if (!error)
    stream << bytes;
  return !error;
}

int main(int argc, char **argv) {
  int64_t columns = 0;
  if (argc != 6 || llvm::StringRef(argv[2]).getAsInteger(10, columns))
    return fail("expected FORMAT COLUMNS STORAGE WEIGHTS AGAIN");
  mlir::MLIRContext context;
  FormatAttrInterface format = lookupFormat(context, argv[1]);
  if (!format)
    return fail(llvm::Twine("unknown format ") + argv[1]);
  std::string reason = format.checkColumns(columns);
  if (columns <= 0 || !reason.empty())
    return fail("cannot have " + llvm::Twine(columns) + " columns: " + reason);
  auto file = llvm::MemoryBuffer::getFile(argv[3]);
  if (!file)
    return fail(llvm::Twine("cannot read ") + argv[3]);
  llvm::StringRef storage = (*file)->getBuffer();
  auto rows =
      static_cast<int64_t>(storage.size()) / format.getRowBytes(columns);
  if (rows * format.getRowBytes(columns) !=
      static_cast<int64_t>(storage.size()))
    return fail("the file has no whole rows");
  Planes planes;
  planes.resize(format.getDescription(), rows, columns);
  format.decode({storage.data(), storage.size()}, planes);
  std::vector<float> weights(rows * columns);
  dequantize(format.getDescription(), planes, weights);
  std::string again(storage.size(), '\0');
  format.encode(planes, {again.data(), again.size()});
  if (!write(argv[4], {reinterpret_cast<const char *>(weights.data()),
                       weights.size() * sizeof(float)}) ||
      !write(argv[5], again))
    return fail("cannot write");
  return 0;
}
