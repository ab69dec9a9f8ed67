//===- ScaleSearch.h - scales that make rounding hurt less ------*- C++ -*-===//
//
// Activation-aware weight quantization (Lin et al. 2023, arXiv:2306.00978): a
// column whose inputs are large is multiplied by s > 1 before its weights are
// rounded, and its input is divided by s, so that the rounding errors that count
// most get smaller. Of a family of scales the one with the least error is taken.
//
// A scale is one number a column. All functions give the same result for any
// number of threads.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_AWQ_SCALESEARCH_H
#define LQ_PASSES_AWQ_SCALESEARCH_H

#include "dialects/lq/Format.h"
#include "passes/quantize/DenseAlgebra.h"
#include <optional>
#include <vector>

namespace lq {

/// A matrix [rows, columns], and the format that it will be rounded to.
struct SearchMatrix {
  FormatDescription format;
  int64_t rows = 0, columns = 0;
  std::vector<float> weights;
};

/// What weights are after they were rounded to nearest in their format.
std::vector<float> roundTrip(const SearchMatrix &matrix,
                             ParallelFor parallelFor);

/// The same of the weights with their columns multiplied by `scale`, and divided
/// by it again.
std::vector<float> roundScaled(const SearchMatrix &matrix,
                               llvm::ArrayRef<float> scale,
                               ParallelFor parallelFor);

/// The sum over rows d of d H d^T, d being `rounded` - `weights` and H [columns,
/// columns] = sum x x^T: the squared error of the matrix's products with all x.
double productError(const SearchMatrix &matrix, llvm::ArrayRef<float> rounded,
                    llvm::ArrayRef<float> sumXX, ParallelFor parallelFor);
/// The same of the products themselves, d being the weights.
double productPower(const SearchMatrix &matrix, llvm::ArrayRef<float> sumXX,
                    ParallelFor parallelFor);

/// How large the weights of each column are: the mean over the rows of all
/// matrices of |w| / the largest of its group.
std::vector<double> relativeMagnitudes(llvm::ArrayRef<SearchMatrix> matrices);

/// The scales that are tried.
class ScaleFamily {
public:
  /// Ratios 0, 1/20, ..., 19/20.
  static constexpr int ratios = 20;

  /// `inputs` and `weights` are the mean of |x| and the relative magnitude of each
  /// column. Columns of a class (InputScaling.h) get one scale.
  ScaleFamily(llvm::ArrayRef<double> inputs, llvm::ArrayRef<double> weights,
              llvm::ArrayRef<int32_t> classes, int32_t classCount);

  /// inputs^r / (weights^(1 - r) + 1e-4) for the ratio of this index, divided by
  /// the geometric mean of the largest and the least; 1 for columns that cannot be
  /// scaled.
  std::vector<float> scale(int ratio) const;

private:
  std::vector<int32_t> classes;
  /// Of each class.
  std::vector<double> inputs, weights;
};

/// The best scale that was found.
struct ChosenScale {
  /// Empty: none is better than no scale.
  std::vector<float> scale;
  /// Errors without scale and with the one chosen.
  double before = 0, after = 0;
};

/// Tries no scale and those of the family; `errorOf` measures a scale, or fails,
/// and then so does the search.
std::optional<ChosenScale> searchScale(
    const ScaleFamily &family, int64_t columns,
    llvm::function_ref<std::optional<double>(llvm::ArrayRef<float> scale)>
        errorOf);

} // namespace lq

#endif // LQ_PASSES_AWQ_SCALESEARCH_H
