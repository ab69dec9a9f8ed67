//===- Assemble.cpp - PTX to machine code by the toolkit's assembler ------===//

#include "lowering/cuda/codegen/Codegen.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/Regex.h"

using namespace llvm;
using namespace lq::cuda;

std::string lq::cuda::findAssembler() {
  SmallVector<std::string> folders;
  if (const char *home = std::getenv("CUDA_HOME"))
    folders.push_back(std::string(home) + "/bin");
  if (auto onPath = sys::findProgramByName("ptxas"))
    return *onPath;
  folders.push_back("/usr/local/cuda/bin");
  for (const std::string &folder : folders)
    if (auto found = sys::findProgramByName("ptxas", {folder}))
      return *found;
  return {};
}

namespace {

/// A temporary file that is deleted with it.
struct TemporaryFile {
  SmallString<128> path;
  FileRemover remover;

  Error create(StringRef suffix, StringRef content = {}) {
    int descriptor;
    if (std::error_code code =
            sys::fs::createTemporaryFile("lq", suffix, descriptor, path))
      return createStringError("cannot create a temporary file: " +
                               code.message());
    remover.setFile(path);
    raw_fd_ostream stream(descriptor, /*shouldClose=*/true);
    stream << content;
    stream.close();
    if (stream.has_error()) {
      std::error_code code = stream.error();
      stream.clear_error();
      return createStringError("cannot write " + path.str() + ": " +
                               code.message());
    }
    return Error::success();
  }

  Expected<std::unique_ptr<MemoryBuffer>> read() const {
    auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false,
                                        /*RequiresNullTerminator=*/false);
    if (!buffer)
      return createStringError("cannot read " + path.str() + ": " +
                               buffer.getError().message());
    return std::move(*buffer);
  }
};

int64_t numberBefore(StringRef line, StringRef unit) {
  Regex pattern(("([0-9]+) " + unit).str());
  SmallVector<StringRef> matches;
  int64_t number = 0;
  if (pattern.match(line, &matches))
    matches[1].getAsInteger(10, number);
  return number;
}

/// Reads what `ptxas --verbose` prints: a line that names a kernel, then lines on
/// it.
std::vector<KernelResources> parseReport(StringRef report) {
  std::vector<KernelResources> kernels;
  Regex entry(
      "(Compiling entry function|Function properties for) '?([^' ]+)'?");
  SmallVector<StringRef> lines;
  report.split(lines, '\n');
  for (StringRef line : lines) {
    SmallVector<StringRef> matches;
    if (entry.match(line, &matches)) {
      if (kernels.empty() || kernels.back().name != matches[2])
        kernels.push_back({matches[2].str()});
      continue;
    }
    if (kernels.empty())
      continue;
    KernelResources &kernel = kernels.back();
    if (line.contains("bytes stack frame")) {
      kernel.stackBytes = numberBefore(line, "bytes stack frame");
      kernel.spillBytes = numberBefore(line, "bytes spill stores") +
                          numberBefore(line, "bytes spill loads");
    }
    if (line.contains("Used ")) {
      kernel.registers = numberBefore(line, "registers");
      kernel.sharedBytes = numberBefore(line, "bytes smem");
    }
  }
  return kernels;
}

} // namespace

Expected<Cubin> lq::cuda::assemble(StringRef assembler, StringRef ptx,
                                   const Chip &chip) {
  TemporaryFile input, output, report;
  if (Error error = input.create("ptx", ptx))
    return std::move(error);
  if (Error error = output.create("cubin"))
    return std::move(error);
  if (Error error = report.create("log"))
    return std::move(error);
  std::string architecture = "-arch=" + chip.name;
  StringRef arguments[] = {assembler,  "--verbose", architecture,
                           input.path, "-o",        output.path};
  std::optional<StringRef> redirects[] = {StringRef(), report.path.str(),
                                          report.path.str()};
  std::string message;
  int status = sys::ExecuteAndWait(assembler, arguments, std::nullopt,
                                   redirects, 0, 0, &message);
  auto log = report.read();
  if (!log)
    return log.takeError();
  StringRef text = (*log)->getBuffer();
  if (status != 0)
    return createStringError(
        assembler + " cannot assemble for " + chip.name + ": " +
        (text.empty() ? StringRef(message) : text.split('\n').first));
  auto cubin = output.read();
  if (!cubin)
    return cubin.takeError();
  StringRef bytes = (*cubin)->getBuffer();
  return Cubin{SmallVector<char, 0>(bytes.begin(), bytes.end()),
               parseReport(text)};
}
