//===- ScaledWeights.cpp - weights that are scaled ------------------------===//

#include "passes/awq/ScaledWeights.h"

#include "dialects/common/WeightArchive.h"
#include "mlir/IR/SymbolTable.h"
#include "passes/quantize/RoundToNearest.h"
#include "passes/quantize/WeightSource.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace lq;

FailureOr<std::vector<float>> lq::readWeight(WeightOp weight,
                                             WeightFiles &files) {
  FailureOr<WeightSource> source = WeightSource::open(weight, files);
  if (failed(source))
    return failure();
  std::vector<float> values(weight.getTensorType().getNumElements());
  source->readRows(0, values);
  source->release();
  if (size_t bad = findNotFinite(values); bad < values.size())
    return emitError(weight.getLoc())
           << "weight @" << weight.getSymName() << " has an element, number "
           << bad << ", that is not finite; exclude the weight or repair the "
           << "model";
  return values;
}

/// Multiplies factors, all 1 where there are none.
static void multiply(std::vector<float> &factors, ArrayRef<float> by) {
  if (factors.empty())
    factors.assign(by.size(), 1);
  for (auto [factor, more] : llvm::zip_equal(factors, by))
    factor *= more;
}

void ScaledWeights::scale(const ScalableInput &input, ArrayRef<float> scale) {
  for (LinearOp linear : input.linears)
    multiply(scales[&linear.getWeightMutable()].columns, scale);
  std::vector<float> ofClass(input.classCount, 1);
  for (auto [id, value] : llvm::zip_equal(input.classes, scale))
    if (id >= 0)
      ofClass[id] = value;
  for (const ScaleFold &fold : input.folds) {
    std::vector<float> rows;
    for (int32_t id : fold.classes)
      rows.push_back(id < 0 ? 1 : ofClass[id]);
    multiply(scales[fold.use].rows, rows);
  }
}

/// Which weights change, and for which uses. Uses of one weight with the same
/// scale share one.
std::vector<ScaledWeights::Change>
ScaledWeights::collectChanges(std::vector<WeightUses> &weights) {
  std::vector<Change> changes;
  for (WeightUses &weight : weights) {
    size_t first = changes.size();
    for (auto *list : {&weight.matrixUses, &weight.otherUses})
      for (OpOperand *use : *list) {
        auto *found = scales.find(use);
        if (found == scales.end())
          continue;
        auto same = std::find_if(changes.begin() + first, changes.end(),
                                 [&](const Change &change) {
                                   return *change.scale == found->second;
                                 });
        if (same == changes.end())
          changes.push_back({&weight, {use}, &found->second});
        else
          same->uses.push_back(use);
      }
  }
  return changes;
}

/// The elements of a weight, [rows, columns] or [rows], scaled.
static void applyScale(const WeightScale &scale, int64_t rows,
                       MutableArrayRef<float> values) {
  int64_t columns = static_cast<int64_t>(values.size()) / rows;
  for (int64_t n = 0; n < rows; ++n)
    for (int64_t k = 0; k < columns; ++k) {
      float &value = values[n * columns + k];
      if (!scale.columns.empty())
        value *= scale.columns[k];
      if (!scale.rows.empty())
        value /= scale.rows[n];
    }
}

/// Lets uses read a weight at `address`: the weight itself if it has no others.
static void redirect(WeightUses &weight, ArrayRef<OpOperand *> uses,
                     const WeightAddress &address, SymbolTable &symbols) {
  if (uses.size() == weight.matrixUses.size() + weight.otherUses.size())
    return moveWeight(weight, address);
  WeightUses own;
  own.weight = weight.weight.clone();
  own.weight.setSymName((weight.weight.getSymName() + ".scaled").str());
  symbols.insert(own.weight, std::next(weight.weight->getIterator()));
  for (OpOperand *use : uses) {
    OpBuilder builder(use->getOwner());
    own.gets.push_back(GetOp::create(builder, use->get().getLoc(), address.type,
                                     own.weight.getSymName()));
    use->set(own.gets.back());
  }
  moveWeight(own, address);
  eraseUnusedGets(weight);
  if (weight.gets.empty())
    weight.weight.erase();
}

LogicalResult ScaledWeights::write(ModuleOp module, StringRef path,
                                   WeightFiles &files, Progress &progress,
                                   Edit edit) {
  auto fail = [&](llvm::Error error) {
    return emitError(module.getLoc()) << llvm::toString(std::move(error));
  };
  auto archive = WeightArchive::append(path);
  if (!archive)
    return fail(archive.takeError());
  if (llvm::Error error = files.allow(llvm::sys::path::parent_path(path)))
    return fail(std::move(error));
  auto address = files.address(path);
  if (!address)
    return fail(address.takeError());
  std::vector<WeightUses> weights = collectWeightUses(module);
  std::vector<Change> changes = collectChanges(weights);
  for (Change &change : changes) {
    WeightOp weight = change.weight->weight;
    RankedTensorType type = weight.getTensorType();
    FailureOr<std::vector<float>> values = readWeight(weight, files);
    if (failed(values))
      return failure();
    applyScale(*change.scale, type.getDimSize(0), *values);
    if (failed(edit(weight, *change.scale, *values)))
      return failure();
    auto offset =
        (*archive)->add({reinterpret_cast<const char *>(values->data()),
                         values->size() * sizeof(float)});
    if (!offset)
      return fail(offset.takeError());
    change.address = {RankedTensorType::get(
                          type.getShape(), Float32Type::get(type.getContext())),
                      *address, *offset};
    progress.advance(weight.getSymName(), type.getNumElements());
  }
  if (!changes.empty())
    if (llvm::Error error = (*archive)->commit())
      return fail(std::move(error));
  SymbolTable symbols(module);
  for (Change &change : changes)
    redirect(*change.weight, change.uses, change.address, symbols);
  return success();
}
