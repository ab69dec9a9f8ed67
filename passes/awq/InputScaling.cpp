//===- InputScaling.cpp - where a scale of linears' inputs folds ----------===//

#include "passes/awq/InputScaling.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/awq/ElementClasses.h"
#include "passes/quantize/ColumnOrder.h"
#include "passes/quantize/WeightSource.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace lq;

/// The weight that the value is, or null.
static WeightOp weightOf(Value value) {
  auto get = value.getDefiningOp<GetOp>();
  return get ? SymbolTable::lookupNearestSymbolFrom<WeightOp>(
                   get, get.getWeightAttr())
             : nullptr;
}

/// Whether embeddings look the weight up as well.
static bool isTable(Value weight) {
  auto get = weight.getDefiningOp<GetOp>();
  auto uses = SymbolTable::getSymbolUses(get.getWeightAttr().getAttr(),
                                         get->getParentOfType<ModuleOp>());
  return uses && llvm::any_of(*uses, [](const SymbolTable::SymbolUse &use) {
           return llvm::any_of(use.getUser()->getUsers(), [](Operation *user) {
             return isa<EmbeddingOp>(user);
           });
         });
}

namespace {

/// Follows one input back to what makes it.
class FoldFinder {
public:
  FoldFinder(ScalableInput &input, WeightFiles &files)
      : input(input), files(files),
        columns(input.linears.front().getX().getType().getShape().back()),
        frozen(static_cast<int32_t>(columns)), classes(frozen + 1) {}

  /// Fills in the input's classes and folds, or its obstacle. Fails with a
  /// diagnostic if a file cannot be read.
  LogicalResult find();

private:
  bool fail(const llvm::Twine &what) {
    input.obstacle = what.str();
    return false;
  }
  bool checkReaders();
  bool follow(OpOperand &operand, ElementClasses elements);
  bool visit(Value value, ElementClasses elements);
  bool visitAttention(AttentionOp attention, ElementClasses elements);
  bool visitPermute(PermuteOp permute, ElementClasses elements);
  bool visitSlice(tensor::ExtractSliceOp slice, ElementClasses elements);
  bool visitProduct(linalg::GenericOp generic, ElementClasses elements);
  bool split(Value source, ArrayRef<ReassociationIndices> groups,
             ElementClasses &elements);
  bool merge(Value result, ArrayRef<ReassociationIndices> groups,
             ElementClasses &elements);
  bool fold(MutableArrayRef<OpOperand> weights, Value result,
            ElementClasses elements);
  void number();

  ScalableInput &input;
  WeightFiles &files;
  int64_t columns;
  /// The class of elements that nothing may be divided out of.
  int32_t frozen;
  ClassUnion classes;
  bool isBroken = false;
};

} // namespace

/// Whether the linears are all that read the input, and their weights can be
/// scaled.
bool FoldFinder::checkReaders() {
  for (Operation *user : input.x.getUsers())
    if (!isa<LinearOp, tensor::DimOp>(user))
      return fail("it is read by " + user->getName().getStringRef() +
                  " as well");
  for (LinearOp linear : input.linears) {
    WeightOp weight = weightOf(linear.getWeight());
    if (!weight || linear.getWeight() == input.x)
      return fail("it is multiplied by what is no weight");
    if (!WeightSource::isReadable(weight.getTensorType()))
      return fail("weight @" + weight.getSymName() + " is encoded already");
    if (isTable(linear.getWeight()))
      return fail("weight @" + weight.getSymName() +
                  " is a table of embeddings too");
  }
  return true;
}

LogicalResult FoldFinder::find() {
  ElementClasses elements;
  elements.sizes.assign(cast<RankedTensorType>(input.x.getType()).getRank(), 1);
  elements.sizes.back() = columns;
  for (int32_t i = 0; i < frozen; ++i)
    elements.of.push_back(i);
  if (checkReaders() && visit(input.x, std::move(elements)))
    number();
  if (!input.obstacle.empty())
    input.folds.clear();
  return failure(isBroken);
}

/// Numbers the classes that are left.
void FoldFinder::number() {
  std::vector<int32_t> numbers(columns + 1, -1);
  int32_t none = classes.find(frozen);
  for (int32_t i = 0; i < frozen; ++i) {
    int32_t id = classes.find(i);
    if (id != none && numbers[id] < 0)
      numbers[id] = input.classCount++;
    input.classes.push_back(numbers[id]);
  }
  for (ScaleFold &fold : input.folds)
    for (int32_t &id : fold.classes)
      id = numbers[classes.find(id)];
  if (input.classCount == 0)
    fail("none of its columns can have a scale of its own");
}

bool FoldFinder::follow(OpOperand &operand, ElementClasses elements) {
  for (OpOperand &use : operand.get().getUses())
    if (&use != &operand && !isa<tensor::DimOp>(use.getOwner()))
      return fail("what it is made from is read by " +
                  use.getOwner()->getName().getStringRef() + " as well");
  return visit(operand.get(), std::move(elements));
}

bool FoldFinder::visit(Value value, ElementClasses elements) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return fail("it is made from an input of the model");
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](LinearOp linear) {
        return fold(op->getOpOperands().drop_front(), value,
                    std::move(elements));
      })
      .Case<RmsNormOp, LayerNormOp>([&](auto) {
        return fold(op->getOpOperands().drop_front(), value,
                    std::move(elements));
      })
      .Case([&](GluOp glu) {
        return follow(glu.getUpMutable(), std::move(elements));
      })
      .Case([&](ActivationOp activation) {
        // The one that keeps positive factors.
        if (activation.getKind() != ActivationKind::Relu)
          return fail(
              "it is made by an activation function that is not linear");
        return follow(activation.getXMutable(), std::move(elements));
      })
      .Case([&](AttentionOp attention) {
        return visitAttention(attention, std::move(elements));
      })
      .Case([&](AppendOp append) {
        return follow(append.getXMutable(), std::move(elements));
      })
      .Case([&](PermuteOp permute) {
        return visitPermute(permute, std::move(elements));
      })
      .Case([&](tensor::CastOp cast) {
        return follow(cast.getSourceMutable(), std::move(elements));
      })
      .Case([&](tensor::CollapseShapeOp collapse) {
        return split(collapse.getSrc(), collapse.getReassociationIndices(),
                     elements) &&
               follow(collapse.getSrcMutable(), std::move(elements));
      })
      .Case([&](tensor::ExpandShapeOp expand) {
        return merge(value, expand.getReassociationIndices(), elements) &&
               follow(expand.getSrcMutable(), std::move(elements));
      })
      .Case([&](tensor::ExtractSliceOp slice) {
        return visitSlice(slice, std::move(elements));
      })
      .Case([&](linalg::TransposeOp transpose) {
        // Dimension i of the result is dimension permutation[i] of the source.
        elements.transpose(transpose.getPermutation());
        return follow(transpose.getInputMutable(), std::move(elements));
      })
      .Case([&](linalg::GenericOp generic) {
        return visitProduct(generic, std::move(elements));
      })
      .Default([&](Operation *other) {
        return fail("it is made by " + other->getName().getStringRef());
      });
}

/// Divides the rows of a matrix and a bias, or the elements of a norm's weight and
/// bias, by what the last dimension of the result is to be divided by.
bool FoldFinder::fold(MutableArrayRef<OpOperand> weights, Value result,
                      ElementClasses elements) {
  unsigned last = elements.sizes.size() - 1;
  for (unsigned dim = 0; dim < last; ++dim)
    elements.collapse(dim, classes);
  elements.expand(last,
                  cast<RankedTensorType>(result.getType()).getDimSize(last));
  for (OpOperand &use : weights) {
    WeightOp weight = weightOf(use.get());
    if (!weight)
      return fail("it is made by " + use.getOwner()->getName().getStringRef() +
                  " of what is no weight");
    if (!WeightSource::isReadable(weight.getTensorType()))
      return fail("weight @" + weight.getSymName() +
                  ", which makes it, is encoded already");
    input.folds.push_back({&use, elements.of});
  }
  return true;
}

/// Heads of queries that share a head of values share its scales.
bool FoldFinder::visitAttention(AttentionOp attention,
                                ElementClasses elements) {
  auto heads = attention.getType().getDimSize(2);
  auto size = attention.getType().getDimSize(3);
  auto valueHeads = attention.getV().getType().getDimSize(2);
  if (ShapedType::isDynamic(heads) || ShapedType::isDynamic(size) ||
      ShapedType::isDynamic(valueHeads) || elements.sizes[0] != 1 ||
      elements.sizes[1] != 1)
    return fail("it is made by an attention whose heads are not known");
  elements.expand(2, heads);
  elements.expand(3, size);
  elements.sizes.assign({1, 1, valueHeads, heads / valueHeads, size});
  elements.collapse(3, classes);
  elements.sizes.assign({1, 1, valueHeads, size});
  return follow(attention.getVMutable(), std::move(elements));
}

bool FoldFinder::visitPermute(PermuteOp permute, ElementClasses elements) {
  WeightOp weight = findOrderWeight(permute);
  if (!weight)
    return fail("it is made by lq.permute of what is no weight");
  FailureOr<std::vector<int32_t>> order = readOrder(weight, files);
  isBroken |= failed(order);
  if (failed(order))
    return fail("it is made by lq.permute");
  unsigned last = elements.sizes.size() - 1;
  auto size = static_cast<int64_t>(order->size());
  elements.expand(last, size);
  std::vector<int32_t> source(elements.of.size());
  for (size_t row = 0; row < source.size(); row += size)
    for (int64_t j = 0; j < size; ++j)
      source[row + (*order)[j]] = elements.of[row + j];
  elements.of = std::move(source);
  return follow(permute.getXMutable(), std::move(elements));
}

/// Turns the classes of a collapsed tensor into those of its source.
bool FoldFinder::split(Value source, ArrayRef<ReassociationIndices> groups,
                       ElementClasses &elements) {
  auto type = cast<RankedTensorType>(source.getType());
  SmallVector<int64_t> sizes(type.getRank(), 1);
  for (auto [size, group] : llvm::zip_equal(elements.sizes, groups))
    for (int64_t dim : group)
      if (size != 1) {
        if (type.isDynamicDim(dim))
          return fail("it is made by a reshape of dynamic sizes");
        sizes[dim] = type.getDimSize(dim);
      }
  elements.sizes = std::move(sizes);
  return true;
}

/// Turns the classes of an expanded tensor, `result`, into those of its source.
bool FoldFinder::merge(Value result, ArrayRef<ReassociationIndices> groups,
                       ElementClasses &elements) {
  auto type = cast<RankedTensorType>(result.getType());
  SmallVector<int64_t> sizes;
  for (const ReassociationIndices &group : groups) {
    int64_t size = 1;
    bool isUniform = llvm::all_of(
        group, [&](int64_t dim) { return elements.sizes[dim] == 1; });
    for (int64_t dim : group) {
      if (isUniform)
        continue;
      if (type.isDynamicDim(dim))
        return fail("it is made by a reshape of dynamic sizes");
      elements.expand(dim, type.getDimSize(dim));
      size *= type.getDimSize(dim);
    }
    sizes.push_back(size);
  }
  elements.sizes = std::move(sizes);
  return true;
}

/// Whether two slices of one tensor have no element in common.
static bool areDisjoint(tensor::ExtractSliceOp a, tensor::ExtractSliceOp b) {
  if (!a.hasUnitStride() || !b.hasUnitStride())
    return false;
  for (unsigned dim = 0; dim < a.getSourceType().getRank(); ++dim) {
    if (a.isDynamicOffset(dim) || a.isDynamicSize(dim) ||
        b.isDynamicOffset(dim) || b.isDynamicSize(dim))
      continue;
    if (a.getStaticOffset(dim) + a.getStaticSize(dim) <=
            b.getStaticOffset(dim) ||
        b.getStaticOffset(dim) + b.getStaticSize(dim) <= a.getStaticOffset(dim))
      return true;
  }
  return false;
}

/// A slice of columns lets other slices read the rest.
bool FoldFinder::visitSlice(tensor::ExtractSliceOp slice,
                            ElementClasses elements) {
  RankedTensorType source = slice.getSourceType();
  if (source.getRank() != slice.getType().getRank() || !slice.hasUnitStride())
    return fail("it is made by tensor.extract_slice with steps");
  for (unsigned dim = 0; dim < source.getRank(); ++dim) {
    if (!slice.isDynamicOffset(dim) && !slice.isDynamicSize(dim) &&
        !source.isDynamicDim(dim)) {
      if (slice.getStaticSize(dim) == source.getDimSize(dim))
        continue;
      elements.expand(dim, slice.getStaticSize(dim));
      elements.embed(dim, slice.getStaticOffset(dim), source.getDimSize(dim),
                     frozen);
    } else if (elements.sizes[dim] != 1) {
      return fail("it is made by tensor.extract_slice of dynamic sizes");
    }
  }
  for (OpOperand &use : slice.getSource().getUses()) {
    auto other = dyn_cast<tensor::ExtractSliceOp>(use.getOwner());
    if (isa<tensor::DimOp>(use.getOwner()) || other == slice ||
        (other && areDisjoint(slice, other)))
      continue;
    return fail("what it is a part of is read by " +
                use.getOwner()->getName().getStringRef() + " as well");
  }
  return visit(slice.getSource(), std::move(elements));
}

/// The operands of a body that multiplies two inputs element by element.
static SmallVector<OpOperand *> factorsOf(linalg::GenericOp generic) {
  Block &body = *generic.getBody();
  auto product = dyn_cast<arith::MulFOp>(body.front());
  if (!product || body.getOperations().size() != 2 ||
      body.getTerminator()->getOperand(0) != product.getResult())
    return {};
  SmallVector<OpOperand *> factors;
  for (Value operand : {product.getLhs(), product.getRhs()}) {
    auto argument = dyn_cast<BlockArgument>(operand);
    if (!argument ||
        argument.getArgNumber() >= generic.getDpsInputOperands().size())
      return {};
    OpOperand *input = generic.getDpsInputOperands()[argument.getArgNumber()];
    if (generic.getMatchingIndexingMap(input).isIdentity())
      factors.push_back(input);
  }
  return factors;
}

/// Of a product of two tensors either may be divided.
bool FoldFinder::visitProduct(linalg::GenericOp generic,
                              ElementClasses elements) {
  if (generic.getNumParallelLoops() != generic.getNumLoops() ||
      generic.getNumResults() != 1 ||
      !generic.getIndexingMapsArray().back().isIdentity())
    return fail("it is made by linalg.generic");
  fail("it is made by linalg.generic");
  ClassUnion before = classes;
  for (OpOperand *factor : factorsOf(generic)) {
    input.obstacle.clear();
    if (follow(*factor, elements))
      return true;
    classes = before;
    input.folds.clear();
  }
  return false;
}

FailureOr<std::vector<ScalableInput>>
lq::findScalableInputs(ModuleOp module, WeightFiles &files) {
  llvm::MapVector<Value, ScalableInput> inputs;
  module.walk([&](LinearOp linear) {
    ScalableInput &input = inputs[linear.getX()];
    input.x = linear.getX();
    input.linears.push_back(linear);
  });
  std::vector<ScalableInput> result;
  for (auto &[value, input] : inputs) {
    if (failed(FoldFinder(input, files).find()))
      return failure();
    result.push_back(std::move(input));
  }
  return result;
}
