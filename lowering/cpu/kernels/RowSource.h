//===- RowSource.h - rows that a kernel reads -------------------*- C++ -*-===//

#ifndef LQ_LOWERING_CPU_KERNELS_ROWSOURCE_H
#define LQ_LOWERING_CPU_KERNELS_ROWSOURCE_H

#include "lowering/cpu/kernels/Kernels.h"
#include "lowering/cpu/kernels/RowKernel.h"
#include <memory>

namespace lq::cpu {

/// Rows of f32 that a kernel reads: those of a memref, or what a function makes
/// of others while they are read.
class RowSource {
public:
  /// With an `order` (a memref of i32), columns are taken in it.
  RowSource(KernelBuilder &k, Val order) : k(k), order(order) {}
  virtual ~RowSource();

  /// Prepares to read a row.
  virtual void enter(Val row) {}
  /// Elements of the row that was entered last, from `column` on.
  virtual Val load(Val row, Val column, int64_t lanes) = 0;

protected:
  KernelBuilder &k;
  Val order;

  /// Elements of a memref at indices..., column.
  Val read(Val memref, llvm::ArrayRef<Val> indices, Val column, int64_t lanes);
};

/// Normalised rows: of the arguments x, gamma, [beta].
class NormedRows : public RowSource {
public:
  NormedRows(KernelBuilder &k, const NormSpec &spec, Val order = {});
  void enter(Val row) override;
  Val load(Val row, Val column, int64_t lanes) override;
  /// The same, of a chunk.
  Val load(Val row, const Chunk &chunk);

private:
  const NormSpec &spec;
  Val x, gamma, beta;
  /// Of the row: null unless it is centred, and 1 / the deviation.
  Val mean, inverse;

  Val normalise(Val value, Val gamma, Val beta);
  Val centre(Val value);
  Val average(Val row, llvm::function_ref<Val(Val)> f);
};

/// Types of a norm's inputs.
llvm::SmallVector<mlir::Type> getInputTypes(mlir::MLIRContext *context,
                                            const NormSpec &spec);

/// Types of the inputs that rows to be quantized are made of.
llvm::SmallVector<mlir::Type> getRowTypes(mlir::MLIRContext *context,
                                          const QuantizeRowsSpec &spec);
/// These rows; their order, if there is one, is the argument behind them.
std::unique_ptr<RowSource> makeRowSource(KernelBuilder &k,
                                         const QuantizeRowsSpec &spec);

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_KERNELS_ROWSOURCE_H
