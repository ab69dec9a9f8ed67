//===- KernelBuilder.h - writes kernels for one thread of many --*- C++ -*-===//

#ifndef LQ_LOWERING_CUDA_KERNELS_KERNELBUILDER_H
#define LQ_LOWERING_CUDA_KERNELS_KERNELBUILDER_H

#include "lowering/cuda/codegen/Chip.h"
#include "lowering/kernels/CodeBuilder.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/BuiltinOps.h"

namespace lq::cuda {

/// Threads that run in step.
constexpr int64_t warpThreads = 32;

/// How many blocks a kernel is launched with: `blocks` maps the sizes of the
/// launch's operand number `operand` to x, y and z.
struct Grid {
  int64_t operand = 0;
  mlir::AffineMap blocks;
};

/// x blocks, for any sizes of operands.
Grid constantGrid(mlir::MLIRContext *context, int64_t blocks);
/// Up to three numbers of blocks, in the sizes d0, d1, ... of an operand of
/// `rank` dimensions: for example {d1 / 64, d0}.
Grid gridOf(int64_t operand, int64_t rank,
            llvm::ArrayRef<mlir::AffineExpr> blocks,
            mlir::MLIRContext *context);

/// Builds one kernel function (see Kernels.h for its arguments).
class KernelBuilder : public CodeBuilder {
public:
  /// `threads`: of a block.
  KernelBuilder(mlir::gpu::GPUModuleOp module, llvm::StringRef name,
                const Chip &chip, llvm::ArrayRef<mlir::Type> arguments,
                int64_t threads);
  /// Ends the function, which is launched on `grid`.
  mlir::gpu::GPUFuncOp finish(const Grid &grid);

  Val argument(int64_t index) { return val(function.getArgument(index)); }
  int64_t warps() const { return blockThreads / warpThreads; }

  /// Numbers of the thread in its block, of its warp in the block and of its
  /// lane in the warp.
  Val thread();
  Val warp() { return thread() / warpThreads; }
  Val lane() { return thread() % warpThreads; }
  /// The number of the block in the grid.
  Val block(mlir::gpu::Dimension dimension);

  /// Memory that the threads of a block share: a memref of elements.
  Val shared(llvm::ArrayRef<int64_t> shape, mlir::Type element);
  /// A part of shared bytes as a memref of elements.
  Val view(Val bytes, Val offset, llvm::ArrayRef<int64_t> shape,
           mlir::Type element);
  /// Waits for all threads of the block.
  void barrier();

  /// Starts to copy `count` elements from global to shared memory, or zeros where
  /// not `inside`; 16 bytes, at multiples of as much.
  void copyAsync(Val from, llvm::ArrayRef<Val> fromIndices, Val to,
                 llvm::ArrayRef<Val> toIndices, int64_t count, Val inside);
  /// Ends a group of copies, and waits until all of this thread's groups but the
  /// last `open` are complete.
  void waitCopies(int64_t open);

  /// Two scalars as a vector.
  Val pair(Val first, Val second);
  /// The same elements in a vector of another shape.
  Val reshape(Val vector, mlir::Type type);

  /// The value of the lane whose number differs in the bits of `mask`.
  Val fromLane(Val value, int64_t mask);
  /// The sum over lanes whose numbers differ in the lowest log2(lanes) bits, in
  /// each of them.
  Val sumLanes(Val value, int64_t lanes);

  /// Bytes of two words chosen by the digits of `selector` (PTX ISA, prmt).
  Val permuteBytes(Val low, Val high, int64_t selector);
  /// sum + the four products of the bytes of two words: unsigned codes times
  /// signed activations.
  Val dot(Val codes, Val activations, Val sum);
  /// C + A B for a warp: A [16, 16] f16, B [16, 8] f16, C [16, 8] f32, in the
  /// fragments of PTX's mma.m16n8k16: 4 and 2 pairs of f16, and a vector of 2x2
  /// f32 a lane.
  Val multiplyMatrices(llvm::ArrayRef<Val> a, llvm::ArrayRef<Val> b, Val c);

  Val lookup(llvm::ArrayRef<uint8_t> table, Val bytes) override;

private:
  const Chip &target;
  int64_t blockThreads;
  mlir::gpu::GPUFuncOp function;
};

} // namespace lq::cuda

#endif // LQ_LOWERING_CUDA_KERNELS_KERNELBUILDER_H
