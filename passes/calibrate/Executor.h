//===- Executor.h - running parts of a model --------------------*- C++ -*-===//
//
// Passes that look at activations run blocks of the model (Blocks.h). There is
// one way to execute: compiled code, run by the runtime. Passes come before the
// lowering that makes it, so the tools hand them an executor when they register
// them.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_CALIBRATE_EXECUTOR_H
#define LQ_PASSES_CALIBRATE_EXECUTOR_H

#include "mlir/IR/BuiltinOps.h"
#include "runtime/Session.h"
#include "llvm/Support/Error.h"
#include <functional>
#include <memory>
#include <string>

namespace lq {

/// A model of named tensors, compiled and open. Serves one thread at a time.
class Executable {
public:
  virtual ~Executable() = default;

  /// Runs it. The inputs are those of @main, by name, in any order; the outputs
  /// are its results in order and stay valid until the next call. The error says
  /// which input does not fit.
  virtual llvm::Expected<llvm::ArrayRef<TensorView>>
  run(llvm::ArrayRef<TensorView> inputs) = 0;

  /// From now on runs with other elements of a dense weight: `values`, [N, K] as
  /// in the weight's type, are rounded to its element type. Fails for a weight
  /// that there is not, is encoded, or has another number of elements.
  virtual llvm::Error setWeight(llvm::StringRef name,
                                llvm::ArrayRef<float> values) = 0;

  /// Bytes of the weights as they are read, and of all buffers.
  virtual uint64_t weightBytes() const = 0;
  virtual uint64_t bufferBytes() const = 0;
};

/// Compiles models of named tensors for this machine. Code is made once for all
/// that differ in their weights' names and bytes alone.
class Executor {
public:
  virtual ~Executor() = default;

  /// Compiles a module as lq-raise or cutIntoBlocks makes it, not packed; it stays
  /// as it is. A failure has been diagnosed.
  virtual mlir::FailureOr<std::unique_ptr<Executable>>
  load(mlir::ModuleOp module) = 0;

  /// How many times it has made code.
  virtual size_t codeCount() const = 0;
};

struct ExecutorOptions {
  /// A folder for packed weights while an executable is open, in the file system
  /// that has room for a block.
  std::string workFolder;
  /// 0: one a processor.
  unsigned threads = 0;
};

/// What makes executors, and the dialects that they lower to.
struct ExecutorProvider {
  std::function<std::unique_ptr<Executor>(const ExecutorOptions &)> create;
  void (*registerDialects)(mlir::DialectRegistry &) = nullptr;
};

} // namespace lq

#endif // LQ_PASSES_CALIBRATE_EXECUTOR_H
