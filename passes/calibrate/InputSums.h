//===- InputSums.h - sums over the inputs of linears ------------*- C++ -*-===//

#ifndef LQ_PASSES_CALIBRATE_INPUTSUMS_H
#define LQ_PASSES_CALIBRATE_INPUTSUMS_H

#include "mlir/IR/MLIRContext.h"
#include "passes/calibrate/Statistics.h"

namespace lq {

/// The sums of one input while they grow. Products are added up in f32,
/// which costs half the memory of f64: over 262,144 tokens they stay within 2e-5 of
/// sums in f64, relative to the largest, far less than the damping that quantizers
/// add.
class InputSums {
public:
  /// For an input of `columns` elements; products only if asked.
  InputSums(int64_t columns, bool hasProducts);

  int64_t columns() const { return width; }
  /// The sums so far; `sumXX` is full and symmetric. Valid until the next change.
  InputStatistics finish(const std::string &name);

private:
  friend std::optional<size_t>
  addInputs(mlir::MLIRContext *context, llvm::MutableArrayRef<InputSums *> sums,
            llvm::ArrayRef<llvm::ArrayRef<float>> inputs);
  void addMeans(llvm::ArrayRef<float> x);
  void addProducts(llvm::ArrayRef<float> x, int64_t first, int64_t rows);

  int64_t width;
  int64_t tokens = 0;
  /// [width, width], of which the lower triangle counts until `finish`.
  std::vector<float> products;
  /// In f64, since they cost nothing; and as f32 when they are finished.
  std::vector<double> absolute, square;
  std::vector<float> finishedAbsolute, finishedSquare;
};

/// Adds rows of several inputs, [tokens, columns] each, on all processors; the
/// result does not depend on how many there are. Returns which input has an
/// element that is not finite, and then adds nothing.
std::optional<size_t> addInputs(mlir::MLIRContext *context,
                                llvm::MutableArrayRef<InputSums *> sums,
                                llvm::ArrayRef<llvm::ArrayRef<float>> inputs);

} // namespace lq

#endif // LQ_PASSES_CALIBRATE_INPUTSUMS_H
