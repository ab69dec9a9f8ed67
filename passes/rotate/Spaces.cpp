//===- Spaces.cpp - values that one rotation serves -----------------------===//
//
// Operations join the values that one rotation has to serve; what they do to
// single elements is an obstacle to all values that are joined with theirs.
//
//===----------------------------------------------------------------------===//

#include "passes/rotate/Spaces.h"
#include "passes/quantize/WeightSource.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/TypeSwitch.h"

#include <numeric>

using namespace mlir;
using namespace lq;

WeightOp lq::findWeight(Value value) {
  auto get = value.getDefiningOp<GetOp>();
  return get ? SymbolTable::lookupNearestSymbolFrom<WeightOp>(
                   get, get.getWeightAttr())
             : nullptr;
}

/// Elements of the last dimension; 0 for what holds no vectors of numbers.
static int64_t lastDimension(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() == 0 || !isa<FloatType>(type.getElementType()) ||
      type.isDynamicDim(type.getRank() - 1))
    return 0;
  return type.getShape().back();
}

namespace {

/// The analysis of a module.
class SpaceFinder {
public:
  explicit SpaceFinder(ModuleOp module) : module(module) {}
  Spaces find(llvm::function_ref<bool(const Space &)> wanted);

private:
  void visitBlock(Block &body, Operation *function);
  void visit(Operation *op);
  void visitLinear(LinearOp linear);
  void visitEmbedding(EmbeddingOp embedding);
  void visitNorm(RmsNormOp norm);
  void visitAttention(AttentionOp attention);
  void visitLoops(linalg::GenericOp generic);
  void visitSlice(tensor::ExtractSliceOp slice);
  void visitUnknown(Operation *op, StringRef what);

  void join(Value from, Value to);
  void add(Operation *op, ArrayRef<Value> terms, Value result);
  void block(Value value, Operation *op, const Twine &reason);
  bool checkWeight(Value weight, Value space, Operation *op);

  int spaceOf(Value value) const { return numbers.lookup(find(value)); }
  void *find(Value value) const {
    return joined.getLeaderValue(value.getAsOpaquePointer());
  }
  void measure(Spaces &spaces);
  void addTransforms(Spaces &spaces,
                     llvm::function_ref<bool(int)> isRotated) const;

  ModuleOp module;
  llvm::EquivalenceClasses<void *> joined;
  /// All values with vectors, in the order of the operations.
  std::vector<Value> values;
  /// The norm whose gamma is in a value.
  llvm::DenseMap<Value, RmsNormOp> norms;
  std::vector<std::pair<Value, Obstacle>> obstacles;
  std::vector<LinearOp> linears;
  std::vector<EmbeddingOp> embeddings;
  std::vector<Value> additions, attentions;
  llvm::DenseMap<void *, int> numbers;
};

} // namespace

void SpaceFinder::block(Value value, Operation *op, const Twine &reason) {
  if (lastDimension(value) != 0)
    obstacles.push_back({value, {op, reason.str()}});
}

/// `to` holds the vectors of `from`, gamma included.
void SpaceFinder::join(Value from, Value to) {
  joined.unionSets(from.getAsOpaquePointer(), to.getAsOpaquePointer());
  if (RmsNormOp norm = norms.lookup(from))
    norms[to] = norm;
}

/// A sum: the gamma of a norm cannot go behind it.
void SpaceFinder::add(Operation *op, ArrayRef<Value> terms, Value result) {
  for (Value term : terms) {
    if (norms.lookup(term))
      block(term, op,
            "the result of an RMS norm is added, so that its gamma cannot move "
            "into the weights behind it");
    joined.unionSets(term.getAsOpaquePointer(), result.getAsOpaquePointer());
  }
  additions.push_back(result);
}

/// Whether the operand is a weight that can be rotated.
bool SpaceFinder::checkWeight(Value weight, Value space, Operation *op) {
  WeightOp found = findWeight(weight);
  if (!found) {
    block(space, op, "a matrix or bias is not a weight of the model");
    return false;
  }
  if (WeightSource::isReadable(found.getTensorType()))
    return true;
  block(space, op,
        "weight @" + found.getSymName() +
            " is quantized already; rotate before quantizing");
  return false;
}

void SpaceFinder::visitLinear(LinearOp linear) {
  bool usable = true;
  for (Value space : {linear.getX(), linear.getResult()})
    usable &= checkWeight(linear.getWeight(), space, linear);
  if (linear.getBias())
    usable &= checkWeight(linear.getBias(), linear.getResult(), linear);
  // Where heads were joined behind a norm, gamma is repeated.
  if (RmsNormOp norm = norms.lookup(linear.getX()))
    if (lastDimension(linear.getX()) % lastDimension(norm.getGamma()) != 0)
      block(linear.getX(), linear,
            "the gamma of an RMS norm has other elements than the columns");
  if (usable)
    linears.push_back(linear);
}

void SpaceFinder::visitEmbedding(EmbeddingOp embedding) {
  if (checkWeight(embedding.getTable(), embedding.getResult(), embedding))
    embeddings.push_back(embedding);
}

/// Without gamma the norm of Q x is Q times that of x.
void SpaceFinder::visitNorm(RmsNormOp norm) {
  if (norms.lookup(norm.getX()))
    block(norm.getX(), norm, "an RMS norm follows another");
  joined.unionSets(norm.getX().getAsOpaquePointer(),
                   norm.getResult().getAsOpaquePointer());
  norms[norm.getResult()] = norm;
  checkWeight(norm.getGamma(), norm.getX(), norm);
}

/// The result is a mean of values; queries and keys are compared element by
/// element.
void SpaceFinder::visitAttention(AttentionOp attention) {
  join(attention.getV(), attention.getResult());
  attentions.push_back(attention.getResult());
  if (norms.lookup(attention.getV()))
    block(attention.getV(), attention,
          "the gamma of an RMS norm cannot pass an attention");
  if (attention.getMask())
    block(attention.getMask(), attention, "attention reads it as a mask");
  block(attention.getQ(), attention, "attention reads it as queries");
  block(attention.getK(), attention, "attention reads it as keys");
}

namespace {
/// What the body of a loop nest makes of the elements of its inputs: nothing
/// but sums of them and products with numbers that all elements share.
class LinearBody {
public:
  explicit LinearBody(linalg::GenericOp generic) : generic(generic) {}
  bool check();
  /// Inputs that the result is a sum of, and those of shared numbers.
  llvm::SmallVector<Value> terms, scalars;

private:
  bool readInputs();
  bool checkOp(Operation &op);
  bool isVector(Value value) const { return vectors.contains(value); }
  bool isScalar(Value value) const {
    return !isVector(value) && !others.contains(value);
  }

  linalg::GenericOp generic;
  llvm::DenseSet<Value> vectors, others;
};
} // namespace

/// Inputs that run along the last dimension as the result does are vectors;
/// those that do not run along it at all are scalars.
bool LinearBody::readInputs() {
  AffineMap result =
      generic.getMatchingIndexingMap(generic.getDpsInitOperand(0));
  if (!result.isPermutation())
    return false;
  AffineExpr last = result.getResults().back();
  for (OpOperand *input : generic.getDpsInputOperands()) {
    AffineMap map = generic.getMatchingIndexingMap(input);
    bool along = llvm::is_contained(map.getResults(), last);
    bool isLast = map.getNumResults() && map.getResults().back() == last;
    Value argument = generic.getMatchingBlockArgument(input);
    if (!along) {
      scalars.push_back(input->get());
      continue;
    }
    if (!map.isProjectedPermutation() || !isLast ||
        lastDimension(input->get()) != lastDimension(generic.getResult(0)))
      return false;
    vectors.insert(argument);
    terms.push_back(input->get());
  }
  others.insert(generic.getBody()->getArguments().back());
  return !terms.empty();
}

bool LinearBody::checkOp(Operation &op) {
  auto are = [&](auto first, auto second) {
    return (this->*first)(op.getOperand(0)) &&
           (this->*second)(op.getOperand(1));
  };
  auto vector = &LinearBody::isVector, scalar = &LinearBody::isScalar;
  bool isSum = isa<arith::AddFOp, arith::SubFOp>(op) && are(vector, vector);
  bool isProduct = (isa<arith::MulFOp>(op) &&
                    (are(vector, scalar) || are(scalar, vector))) ||
                   (isa<arith::DivFOp>(op) && are(vector, scalar));
  bool isNegative = isa<arith::NegFOp>(op) && isVector(op.getOperand(0));
  if (isSum || isProduct || isNegative) {
    vectors.insert(op.getResult(0));
    return true;
  }
  // Whatever is made of scalars is one, unless it depends on the position.
  return !isa<linalg::IndexOp>(op) && op.getNumRegions() == 0 &&
         llvm::all_of(op.getOperands(),
                      [&](Value value) { return isScalar(value); });
}

bool LinearBody::check() {
  if (generic.getNumResults() != 1 || generic.getNumReductionLoops() != 0 ||
      !readInputs())
    return false;
  for (Operation &op : generic.getBody()->without_terminator())
    if (!checkOp(op))
      return false;
  return isVector(generic.getBody()->getTerminator()->getOperand(0));
}

void SpaceFinder::visitLoops(linalg::GenericOp generic) {
  LinearBody body(generic);
  if (!body.check())
    return visitUnknown(generic, "loops work on single elements");
  // Numbers that all elements of a result share may be elements of a vector.
  for (Value scalar : body.scalars)
    block(scalar, generic, "loops work on single elements");
  if (body.terms.size() == 1)
    return join(body.terms.front(), generic.getResult(0));
  add(generic, body.terms, generic.getResult(0));
}

void SpaceFinder::visitSlice(tensor::ExtractSliceOp slice) {
  RankedTensorType from = slice.getSourceType();
  bool whole = slice.getStaticSizes().back() == from.getShape().back() &&
               slice.getStaticOffsets().back() == 0 &&
               slice.getStaticStrides().back() == 1;
  if (!whole)
    return visitUnknown(slice, "a slice takes a part of the elements");
  join(slice.getSource(), slice.getResult());
}

/// Nothing is known of what the operation does to the elements.
void SpaceFinder::visitUnknown(Operation *op, StringRef what) {
  for (Value operand : op->getOperands())
    block(operand, op, what);
  for (Value result : op->getResults())
    block(result, op, what);
}

void SpaceFinder::visit(Operation *op) {
  for (Value result : op->getResults())
    if (lastDimension(result) != 0) {
      joined.insert(result.getAsOpaquePointer());
      values.push_back(result);
    }
  llvm::TypeSwitch<Operation *>(op)
      .Case([&](LinearOp linear) { visitLinear(linear); })
      .Case([&](EmbeddingOp embedding) { visitEmbedding(embedding); })
      .Case([&](RmsNormOp norm) { visitNorm(norm); })
      .Case([&](AttentionOp attention) { visitAttention(attention); })
      .Case([&](AppendOp append) { join(append.getX(), append.getResult()); })
      .Case([&](linalg::GenericOp generic) { visitLoops(generic); })
      .Case([&](tensor::ExtractSliceOp slice) { visitSlice(slice); })
      .Case<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(
          [&](auto reshape) { join(reshape.getSrc(), reshape.getResult()); })
      .Case<arith::AddFOp, arith::SubFOp>([&](auto sum) {
        add(sum, {sum.getLhs(), sum.getRhs()}, sum.getResult());
      })
      // Linears and norms do not join their weights with their values.
      .Case([&](GetOp get) { visitUnknown(get, "a weight is read as it is"); })
      .Case([](tensor::EmptyOp) {})
      .Case([&](LayerNormOp norm) {
        visitUnknown(norm, "a layer norm subtracts the mean of the elements");
      })
      .Default([&](Operation *other) {
        visitUnknown(other, other->hasTrait<OpTrait::IsTerminator>()
                                ? "it is a result of the model"
                                : "an operation works on single elements");
      });
}

/// Numbers the spaces and gathers what is known of each.
void SpaceFinder::measure(Spaces &spaces) {
  for (Value value : values) {
    auto [found, isNew] = numbers.try_emplace(find(value), spaces.all.size());
    if (isNew)
      spaces.all.emplace_back();
    Space &space = spaces.all[found->second];
    space.size = std::gcd(space.size, lastDimension(value));
  }
  for (auto &[value, obstacle] : obstacles)
    if (Space &space = spaces.all[spaceOf(value)]; !space.obstacle.op)
      space.obstacle = obstacle;
  for (Value value : additions)
    spaces.all[spaceOf(value)].hasAddition = true;
  for (Value value : attentions)
    spaces.all[spaceOf(value)].hasAttention = true;
  for (LinearOp linear : linears) {
    spaces.all[spaceOf(linear.getX())].reads = true;
    spaces.all[spaceOf(linear.getResult())].writes = true;
  }
  for (EmbeddingOp embedding : embeddings)
    spaces.all[spaceOf(embedding.getResult())].writes = true;
}

void SpaceFinder::addTransforms(Spaces &spaces,
                                llvm::function_ref<bool(int)> isRotated) const {
  auto rotated = [&](Value value) {
    int space = spaceOf(value);
    return isRotated(space) ? space : -1;
  };
  for (EmbeddingOp embedding : embeddings)
    if (int space = rotated(embedding.getResult()); space >= 0)
      spaces.transforms[&embedding.getTableMutable()].columns = space;
  for (LinearOp linear : linears) {
    WeightTransform transform;
    transform.rows = rotated(linear.getResult());
    transform.columns = rotated(linear.getX());
    if (transform.rows < 0 && transform.columns < 0)
      continue;
    if (transform.columns >= 0)
      transform.norm = norms.lookup(linear.getX());
    spaces.transforms[&linear.getWeightMutable()] = transform;
    if (linear.getBias() && transform.rows >= 0)
      spaces.transforms[linear.getBiasMutable().begin()].rows = transform.rows;
    if (transform.norm)
      spaces.transforms[&transform.norm.getGammaMutable()].becomesOnes = true;
  }
}

void SpaceFinder::visitBlock(Block &body, Operation *function) {
  for (BlockArgument argument : body.getArguments())
    if (lastDimension(argument) != 0) {
      joined.insert(argument.getAsOpaquePointer());
      values.push_back(argument);
      block(argument, function, "it is an input of the model");
    }
  for (Operation &op : body) {
    visit(&op);
    // Nested regions may do anything with what they read.
    for (Region &region : op.getRegions())
      region.walk([&](Operation *nested) {
        for (Value operand : nested->getOperands())
          if (operand.getParentBlock() == &body)
            block(operand, nested, "a nested region reads it");
      });
  }
}

Spaces SpaceFinder::find(llvm::function_ref<bool(const Space &)> wanted) {
  for (auto function : module.getOps<FunctionOpInterface>())
    for (Block &body : function.getFunctionBody())
      visitBlock(body, function);
  Spaces spaces;
  measure(spaces);
  addTransforms(spaces, [&](int space) {
    return spaces.all[space].isRotatable() && wanted(spaces.all[space]);
  });
  return spaces;
}

Spaces lq::findSpaces(ModuleOp module,
                      llvm::function_ref<bool(const Space &)> wanted) {
  return SpaceFinder(module).find(wanted);
}
