//===- WeightUses.cpp - who reads a weight, and as what -------------------===//

#include "passes/quantize/WeightUses.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace lq;

/// Whether the operand may have any encoding.
static bool isMatrixUse(OpOperand &use) {
  if (auto linear = dyn_cast<LinearOp>(use.getOwner()))
    return &use == &linear.getWeightMutable();
  if (auto embedding = dyn_cast<EmbeddingOp>(use.getOwner()))
    return &use == &embedding.getTableMutable();
  return false;
}

static void addUses(WeightUses &uses, GetOp get) {
  uses.gets.push_back(get);
  for (OpOperand &use : get.getResult().getUses()) {
    (isMatrixUse(use) ? uses.matrixUses : uses.otherUses).push_back(&use);
    uses.isTable |= isa<EmbeddingOp>(use.getOwner()) && isMatrixUse(use);
  }
}

std::vector<WeightUses> lq::collectWeightUses(ModuleOp module) {
  llvm::MapVector<StringRef, WeightUses> all;
  for (auto weight : module.getOps<WeightOp>())
    all[weight.getSymName()].weight = weight;
  module.walk([&](GetOp get) {
    auto *found = all.find(get.getWeight());
    if (found != all.end())
      addUses(found->second, get);
  });
  std::vector<WeightUses> result;
  for (auto &[name, uses] : all)
    result.push_back(std::move(uses));
  return result;
}

static void setAddress(WeightOp weight, const WeightAddress &address) {
  weight.setType(address.type);
  weight.setFile(address.file);
  weight.setOffset(address.offset);
  weight.setTransposed(false);
}

void lq::eraseUnusedGets(WeightUses &uses) {
  llvm::erase_if(uses.gets, [](GetOp get) {
    if (!get.getResult().use_empty())
      return false;
    get.erase();
    return true;
  });
}

void lq::moveWeight(WeightUses &uses, const WeightAddress &address) {
  setAddress(uses.weight, address);
  for (GetOp get : uses.gets)
    get.getResult().setType(address.type);
}

void lq::moveMatrixUses(WeightUses &uses, const WeightAddress &address,
                        SymbolTable &symbols, StringRef suffix) {
  if (uses.otherUses.empty())
    return moveWeight(uses, address);
  WeightOp added = uses.weight.clone();
  setAddress(added, address);
  added.setSymName((uses.weight.getSymName() + "." + suffix).str());
  symbols.insert(added, std::next(uses.weight->getIterator()));
  llvm::DenseMap<Operation *, Value> gets;
  for (OpOperand *use : uses.matrixUses) {
    Value &get = gets[use->get().getDefiningOp()];
    if (!get) {
      OpBuilder builder(use->get().getDefiningOp());
      get = GetOp::create(builder, use->get().getLoc(), address.type,
                          added.getSymName());
    }
    use->set(get);
  }
  eraseUnusedGets(uses);
}
