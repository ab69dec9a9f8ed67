//===- ColumnOrder.cpp - the order of a matrix's columns ------------------===//

#include "passes/quantize/ColumnOrder.h"
#include "passes/quantize/WeightSource.h"

using namespace mlir;
using namespace lq;

WeightOp lq::findOrderWeight(PermuteOp permute) {
  auto get = permute.getOrder().getDefiningOp<GetOp>();
  return get ? SymbolTable::lookupNearestSymbolFrom<WeightOp>(
                   get, get.getWeightAttr())
             : nullptr;
}

FailureOr<std::vector<int32_t>> lq::readOrder(WeightOp weight,
                                              WeightFiles &files) {
  auto source = WeightSource::open(weight, files);
  if (failed(source))
    return failure();
  ArrayRef<char> bytes = source->bytes();
  std::vector<int32_t> order(bytes.size() / sizeof(int32_t));
  std::memcpy(order.data(), bytes.data(), bytes.size());
  std::vector<bool> isTaken(order.size());
  for (int32_t column : order) {
    bool isColumn = column >= 0 && column < static_cast<int32_t>(order.size());
    if (!isColumn || isTaken[column])
      return emitError(weight.getLoc())
             << "weight @" << weight.getSymName() << " is no permutation of "
             << order.size() << " columns: it holds " << column
             << (isColumn ? " twice" : "");
    isTaken[column] = true;
  }
  return order;
}
