//===- IntegerProduct.h - sums of codes times int8 activations --*- C++ -*-===//
//
// For each group g of columns, with x = xs * xq in groups of tileColumns,
//
//   y += xs scale(n, g) (sum byte xq - zero sum xq) + offset(n, g) sum xs xq
//
// The lanes of a vector are rows of W. A group's integer sum starts at
// -zero * sum xq, so that the zero point costs nothing; conversions and fused
// multiply-adds bring it to f32.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_LOWERING_CPU_KERNELS_INTEGERPRODUCT_H
#define LQ_LOWERING_CPU_KERNELS_INTEGERPRODUCT_H

#include "lowering/cpu/kernels/IntegerActivations.h"

namespace lq::cpu {

/// Products of `count` rows of activations with `parts` vectors of rows of W,
/// over column blocks; sums are f32 [count][parts].
class IntegerProduct {
public:
  /// With `rolls`, steps are taken in a loop: where registers are few, the
  /// compiler would else fill them with codes of many steps and spill them.
  IntegerProduct(KernelBuilder &k, IntegerDot &dot,
                 IntegerActivations &activations, int64_t count, int64_t parts,
                 bool rolls)
      : k(k), dot(dot), activations(activations), count(count), parts(parts),
        rolls(rolls) {}

  /// The codes of the steps that a product takes from `step` behind `first` on.
  using LoadCodes = llvm::function_ref<IntegerDot::Codes(
      Val first, int64_t step, int64_t part)>;
  /// The scale that holds from a column of the block on.
  using LoadScale = llvm::function_ref<Val(int64_t column, int64_t part)>;

  /// Adds the block `number` without its offsets. `scaleColumns` <=
  /// tileColumns share a scale; without `scale` the sums are in units of it.
  void addBlock(Val number, LoadCodes codes, LoadScale scale,
                int64_t scaleColumns, llvm::MutableArrayRef<Val> sums);
  /// Adds offsets [parts] of the group `group` of them.
  void addOffsets(Val group, llvm::ArrayRef<Val> offsets,
                  llvm::MutableArrayRef<Val> sums);

private:
  KernelBuilder &k;
  IntegerDot &dot;
  IntegerActivations &activations;
  int64_t count, parts;
  bool rolls;

  int64_t cellOf(int64_t i, int64_t part) const;
  Vals startSums(Val number, int64_t column);
  Vals sumCodes(Val number, int64_t column, int64_t columns, LoadCodes codes);
  void addSteps(Val number, Val first, int64_t steps, LoadCodes codes,
                llvm::MutableArrayRef<Val> sums,
                llvm::MutableArrayRef<Val> partials);
  void flush(llvm::MutableArrayRef<Val> sums, llvm::ArrayRef<Val> partials);
};

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_KERNELS_INTEGERPRODUCT_H
