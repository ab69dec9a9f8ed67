//===- CompilerHarness.cpp - what fuzzing the compiler needs --------------===//

#include "test/fuzz/CompilerHarness.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>

using namespace mlir;
using namespace lq;

/// libMLIR is not instrumented: memory that it takes from allocators which lq's
/// own code poisoned is no error.
extern "C" const char *__asan_default_options() {
  return "allow_user_poisoning=0";
}

MLIRContext &fuzz::context() {
  constexpr unsigned inputsOfOne = 2000;
  static std::unique_ptr<MLIRContext> current;
  static unsigned left = 0;
  if (left == 0) {
    left = inputsOfOne;
    current = std::make_unique<MLIRContext>(MLIRContext::Threading::DISABLED);
  }
  --left;
  return *current;
}

namespace {
struct TemporaryFolder {
  TemporaryFolder() {
    llvm::SmallString<256> made;
    // In memory where there is such a place: a disk takes most of the time.
    StringRef memory = "/dev/shm";
    bool isThere = llvm::sys::fs::can_write(memory);
    if (llvm::sys::fs::createUniqueDirectory(
            isThere ? memory + "/lq-fuzz" : Twine("lq-fuzz"), made))
      fuzz::violated("a temporary folder can be made");
    path = made.str().str();
  }
  ~TemporaryFolder() { llvm::sys::fs::remove_directories(path); }

  std::string path;
};
} // namespace

const std::string &fuzz::folder() {
  static TemporaryFolder folder;
  return folder.path;
}

std::string fuzz::writeFile(StringRef name, StringRef bytes) {
  std::string path = folder() + "/" + name.str();
  std::error_code code;
  llvm::raw_fd_ostream file(path, code);
  require(!code, "a file can be written");
  file << bytes;
  return path;
}

void fuzz::removeFile(StringRef name) {
  llvm::sys::fs::remove(folder() + "/" + name.str());
}

fuzz::ErrorCounter::ErrorCounter(MLIRContext &context)
    : ScopedDiagnosticHandler(&context) {
  setHandler([this](Diagnostic &diagnostic) {
    errors += diagnostic.getSeverity() == DiagnosticSeverity::Error;
    require(!diagnostic.str().empty(), "a diagnostic says something");
    return success();
  });
}

bool fuzz::succeeds(llvm::Error error) {
  if (!error)
    return true;
  require(!llvm::toString(std::move(error)).empty(), "an error has a message");
  return false;
}

void fuzz::violated(const char *rule) {
  llvm::errs() << "violated: " << rule << "\n";
  std::abort();
}
