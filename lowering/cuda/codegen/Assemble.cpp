//===- Assemble.cpp - PTX to machine code by the toolkit's assembler ------===//

#include "lowering/codegen/TemporaryFile.h"
#include "lowering/cuda/codegen/Codegen.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/Regex.h"

using namespace llvm;
using namespace lq::cuda;
using lq::TemporaryFile;

std::string lq::cuda::findAssembler() {
  const char *home = std::getenv("CUDA_HOME");
  std::string ofHome = home ? std::string(home) + "/bin" : std::string();
  if (home)
    if (auto found = sys::findProgramByName("ptxas", {ofHome}))
      return *found;
  if (auto found = sys::findProgramByName("ptxas"))
    return *found;
  if (auto found = sys::findProgramByName("ptxas", {"/usr/local/cuda/bin"}))
    return *found;
  return {};
}

namespace {

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
  if (Error error = input.create("ptx", ArrayRef(ptx.data(), ptx.size())))
    return std::move(error);
  if (Error error = output.create("cubin"))
    return std::move(error);
  if (Error error = report.create("log"))
    return std::move(error);
  std::string architecture = "-arch=" + chip.name;
  StringRef arguments[] = {assembler,    "--verbose", architecture,
                           input.path(), "-o",        output.path()};
  std::optional<StringRef> redirects[] = {StringRef(), report.path(),
                                          report.path()};
  std::string message;
  int status = sys::ExecuteAndWait(assembler, arguments, std::nullopt,
                                   redirects, 0, 0, &message);
  auto log = report.read();
  if (!log)
    return log.takeError();
  StringRef text(log->data(), log->size());
  if (status != 0)
    return createStringError(
        assembler + " cannot assemble for " + chip.name + ": " +
        (text.empty() ? StringRef(message) : text.split('\n').first));
  auto cubin = output.read();
  if (!cubin)
    return cubin.takeError();
  return Cubin{std::move(*cubin), parseReport(text)};
}
