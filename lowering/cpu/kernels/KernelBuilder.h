//===- KernelBuilder.h - writes kernels in vector, scf, arith ---*- C++ -*-===//
//
// Makes the function of a kernel, and what depends on a CPU level.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_LOWERING_CPU_KERNELS_KERNELBUILDER_H
#define LQ_LOWERING_CPU_KERNELS_KERNELBUILDER_H

#include "lowering/cpu/codegen/CpuLevel.h"
#include "lowering/kernels/CodeBuilder.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace lq::cpu {

/// A range of indices [first, last).
struct IndexRange {
  Val first, last;
};

/// Builds one kernel function (see Kernels.h for its arguments).
class KernelBuilder : public CodeBuilder {
public:
  KernelBuilder(mlir::ModuleOp module, llvm::StringRef name,
                const CpuLevel &level, llvm::ArrayRef<mlir::Type> inputs,
                llvm::ArrayRef<mlir::Type> outputs);
  /// Ends the function.
  mlir::func::FuncOp finish();

  /// The inputs and outputs, as arguments in order.
  Val argument(int64_t index);
  Val scratch();
  Val thread();
  Val threads();
  const CpuLevel &level() const { return target; }
  int64_t lanes() const { return target.lanes(); }

  /// A vector register of f32.
  mlir::Type floats() { return vector(lanes(), f32()); }
  /// 0, 1, 2, ... in a vector register of i32.
  Val laneNumbers();
  /// The first `count` lanes, the others 0; reads no memory behind them.
  Val loadPart(Val memref, llvm::ArrayRef<Val> indices, int64_t lanes,
               Val count);
  void storePart(Val value, Val memref, llvm::ArrayRef<Val> indices, Val count);
  /// This thread's contiguous share of `count` items; sizes differ by 1 at
  /// most.
  IndexRange share(Val count);

  Val lookup(llvm::ArrayRef<uint8_t> table, Val bytes) override;

private:
  const CpuLevel &target;
  mlir::func::FuncOp function;
};

/// Combines the lanes of each of some vectors; lane i of the result is of vector
/// i. The vectors are of one type and, like their lanes, a power of two.
Val reduceLanes(Vals vectors, llvm::function_ref<Val(Val, Val)> combine);

/// Runs body(first, count) over blocks of rows [first, first + count) that
/// cover `rows`: as many blocks of sizes[0] as fit, then of sizes[1], ...; the
/// last size is 1. Rows known at compile time that fit no block get one of
/// their own.
void forRowBlocks(KernelBuilder &k, Val first, Val rows,
                  llvm::ArrayRef<int64_t> sizes,
                  llvm::function_ref<void(Val first, int64_t count)> body);

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_KERNELS_KERNELBUILDER_H
