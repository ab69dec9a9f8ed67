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

llvm::Expected<WeightAddress> lq::writeOrder(ArrayRef<int32_t> order,
                                             WeightArchive &archive,
                                             StringRef file,
                                             MLIRContext &context) {
  auto offset = archive.add({reinterpret_cast<const char *>(order.data()),
                             order.size() * sizeof(int32_t)});
  if (!offset)
    return offset.takeError();
  auto type = RankedTensorType::get({static_cast<int64_t>(order.size())},
                                    IntegerType::get(&context, 32));
  return WeightAddress{type, file.str(), *offset};
}

WeightOp lq::makeOrderWeight(const WeightAddress &address, WeightOp near,
                             SymbolTable &symbols) {
  OpBuilder builder(near);
  auto order = WeightOp::create(
      builder, near.getLoc(), (near.getSymName() + ".order").str(),
      address.type, address.file, static_cast<int64_t>(address.offset),
      /*transposed=*/false);
  symbols.insert(order);
  return order;
}

void InputOrders::permute(LinearOp linear, WeightOp order) {
  Value x = linear.getX();
  Value &permuted = made[{x, order}];
  if (!permuted) {
    OpBuilder builder(linear.getContext());
    builder.setInsertionPointAfterValue(x);
    Value get = GetOp::create(builder, linear.getLoc(), order.getTensorType(),
                              order.getSymName());
    permuted = PermuteOp::create(builder, linear.getLoc(), x.getType(), x, get);
  }
  linear.getXMutable().assign(permuted);
}
