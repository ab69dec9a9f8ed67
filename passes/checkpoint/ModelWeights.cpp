//===- ModelWeights.cpp - the weights that exporters write ----------------===//

#include "passes/checkpoint/ModelWeights.h"
#include "passes/quantize/ColumnOrder.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace lq;
using namespace lq::checkpoint;

/// The order in which a linear's input is permuted before it reads a weight.
static WeightOp findOrder(OpOperand *use) {
  auto linear = dyn_cast<LinearOp>(use->getOwner());
  auto permute = linear ? linear.getX().getDefiningOp<PermuteOp>() : nullptr;
  return permute ? findOrderWeight(permute) : nullptr;
}

std::vector<NamedWeight> checkpoint::nameWeights(ModuleOp module,
                                                 NameOf nameOf) {
  Roles roles = findRoles(module);
  std::vector<NamedWeight> result;
  llvm::StringSet<> names;
  auto add = [&](const WeightUses &uses, OpOperand *use, bool isMatrix) {
    RoleNames role = roles.lookup(use);
    if (!isMatrix && role.empty())
      return;
    bool isHead = !role.empty() && role.front() == "lm_head.weight";
    if (isHead && uses.isTable)
      return;
    WeightOp weight = uses.weight;
    std::string name = nameOf(weight.getSymName(), role);
    if (name.empty() || names.insert(name).second)
      result.push_back({weight, std::move(name), isHead,
                        isMatrix ? findOrder(use) : WeightOp()});
  };
  for (const WeightUses &uses : collectWeightUses(module)) {
    for (OpOperand *use : uses.matrixUses)
      add(uses, use, /*isMatrix=*/true);
    for (OpOperand *use : uses.otherUses)
      add(uses, use, /*isMatrix=*/false);
  }
  return result;
}
