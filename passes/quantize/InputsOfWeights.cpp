//===- InputsOfWeights.cpp - statistics for a pass's weights --------------===//

#include "passes/quantize/InputsOfWeights.h"

#include <numeric>

using namespace mlir;
using namespace lq;

FailureOr<InputsOfWeights> InputsOfWeights::open(ModuleOp module,
                                                 StringRef path, Need need) {
  if (path.empty())
    return emitError(module.getLoc())
           << "option statistics: the file that calibration has written is "
              "required";
  FailureOr<StatisticsFile> file = openStatistics(module, path);
  if (failed(file))
    return failure();
  if (need == SumXX && (file->isImatrix() || !file->header().hasSumXX))
    return emitError(module.getLoc())
           << path << ": the file has no sums of x x^T, which this pass needs; "
           << "calibrate with them";
  return InputsOfWeights(std::move(*file));
}

FailureOr<std::optional<InputStatistics>>
InputsOfWeights::find(const WeightUses &uses, WeightFiles &files,
                      int64_t minTokens) {
  if (llvm::none_of(uses.matrixUses, [](OpOperand *use) {
        return isa<LinearOp>(use->getOwner());
      }))
    return std::optional<InputStatistics>();
  WeightOp weight = uses.weight;
  FailureOr<std::optional<InputStatistics>> found =
      findStatistics(statistics, weight, files);
  if (failed(found))
    return failure();
  if (!*found) {
    without["there are no statistics of inputs"].push_back(weight);
  } else if ((*found)->tokens < minTokens) {
    std::string reason = "calibration saw " + std::to_string((*found)->tokens) +
                         " tokens there, fewer than " +
                         std::to_string(minTokens);
    without[reason].push_back(weight);
    return std::optional<InputStatistics>();
  }
  return found;
}

void InputsOfWeights::remark(StringRef fate) const {
  for (auto &[reason, weights] : without) {
    WeightOp first = weights.front();
    auto remark = emitRemark(first.getLoc())
                  << "weight @" << first.getSymName();
    if (weights.size() > 1)
      remark << " and " << weights.size() - 1 << " more are ";
    else
      remark << " is ";
    remark << fate << ": " << reason;
  }
}

std::vector<int32_t> lq::importanceOrder(const InputStatistics &input) {
  std::vector<int32_t> order(input.columns);
  std::iota(order.begin(), order.end(), 0);
  auto at = [&](int32_t k) { return input.sumXX[k * (input.columns + 1)]; };
  llvm::sort(order, [&](int32_t a, int32_t b) {
    return at(a) > at(b) || (at(a) == at(b) && a < b);
  });
  return order;
}
