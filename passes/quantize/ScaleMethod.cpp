//===- ScaleMethod.cpp - ways to find a group's numbers -------------------===//

#include "passes/quantize/ScaleMethod.h"
#include "passes/quantize/RoundToNearest.h"

using namespace lq;

/// Whether the search can find the format's numbers (Search.h).
static bool isSearchable(const FormatDescription &format) {
  using Kind = GroupNumber::Kind;
  auto can = [](const GroupNumber &number) {
    return number.kind == Kind::Direct || number.kind == Kind::Product;
  };
  return can(format.scale) && format.scale.type != Scalar::E8M0 &&
         (!format.offset.exists() || can(format.offset));
}

void lq::roundBy(ScaleMethod method, const RangeGrid &grid,
                 const FormatDescription &format, llvm::ArrayRef<float> weights,
                 Planes &planes, llvm::ArrayRef<float> importance) {
  bool isRule = method == ScaleMethod::Rule;
  if (!format.hasCodes() || format.scaleRule == ScaleRule::Search || isRule)
    return roundToNearest(format, weights, planes, importance);
  if (method == ScaleMethod::Grid)
    return roundByGrid(format, weights, planes, {}, grid);
  if (!isSearchable(format)) {
    RangeGrid squares = grid;
    squares.norm = 2;
    return roundByGrid(format, weights, planes, importance, squares);
  }
  FormatDescription searched = format;
  searched.scaleRule = ScaleRule::Search;
  roundToNearest(searched, weights, planes, importance);
}
