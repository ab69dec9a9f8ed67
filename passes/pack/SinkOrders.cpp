//===- SinkOrders.cpp - orders of columns as orders of rows ---------------===//

#include "dialects/common/ModuleWeights.h"
#include "dialects/lq/Storage.h"
#include "mlir/IR/Matchers.h"
#include "passes/pack/Passes.h"
#include "passes/quantize/ColumnOrder.h"
#include "passes/quantize/RowBlocks.h"
#include "passes/quantize/WeightSource.h"
#include "passes/quantize/WeightUses.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/Support/Path.h"

namespace lq {
#define GEN_PASS_DEF_SINKORDERS
#include "passes/pack/Passes.h.inc"
} // namespace lq

using namespace mlir;
using namespace lq;

namespace {

/// The weights that a permutation can be moved into.
class Producers {
public:
  explicit Producers(const llvm::StringMap<WeightUses *> &weights)
      : weights(weights) {}

  /// Whether all that makes the permuted value are linears, whose weights and
  /// biases serve nothing else, and operations on elements.
  bool find(PermuteOp permute);

  llvm::SmallSetVector<WeightUses *, 4> matrices, biases;

private:
  bool visit(Value value, Operation *reader);
  bool addWeight(Value value, llvm::SmallSetVector<WeightUses *, 4> &list);

  const llvm::StringMap<WeightUses *> &weights;
};

} // namespace

bool Producers::addWeight(Value value,
                          llvm::SmallSetVector<WeightUses *, 4> &list) {
  auto get = value.getDefiningOp<GetOp>();
  WeightUses *uses = get ? weights.lookup(get.getWeight()) : nullptr;
  if (!uses || isTiled(uses->weight.getTensorType()) ||
      uses->matrixUses.size() + uses->otherUses.size() != 1)
    return false;
  list.insert(uses);
  return true;
}

/// Whether the value is a constant whose elements are all the same, which has
/// no order.
static bool isSplat(Value value) {
  DenseElementsAttr elements;
  return matchPattern(value, m_Constant(&elements)) && elements.isSplat();
}

bool Producers::visit(Value value, Operation *reader) {
  if (isSplat(value))
    return true;
  Operation *op = value.getDefiningOp();
  if (!op || !llvm::all_of(value.getUsers(),
                           [&](Operation *user) { return user == reader; }))
    return false;
  if (auto linear = dyn_cast<LinearOp>(op))
    return addWeight(linear.getWeight(), matrices) &&
           (!linear.getBias() || addWeight(linear.getBias(), biases));
  if (!isa<GluOp, ActivationOp>(op) && !op->hasTrait<OpTrait::Elementwise>())
    return false;
  return llvm::all_of(op->getOperands(), [&](Value operand) {
    return operand.getType() == value.getType() && visit(operand, op);
  });
}

bool Producers::find(PermuteOp permute) {
  return visit(permute.getX(), permute);
}

namespace {

/// One run of the pass.
class OrderSinker {
public:
  OrderSinker(ModuleOp module, StringRef archive)
      : module(module), archive(archive) {}

  LogicalResult run();
  int64_t sunk = 0, kept = 0;

private:
  LogicalResult fail(llvm::Error error) {
    return emitError(module.getLoc()) << llvm::toString(std::move(error));
  }
  LogicalResult open();
  LogicalResult reorder(WeightUses &uses, ArrayRef<int32_t> order);
  FailureOr<WeightAddress> write(WeightOp weight, ArrayRef<int32_t> order);
  FailureOr<bool> sink(PermuteOp permute,
                       const llvm::StringMap<WeightUses *> &weights);

  ModuleOp module;
  StringRef archive;
  std::unique_ptr<WeightFiles> files;
  std::unique_ptr<WeightArchive> output;
  std::string address;
};

} // namespace

/// Opens the archive, the first time that it is needed.
LogicalResult OrderSinker::open() {
  if (archive.empty())
    return emitError(module.getLoc())
           << "option archive: the file to write reordered weights to is "
              "required";
  auto created = WeightArchive::append(archive);
  if (!created)
    return fail(created.takeError());
  output = std::move(*created);
  if (llvm::Error error = files->allow(llvm::sys::path::parent_path(archive)))
    return fail(std::move(error));
  auto where = files->address(archive);
  if (!where)
    return fail(where.takeError());
  address = std::move(*where);
  return success();
}

/// Writes row order[i] of a weight as its row i. In every storage a row is a run
/// of bytes of its own.
FailureOr<WeightAddress> OrderSinker::write(WeightOp weight,
                                            ArrayRef<int32_t> order) {
  auto source = WeightSource::open(weight, *files);
  if (failed(source))
    return failure();
  auto rows = static_cast<int64_t>(order.size());
  int64_t rowBytes = weight.getStorageBytes() / rows;
  Progress progress("sink", weight.getTensorType().getNumElements(), {});
  auto offset = writeRowBlocks(
      weight, weight.getSymName(),
      {rows, weight.getTensorType().getNumElements() / rows, 1, rowBytes},
      *output, progress,
      [&](int64_t first, int64_t count, MutableArrayRef<char> bytes) {
        for (int64_t i = 0; i < count; ++i) {
          MutableArrayRef<char> row = bytes.slice(i * rowBytes, rowBytes);
          if (weight.getTransposed())
            source->readTransposed(order[first + i], row);
          else
            llvm::copy(
                source->bytes().slice(order[first + i] * rowBytes, rowBytes),
                row.begin());
        }
      });
  source->release();
  if (failed(offset))
    return failure();
  return WeightAddress{weight.getTensorType(), address, *offset};
}

LogicalResult OrderSinker::reorder(WeightUses &uses, ArrayRef<int32_t> order) {
  FailureOr<WeightAddress> written = write(uses.weight, order);
  if (failed(written))
    return failure();
  moveWeight(uses, *written);
  return success();
}

/// Moves the order into what makes the input; false if that cannot take it.
FailureOr<bool>
OrderSinker::sink(PermuteOp permute,
                  const llvm::StringMap<WeightUses *> &weights) {
  WeightOp orderWeight = findOrderWeight(permute);
  Producers producers(weights);
  if (!orderWeight || !producers.find(permute))
    return false;
  auto order = readOrder(orderWeight, *files);
  if (failed(order) || (!output && failed(open())))
    return failure();
  for (auto *list : {&producers.matrices, &producers.biases})
    for (WeightUses *uses : *list)
      if (failed(reorder(*uses, *order)))
        return failure();
  permute.replaceAllUsesWith(permute.getX());
  permute.erase();
  return true;
}

LogicalResult OrderSinker::run() {
  SmallVector<PermuteOp> permutes;
  module.walk([&](PermuteOp permute) { permutes.push_back(permute); });
  if (permutes.empty())
    return success();
  auto opened = openWeightFiles(module);
  if (!opened)
    return fail(opened.takeError());
  files = std::move(*opened);
  std::vector<WeightUses> all = collectWeightUses(module);
  llvm::StringMap<WeightUses *> weights;
  for (WeightUses &uses : all)
    weights[uses.weight.getSymName()] = &uses;
  for (PermuteOp permute : permutes) {
    FailureOr<bool> moved = sink(permute, weights);
    if (failed(moved))
      return failure();
    ++(*moved ? sunk : kept);
  }
  if (!output)
    return success();
  if (llvm::Error error = output->commit())
    return fail(std::move(error));
  return success();
}

namespace {
struct SinkOrdersPass : lq::impl::SinkOrdersBase<SinkOrdersPass> {
  using SinkOrdersBase::SinkOrdersBase;

  void runOnOperation() override {
    OrderSinker sinker(getOperation(), archive);
    if (failed(sinker.run()))
      return signalPassFailure();
    sunkOrders += sinker.sunk;
    keptOrders += sinker.kept;
  }
};
} // namespace
