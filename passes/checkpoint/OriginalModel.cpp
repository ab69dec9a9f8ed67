//===- OriginalModel.cpp - the ONNX model that a module came from ---------===//

#include "passes/checkpoint/OriginalModel.h"
#include "dialects/common/ModuleWeights.h"
#include "dialects/common/WeightArchive.h"
#include "dialects/onnx/Import.h"
#include "dialects/onnx/transforms/Passes.h"
#include "passes/quantize/ColumnOrder.h"
#include "passes/raise/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace lq;
using namespace lq::checkpoint;

/// The options by which the module was raised, as far as it tells.
static LqRaisePassOptions raiseOptions(ModuleOp module, StringRef folder) {
  LqRaisePassOptions options;
  options.archive = (folder + "/raise.weights").str();
  auto model = module->getAttrOfType<DictionaryAttr>("lq.model");
  if (!model)
    return options;
  if (auto kind = model.getAs<StringAttr>("kind"))
    options.kind = kind.str();
  if (auto context = model.getAs<IntegerAttr>("context"))
    options.context = context.getInt();
  int64_t largest = 0;
  for (auto dimension : module.getOps<DimensionOp>())
    if (options.kind == "tensors" || dimension.getSymName() == "sequence")
      largest = std::max(largest, static_cast<int64_t>(dimension.getMax()));
  if (largest > 0)
    options.maxSequence = largest;
  return options;
}

llvm::Error OriginalModel::raise(ModuleOp module, StringRef folder) {
  auto found = onnx::findModel(path);
  if (!found)
    return found.takeError();
  path = *found;
  std::string problem;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (problem.empty() &&
        diagnostic.getSeverity() == DiagnosticSeverity::Error)
      problem = diagnostic.str();
    return success();
  });
  auto fail = [&] {
    return llvm::createStringError("cannot raise " + quoted(path) +
                                   " as the module was: " + problem);
  };
  auto archive = WeightArchive::create((folder + "/import.weights").str());
  if (!archive)
    return archive.takeError();
  onnx::ImportOptions import;
  import.archive = archive->get();
  import.outputFolder = folder.str();
  raised = onnx::importOnnx(path, context, import);
  if (!raised)
    return fail();
  if (llvm::Error error = (*archive)->commit())
    return error;
  // Passes find archives through the place of the module's text.
  raised->getOperation()->setLoc(
      FileLineColLoc::get(&context, (folder + "/model.mlir").str(), 1, 1));
  PassManager passes(&context);
  passes.addPass(onnx::createInlineFunctionsPass());
  passes.addPass(onnx::createFoldConstantIfPass());
  passes.addPass(createLqRaisePass(raiseOptions(module, folder)));
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  if (failed(passes.run(*raised)))
    return fail();
  auto files = openWeightFiles(*raised);
  if (!files)
    return files.takeError();
  weightFiles = std::move(*files);
  return llvm::Error::success();
}

std::unique_ptr<OriginalModel>
OriginalModel::open(ModuleOp module, StringRef path, StringRef folder) {
  std::unique_ptr<OriginalModel> result(new OriginalModel());
  result->path = path.str();
  if (llvm::Error error = result->raise(module, folder)) {
    emitError(module.getLoc()) << llvm::toString(std::move(error));
    return nullptr;
  }
  return result;
}

/// The number in "graph.FIELD[number]..." that a location begins with; -1 if it
/// is another.
static int placeIn(Location location, StringRef field) {
  auto name = location->findInstanceOf<NameLoc>();
  StringRef text = name ? name.getName().getValue() : StringRef();
  int number = -1;
  if (!text.consume_front("graph.") || !text.consume_front(field) ||
      !text.consume_front("[") || text.consumeInteger(10, number) ||
      !text.starts_with("]"))
    return -1;
  return number;
}

int OriginalModel::initializerOf(WeightOp original) {
  return placeIn(original.getLoc(), "initializer");
}

namespace {

/// Walks two modules of different contexts side by side.
class Pairing {
public:
  Pairing(ModuleOp module, ModuleOp original)
      : module(module), original(original) {}

  FailureOr<std::vector<WeightPair>> run();

private:
  LogicalResult pairOperations(Operation *op, Operation *from);
  LogicalResult pairOperands(Operation *op, Operation *from);
  void define(ValueRange values, ValueRange from) {
    for (auto [value, other] : llvm::zip_equal(values, from))
      same[value] = other;
  }
  LogicalResult differ(Operation *op, const Twine &how) {
    return op->emitError() << "cannot tell where the ONNX model has the "
                              "module's weights: "
                           << how
                           << "; export a module that was raised from this "
                              "model and not rewritten since";
  }

  ModuleOp module, original;
  llvm::DenseMap<Value, Value> same;
  std::vector<WeightPair> pairs;
};

/// All operations of @main, those inside others too, but for those that get
/// weights, of which passes make more or fewer, and orders of linears' inputs.
std::vector<Operation *> listOperations(ModuleOp module) {
  std::vector<Operation *> list;
  if (auto main = module.lookupSymbol<func::FuncOp>("main"))
    main.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (!isa<GetOp, PermuteOp>(op))
        list.push_back(op);
    });
  return list;
}

std::string textOf(Attribute attribute) {
  std::string text;
  llvm::raw_string_ostream(text) << attribute;
  return text;
}

} // namespace

LogicalResult Pairing::pairOperands(Operation *op, Operation *from) {
  for (unsigned i = 0; i < op->getNumOperands(); ++i) {
    auto get = op->getOperand(i).getDefiningOp<GetOp>();
    auto other = from->getOperand(i).getDefiningOp<GetOp>();
    auto permute = op->getOperand(i).getDefiningOp<PermuteOp>();
    Value value = permute ? permute.getX() : op->getOperand(i);
    if (!get && !other && same.lookup(value) == from->getOperand(i))
      continue;
    if (!get || !other)
      return differ(op, "operand " + Twine(i) + " is another value");
    auto weight = module.lookupSymbol<WeightOp>(get.getWeightAttr());
    auto old = original.lookupSymbol<WeightOp>(other.getWeightAttr());
    if (!weight || !old ||
        weight.getTensorType().getShape() != old.getTensorType().getShape())
      return differ(op,
                    "operand " + Twine(i) + " is a weight of another shape");
    auto linear = dyn_cast<LinearOp>(op);
    bool isMatrix = linear && linear.getWeightMutable().getOperandNumber() == i;
    int product = isMatrix ? placeIn(from->getLoc(), "node") : -1;
    auto ordered =
        isMatrix ? linear.getX().getDefiningOp<PermuteOp>() : nullptr;
    pairs.push_back({weight, old, product,
                     ordered ? findOrderWeight(ordered) : WeightOp()});
  }
  return success();
}

LogicalResult Pairing::pairOperations(Operation *op, Operation *from) {
  StringRef name = op->getName().getStringRef();
  StringRef expected = from->getName().getStringRef();
  if (name != expected)
    return differ(op, "it has " + name + " where " + expected + " was");
  if (op->getNumOperands() != from->getNumOperands() ||
      op->getNumResults() != from->getNumResults() ||
      op->getNumRegions() != from->getNumRegions())
    return differ(op, name + " has other operands or results");
  // The function's own type is that of the graph's inputs.
  if (textOf(op->getAttrDictionary()) != textOf(from->getAttrDictionary()))
    return differ(op, name + " has other attributes");
  if (failed(pairOperands(op, from)))
    return failure();
  define(op->getResults(), from->getResults());
  for (auto [region, other] :
       llvm::zip_equal(op->getRegions(), from->getRegions())) {
    if (region.getBlocks().size() != other.getBlocks().size())
      return differ(op, name + " has another body");
    for (auto [block, twin] : llvm::zip_equal(region, other)) {
      if (block.getNumArguments() != twin.getNumArguments())
        return differ(op, name + " has another body");
      define(block.getArguments(), twin.getArguments());
    }
  }
  return success();
}

FailureOr<std::vector<WeightPair>> Pairing::run() {
  std::vector<Operation *> ops = listOperations(module);
  std::vector<Operation *> originals = listOperations(original);
  for (auto [op, from] : llvm::zip(ops, originals))
    if (failed(pairOperations(op, from)))
      return failure();
  if (ops.size() != originals.size())
    return differ(module, "it has " + Twine(ops.size()) + " operations where " +
                              Twine(originals.size()) + " were");
  return std::move(pairs);
}

FailureOr<std::vector<WeightPair>> OriginalModel::pair(ModuleOp module) {
  return Pairing(module, *raised).run();
}
