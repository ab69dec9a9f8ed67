//===- CompilerHarness.h - what fuzzing the compiler needs ------*- C++ -*-===//

#ifndef LQ_TEST_FUZZ_COMPILERHARNESS_H
#define LQ_TEST_FUZZ_COMPILERHARNESS_H

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/Error.h"

#include <string>

namespace lq::fuzz {

/// A context that many inputs share, made anew now and then: it keeps every
/// type and attribute that it ever saw.
mlir::MLIRContext &context();

/// A folder of this process, which its end removes.
const std::string &folder();

/// Writes a file into folder() and returns its path; aborts if it cannot.
std::string writeFile(llvm::StringRef name, llvm::StringRef bytes);

/// Removes a file from folder(), if it is there.
void removeFile(llvm::StringRef name);

/// Swallows diagnostics and counts the errors.
class ErrorCounter : public mlir::ScopedDiagnosticHandler {
public:
  explicit ErrorCounter(mlir::MLIRContext &context);
  unsigned errors = 0;
};

/// Whether it is no error. Aborts at one without a message.
bool succeeds(llvm::Error error);
template <typename T> bool succeeds(llvm::Expected<T> &value) {
  return succeeds(value.takeError());
}

/// Aborts the process, so that the fuzzer keeps the input.
[[noreturn]] void violated(const char *rule);
inline void require(bool holds, const char *rule) {
  if (!holds)
    violated(rule);
}

} // namespace lq::fuzz

#endif // LQ_TEST_FUZZ_COMPILERHARNESS_H
