//===- Gptq.h - codes that make up for each other's errors ------*- C++ -*-===//
//
// GPTQ (Frantar et al. 2022, arXiv:2210.17323): columns are rounded one after
// another, and those still to come take on what rounding has done to the product
// with the inputs x that calibration saw, H = sum x x^T. With GPTAQ (Li et al. 2025,
// arXiv:2504.02692) they make up as well for inputs that differ from those of the
// model in full precision.
//
// The grid of a format, its scales and offsets, comes from its own rule or search;
// the codes from here. So any format with codes can be the target.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_QUANTIZE_GPTQ_H
#define LQ_PASSES_QUANTIZE_GPTQ_H

#include "dialects/lq/Format.h"
#include "passes/quantize/DenseAlgebra.h"
#include "passes/quantize/LevelRounder.h"
#include "passes/quantize/ScaleMethod.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Error.h"

#include <memory>

namespace lq {

/// In which order columns are rounded.
enum class GptqOrder {
  /// As they lie.
  Given,
  /// Groups of falling mean of diag(H), and in these columns of falling diag(H).
  Groups,
  /// Columns of falling diag(H), whatever their group; scales are static.
  Columns,
};

struct GptqOptions {
  /// Part of the mean of diag(H) that is added to the diagonal, and what this is
  /// raised by as long as H is not positive definite, up to 1.
  float damping = 0.05f, moreDamping = 0.01f;
  GptqOrder order = GptqOrder::Groups;
  /// Whether numbers come from the weights as they were, not as what was rounded
  /// before has left them.
  bool staticScales = false;
  /// Squares count by diag(H).
  ScaleMethod scales = ScaleMethod::Squares;
  RangeGrid grid;
  /// Columns between products that hand errors on to all that are left.
  int64_t block = 128;
  /// Whether columns that saw nothing but zeros become zero.
  bool zeroDead = true;
  /// GPTAQ: how much of the difference of inputs is made up for.
  float alpha = 0.25f;
};

/// Of inputs x of a matrix with K columns, sums over tokens [K, K], row-major.
struct GptqInputs {
  /// x x^T.
  llvm::ArrayRef<float> hessian;
  /// (x~ - x) x^T, where x~ is the input in the model in full precision; empty: none.
  llvm::ArrayRef<float> difference;
  /// The columns of the weights in terms of these: column j is input order[j].
  /// Empty: as they are.
  llvm::ArrayRef<int32_t> order;
};

/// Rounds the rows of matrices that share inputs and a format.
class Gptq {
public:
  /// Factors the inverse of H. An error if H is not positive definite with all
  /// the damping there is, or not finite.
  static llvm::Expected<Gptq> prepare(const FormatDescription &format,
                                      const GptqInputs &inputs, int64_t columns,
                                      const GptqOptions &options,
                                      ParallelFor parallelFor);

  /// Fills `planes`, sized, from weights [planes.rows, columns], finite. Factors that
  /// all rows share are set already. Returns the error, the sum over rows of dw H
  /// dw^T with H as it was damped. May be called from several threads at once, with
  /// SingleThreadedBlas alive.
  double quantize(llvm::ArrayRef<float> weights, Planes &planes) const;

  /// The same inputs for another format; columns are rounded as they lie.
  Gptq retarget(const FormatDescription &other) const;

  /// The part of the mean of diag(H) that was added to the diagonal.
  float damping() const { return usedDamping; }
  int64_t columnCount() const { return columns; }
  int64_t deadColumns() const { return llvm::count(isDead, true); }

private:
  friend class GptqRows;
  /// Columns whose numbers are found together: a super-group, else a group.
  struct Unit {
    FormatRun run;
    int64_t firstColumn, columns;
    int64_t firstGroup, groups, firstSuperGroup;
    /// Of its run of columns, in `rounders`.
    size_t rounder;
  };

  Gptq(const FormatDescription &format, int64_t columns,
       const GptqOptions &options)
      : format(format), columns(columns), options(options) {}
  void findUnits();
  void findOrder();
  void loadDiagonal(const GptqInputs &inputs);
  llvm::Error factor(const GptqInputs &inputs, ParallelFor parallelFor);
  void findCorrection(const GptqInputs &inputs);
  template <typename T>
  std::vector<T> damped(const GptqInputs &inputs, float damping) const;

  FormatDescription format;
  int64_t columns;
  GptqOptions options;
  float usedDamping = 0;
  std::vector<Unit> units;
  std::vector<LevelRounder> rounders;
  /// Of each column: diag(H), whether it is dead, its unit.
  std::vector<float> diagonal;
  std::vector<bool> isDead;
  std::vector<int32_t> unitOf;
  /// Columns in the order in which they are rounded.
  std::vector<int32_t> order;
  /// U with (H + damping)^-1 = U^T U, and what GPTAQ adds of each column to those
  /// after it; both in that order, [columns, columns].
  std::shared_ptr<const std::vector<float>> upper, correction;
};

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_GPTQ_H
