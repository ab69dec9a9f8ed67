//===- Roles.cpp - What the inputs and outputs of a model are -------------===//

#include "passes/raise/Roles.h"
#include "dialects/onnx/OnnxDialect.h"
#include "passes/raise/eval/FittedShapes.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace lq::raise {

SmallVector<Value> Roles::sides() const {
  SmallVector<Value> all;
  for (Value side : {positions, mask, logitsToKeep})
    if (side)
      all.push_back(side);
  return all;
}

StringRef inputName(Value argument) {
  auto block = cast<BlockArgument>(argument);
  auto func = cast<func::FuncOp>(block.getOwner()->getParentOp());
  auto name =
      func.getArgAttrOfType<StringAttr>(block.getArgNumber(), "onnx.name");
  return name ? name.getValue() : StringRef();
}

/// `name` as an identifier, which the manifest's affine texts need.
static std::string identifier(StringRef name) {
  std::string text;
  for (char c : name)
    text += llvm::isAlnum(c) ? c : '_';
  if (text.empty() || llvm::isDigit(text.front()))
    text.insert(0, "d");
  return text;
}

Roles tensorRoles(func::FuncOp graph) {
  Roles roles;
  for (auto &[input, dimensions] : statedInputExtents(graph)) {
    SmallVector<Extent> renamed;
    for (const Extent &dimension : dimensions) {
      Extent extent = dimension.constant;
      for (auto &[symbol, coefficient] : dimension.terms)
        extent += Extent::symbol(identifier(symbol), coefficient);
      renamed.push_back(extent);
    }
    roles.extents[input] = renamed;
  }
  return roles;
}

//===----------------------------------------------------------------------===//
// Generative models
//===----------------------------------------------------------------------===//

namespace {

bool mentions(StringRef name, ArrayRef<StringRef> words) {
  return llvm::any_of(
      words, [&](StringRef word) { return name.contains_insensitive(word); });
}

bool isIntegerTensor(Value value, int64_t rank) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() == rank &&
         type.getElementType().isSignlessInteger() &&
         type.getElementTypeBitWidth() >= 32;
}

bool isFloatTensor(Value value, int64_t minimumRank) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() >= minimumRank &&
         isa<FloatType>(type.getElementType());
}

/// The arguments by what their names say they are. Names are a convention that
/// all exporters follow; nothing in the graph tells positions from ids.
void assignInputs(func::FuncOp graph, Roles &roles) {
  for (BlockArgument argument : graph.getArguments()) {
    StringRef name = inputName(argument);
    if (mentions(name, {"logits_to_keep"}) &&
        isa<RankedTensorType>(argument.getType()))
      roles.logitsToKeep = argument;
    else if (mentions(name, {"mask"}) && isIntegerTensor(argument, 2))
      roles.mask = argument;
    else if (mentions(name, {"position"}) && isIntegerTensor(argument, 2))
      roles.positions = argument;
    else if (isFloatTensor(argument, 4))
      roles.pasts.push_back(argument);
    else if (isIntegerTensor(argument, 2) &&
             (!roles.ids || mentions(name, {"input_ids"})))
      roles.ids = argument;
  }
}

/// The rows of the table that the ids select from; 0 if there is none.
int64_t embeddedTokens(Value ids) {
  for (Operation *user : ids.getUsers()) {
    auto node = dyn_cast<onnx::NodeOp>(user);
    if (!node)
      continue;
    if (node.is("Cast") || node.is("Reshape") || node.is("Identity")) {
      if (int64_t rows = embeddedTokens(node->getResult(0)))
        return rows;
    } else if (node.is("Gather") && node.getInputs()[1] == ids &&
               node.getInt("axis", 0) == 0) {
      auto table = dyn_cast<RankedTensorType>(node.getInputs()[0].getType());
      if (table && table.getRank() == 2 && table.hasStaticShape())
        return table.getDimSize(0);
    }
  }
  return 0;
}

/// The index of the logits among the results: the only tensor of floats with a
/// fixed last dimension and rank 3, or the one that is called so.
std::optional<unsigned> findLogits(func::FuncOp graph) {
  auto returned = graph.getBody().front().getTerminator()->getOperands();
  std::optional<unsigned> found;
  for (auto [index, value] : llvm::enumerate(returned)) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!isFloatTensor(value, 3) || type.getRank() != 3 || type.isDynamicDim(2))
      continue;
    auto name = graph.getResultAttrOfType<StringAttr>(index, "onnx.name");
    if (name && name.getValue() == "logits")
      return index;
    found = found ? found : std::optional<unsigned>(index);
  }
  return found;
}

/// The dimensions of past keys or values. The first of two that are not fixed
/// is the batch; the other one counts the positions.
SmallVector<Extent> pastExtents(ArrayRef<Extent> stated) {
  int64_t open = llvm::count_if(
      stated, [](const Extent &extent) { return !extent.isConstant(); });
  SmallVector<Extent> extents;
  for (const Extent &extent : stated) {
    if (extent.isConstant())
      extents.push_back(extent);
    else if (open-- > 1)
      extents.push_back(1);
    else
      extents.push_back(Extent::symbol(kPast));
  }
  return extents;
}

void assignExtents(Roles &roles, const InputExtents &stated) {
  Extent sequence = Extent::symbol(kSequence);
  Extent total = roles.hasPast() ? sequence + Extent::symbol(kPast) : sequence;
  roles.extents[roles.ids] = {1, sequence};
  if (roles.positions)
    roles.extents[roles.positions] = {1, sequence};
  if (roles.mask)
    roles.extents[roles.mask] = {1, total};
  for (Value past : roles.pasts)
    roles.extents[past] = pastExtents(stated.lookup(past));
  if (roles.logitsToKeep)
    roles.extents[roles.logitsToKeep] = SmallVector<Extent>(
        cast<RankedTensorType>(roles.logitsToKeep.getType()).getRank(), 1);
}

} // namespace

std::optional<Roles> generativeRoles(func::FuncOp graph) {
  Roles roles;
  roles.kind = ModelKind::Generative;
  assignInputs(graph, roles);
  std::optional<unsigned> logits = findLogits(graph);
  if (!roles.ids || !logits)
    return std::nullopt;
  roles.logits = *logits;
  Value value = graph.getBody().front().getTerminator()->getOperand(*logits);
  roles.vocabulary = cast<RankedTensorType>(value.getType()).getDimSize(2);
  if (!roles.hasPast() && embeddedTokens(roles.ids) != roles.vocabulary)
    return std::nullopt;
  assignExtents(roles, statedInputExtents(graph));
  for (BlockArgument argument : graph.getArguments())
    if (!roles.extents.contains(argument))
      return std::nullopt;
  return roles;
}

} // namespace lq::raise
