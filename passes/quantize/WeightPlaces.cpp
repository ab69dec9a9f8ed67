//===- WeightPlaces.cpp - what each weight does in a model ----------------===//

#include "passes/quantize/WeightPlaces.h"

#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace lq;

namespace {

/// What lies behind a product, up to the next ones.
struct Consumers {
  bool query = false, key = false, value = false;
  int64_t headsPerKey = 1;

  bool any() const { return query || key || value; }
};

/// What comes after an operation, as far as the end of the model.
struct Rest {
  int64_t attentions = 0; // on the longest way
  bool linears = false;
};

/// One function's operations.
class Places {
public:
  explicit Places(Block &block) : block(block) {}

  /// The linears and their places.
  llvm::DenseMap<Operation *, WeightPlace> find();

private:
  Block &block;
  llvm::DenseMap<Operation *, Rest> rests;

  void measureRests();
  Consumers consumersOf(LinearOp linear) const;
  bool comesFrom(LinearOp linear,
                 llvm::function_ref<bool(Operation *)> isSource) const;
  WeightRole roleOf(LinearOp linear, const Consumers &consumers) const;
};

} // namespace

/// What comes after the operations of the block, the last first.
void Places::measureRests() {
  for (Operation &op : llvm::reverse(block)) {
    Rest rest;
    for (Operation *user : op.getUsers()) {
      user = block.findAncestorOpInBlock(*user);
      Rest after = rests.lookup(user);
      rest.attentions =
          std::max(rest.attentions, after.attentions + isa<AttentionOp>(user));
      rest.linears |= after.linears || isa<LinearOp>(user);
    }
    rests[&op] = rest;
  }
}

/// Whether a product's result is read by attention before any other product.
Consumers Places::consumersOf(LinearOp linear) const {
  Consumers consumers;
  llvm::SetVector<Operation *> open;
  open.insert(linear);
  for (size_t i = 0; i < open.size(); ++i)
    for (OpOperand &use : open[i]->getUses()) {
      Operation *user = block.findAncestorOpInBlock(*use.getOwner());
      if (auto attention = dyn_cast<AttentionOp>(user)) {
        consumers.query |= use.get() == attention.getQ();
        consumers.key |= use.get() == attention.getK();
        consumers.value |= use.get() == attention.getV();
        int64_t heads = attention.getQ().getType().getDimSize(2);
        int64_t keys = attention.getK().getType().getDimSize(2);
        if (heads > 0 && keys > 0)
          consumers.headsPerKey = heads / keys;
      } else if (!isa<LinearOp>(user)) {
        open.insert(user);
      }
    }
  return consumers;
}

/// Whether a product's input comes from such an operation without another
/// product or attention between.
bool Places::comesFrom(LinearOp linear,
                       llvm::function_ref<bool(Operation *)> isSource) const {
  llvm::SetVector<Value> open;
  open.insert(linear.getX());
  for (size_t i = 0; i < open.size(); ++i) {
    Operation *op = open[i].getDefiningOp();
    if (!op)
      continue;
    if (isSource(op))
      return true;
    if (!isa<LinearOp, EmbeddingOp, AttentionOp>(op))
      open.insert_range(op->getOperands());
  }
  return false;
}

WeightRole Places::roleOf(LinearOp linear, const Consumers &consumers) const {
  if (consumers.any()) {
    int parts = consumers.query + consumers.key + consumers.value;
    if (parts > 1)
      return WeightRole::FusedAttention;
    return consumers.query ? WeightRole::Query
           : consumers.key ? WeightRole::Key
                           : WeightRole::Value;
  }
  if (comesFrom(linear, [](Operation *op) { return isa<AttentionOp>(op); }))
    return WeightRole::AttentionOutput;
  if (comesFrom(linear,
                [](Operation *op) { return isa<ActivationOp, GluOp>(op); }))
    return WeightRole::Down;
  return rests.lookup(linear).linears ? WeightRole::Other : WeightRole::Output;
}

llvm::DenseMap<Operation *, WeightPlace> Places::find() {
  measureRests();
  int64_t layers = 0;
  for (auto attention : block.getOps<AttentionOp>())
    layers = std::max(layers, rests[attention].attentions + 1);
  llvm::DenseMap<Operation *, WeightPlace> places;
  for (auto linear : block.getOps<LinearOp>()) {
    Consumers consumers = consumersOf(linear);
    WeightPlace &place = places[linear];
    place.role = roleOf(linear, consumers);
    // Counted from the end, so that a part that runs beside attention, and not
    // after it, has the same layer.
    int64_t after = rests[linear].attentions + !consumers.any();
    place.layer = std::max<int64_t>(0, layers - after);
    place.layers = layers;
    place.headsPerKey = consumers.headsPerKey;
  }
  return places;
}

WeightPlaces::WeightPlaces(ModuleOp module) {
  for (auto function : module.getOps<FunctionOpInterface>())
    for (Block &block : function.getFunctionBody())
      for (auto [linear, place] : Places(block).find())
        linears.try_emplace(linear, place);
}

WeightPlace WeightPlaces::placeOf(const WeightUses &uses) const {
  WeightPlace place;
  for (OpOperand *use : uses.matrixUses) {
    auto found = linears.find(use->getOwner());
    if (found != linears.end() && place.role == WeightRole::Other)
      place = found->second;
  }
  if (uses.isTable)
    place.role = llvm::any_of(uses.matrixUses,
                              [](OpOperand *use) {
                                return isa<LinearOp>(use->getOwner());
                              })
                     ? WeightRole::Output
                     : WeightRole::Table;
  return place;
}
