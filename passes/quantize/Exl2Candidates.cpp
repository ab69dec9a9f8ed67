//===- Exl2Candidates.cpp - mixes of bits to choose among -----------------===//

#include "passes/quantize/Exl2Candidates.h"
#include "passes/quantize/RoundToNearest.h"

using namespace lq;

static constexpr unsigned codeBits[] = {2, 3, 4, 5, 6, 8};
static constexpr double parts[] = {0.1, 0.25, 0.5};
/// What runs of columns are multiples of.
static constexpr int64_t unit = 32;

std::vector<FormatAttrInterface>
lq::mixedBitsCandidates(mlir::MLIRContext &context, int64_t columns,
                        int64_t group) {
  std::vector<FormatAttrInterface> candidates;
  for (unsigned low : codeBits) {
    candidates.push_back(
        getMixedBitsFormat(context, ColumnRun{columns, low, group}));
    for (unsigned high : codeBits)
      for (double part : parts) {
        auto units = static_cast<int64_t>(
            part * static_cast<double>(columns / unit) + 0.5);
        // More than two bits apart, something between is better.
        if (high <= low || high > low + 2 || units == 0)
          continue;
        ColumnRun runs[] = {{units * unit, high, group},
                            {columns - units * unit, low, group}};
        candidates.push_back(getMixedBitsFormat(context, runs));
      }
  }
  return candidates;
}

std::vector<double>
lq::measureCandidates(llvm::ArrayRef<FormatAttrInterface> candidates,
                      const Gptq &prepared, llvm::ArrayRef<float> weights,
                      double square, ParallelFor parallelFor) {
  std::vector<double> errors(candidates.size());
  parallelFor(static_cast<int64_t>(candidates.size()), [&](int64_t i) {
    FormatAttrInterface candidate = candidates[i];
    FormatDescription format = candidate.getDescription();
    int64_t columns = prepared.columnCount();
    int64_t rows = static_cast<int64_t>(weights.size()) / columns;
    Planes planes;
    planes.resize(format, rows, columns);
    std::vector<float> factors(format.superGroupCount(columns));
    raiseSharedFactors(format, weights, columns, factors);
    setSharedFactors(factors, planes);
    double error = prepared.retarget(format).quantize(weights, planes);
    errors[i] = square > 0 ? error / square : 0;
  });
  return errors;
}
