//===- lq-jit-node.cpp - Run ONNX node tests through the lowering ---------===//
//
// For each folder (see NodeCase.h) prints one line: its path, a tab, and "ok",
// "unclaimed <operator>" or "failed <why>". node_tests.py compares the outputs.
//
// A test is run with dimensions unknown to the compiler if possible: inputs of
// equal extents share a symbol. Where that does not fit (a test may depend on
// its own sizes), dimensions are fixed. Inputs that an operator takes its
// shape from become initializers, as they are in models.
//
//===----------------------------------------------------------------------===//

#include "Jit.h"
#include "NodeCase.h"
#include "dialects/lq/LqDialect.h"
#include "dialects/lq/LqOps.h"
#include "dialects/onnx/Import.h"
#include "dialects/onnx/OnnxDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "passes/raise/general/GeneralLowering.h"
#include "passes/raise/general/Passes.h"
#include "llvm/Support/CommandLine.h"
#include <map>

using namespace mlir;
using namespace lq;

namespace {

/// How much the compiler is told about a test.
enum class Told { Shapes, Dimensions, Contents };

/// Whether an operand of a node decides the shape of its results.
bool decidesShape(onnx::NodeOp node, unsigned operand) {
  static const std::map<StringRef, unsigned> fromFirst = {
      {"Range", 0}, {"ConstantOfShape", 0}};
  static const std::map<StringRef, unsigned> fromSecond = {
      {"Reshape", 1},      {"Expand", 1}, {"Tile", 1},   {"Squeeze", 1},
      {"Unsqueeze", 1},    {"Split", 1},  {"CumSum", 1}, {"CumProd", 1},
      {"TopK", 1},         {"Trilu", 1},  {"Slice", 1},  {"Resize", 1},
      {"CenterCropPad", 1}};
  StringRef op = node.getOpType();
  if (fromFirst.count(op))
    return true;
  if (op.starts_with("Reduce"))
    return operand == 1;
  if (op == "OneHot")
    return operand == 1;
  if (op == "Pad")
    return operand == 1 || operand == 3;
  auto entry = fromSecond.find(op);
  return entry != fromSecond.end() && operand >= entry->second;
}

bool decidesShape(BlockArgument argument) {
  for (OpOperand &use : argument.getUses())
    if (auto node = dyn_cast<onnx::NodeOp>(use.getOwner()))
      if (decidesShape(node, use.getOperandNumber()))
        return true;
  return false;
}

class NodeTest {
public:
  NodeTest(std::string folder, MLIRContext &context)
      : folder(std::move(folder)), context(context) {}

  std::string run();

private:
  /// "" if the lowering went through; else why not.
  std::string lower(Told told);
  void fixInputs(func::FuncOp graph, Told told);
  void nameDimensions(func::FuncOp graph, Told told);
  void extentsToArguments();
  std::string execute(Told told);

  std::string folder;
  MLIRContext &context;
  std::vector<HostTensor> inputs;
  /// What is left to pass when the function is called.
  std::vector<HostTensor> remaining;
  std::vector<int64_t> indices;
  std::vector<ElementKind> kinds;
  OwningOpRef<ModuleOp> module;
};

void NodeTest::fixInputs(func::FuncOp graph, Told told) {
  OpBuilder builder(&context);
  remaining.clear();
  llvm::BitVector fixed(graph.getNumArguments());
  for (auto [argument, tensor] : llvm::zip(graph.getArguments(), inputs)) {
    bool small = isInteger(tensor.kind) && tensor.size() <= 64;
    bool fix = decidesShape(argument) || (told == Told::Contents && small);
    if (!fix) {
      remaining.push_back(tensor);
      continue;
    }
    std::string name = ("input" + Twine(argument.getArgNumber())).str();
    builder.setInsertionPointToStart(module->getBody());
    auto type = cast<RankedTensorType>(argument.getType());
    onnx::InitializerOp::create(
        builder, graph.getLoc(), name, type, StringAttr(), IntegerAttr(),
        DenseElementsAttr::getFromRawBuffer(type, tensor.toBytes()));
    builder.setInsertionPointToStart(&graph.getBody().front());
    Value value = onnx::GetOp::create(builder, graph.getLoc(), type, name);
    argument.replaceAllUsesWith(value);
    fixed.set(argument.getArgNumber());
  }
  (void)graph.eraseArguments(fixed);
}

void NodeTest::nameDimensions(func::FuncOp graph, Told told) {
  Builder builder(&context);
  for (auto [argument, tensor] : llvm::zip(graph.getArguments(), remaining)) {
    SmallVector<Attribute> dims;
    for (int64_t dim : tensor.shape)
      dims.push_back(told == Told::Shapes && dim > 1
                         ? Attribute(builder.getStringAttr("d" + Twine(dim)))
                         : Attribute(builder.getI64IntegerAttr(dim)));
    graph.setArgAttr(argument.getArgNumber(), onnx::kDimsAttr,
                     builder.getArrayAttr(dims));
  }
}

/// Dimensions become arguments, so that nothing folds them.
void NodeTest::extentsToArguments() {
  indices.clear();
  auto main = module->lookupSymbol<func::FuncOp>("main");
  for (auto dimension :
       llvm::make_early_inc_range(module->getOps<DimensionOp>())) {
    unsigned place = indices.size();
    int64_t size = 0;
    dimension.getSymName().drop_front().getAsInteger(10, size);
    indices.push_back(size);
    (void)main.insertArgument(place, IndexType::get(&context), {},
                              main.getLoc());
    main.walk([&](ExtentOp extent) {
      if (extent.getDimension() != dimension.getSymName())
        return;
      extent.replaceAllUsesWith(main.getArgument(place));
      extent.erase();
    });
    dimension.erase();
  }
}

std::string NodeTest::lower(Told told) {
  module = onnx::importOnnx(folder + "/model.onnx", context);
  if (!module)
    return "import";
  auto graph = module->lookupSymbol<func::FuncOp>("main");
  if (graph.getNumArguments() != inputs.size())
    return "number of inputs";
  fixInputs(graph, told);
  nameDimensions(graph, told);
  kinds.clear();
  InputExtents extents;
  for (auto [argument, tensor] : llvm::zip(graph.getArguments(), remaining))
    extents[argument].assign(tensor.shape.begin(), tensor.shape.end());
  Evaluator evaluator(graph, nullptr, extents, {});
  for (Value result : graph.getBody().front().getTerminator()->getOperands()) {
    const HostTensor *tensor = evaluator.get(result);
    kinds.push_back(tensor ? tensor->kind : ElementKind::Other);
  }
  PassManager pm(&context);
  pm.addPass(createRaiseGeneral());
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (message.empty())
      message = diagnostic.str();
    return success();
  });
  if (succeeded(pm.run(*module)))
    return "";
  return message.empty() ? "no message" : message;
}

std::string NodeTest::execute(Told told) {
  extentsToArguments();
  auto outputs = test::compileAndRun(*module, indices, remaining, kinds);
  if (!outputs)
    return "failed " + llvm::toString(outputs.takeError());
  if (llvm::Error error = test::writeOutputs(folder, "jit", *outputs))
    return "failed " + llvm::toString(std::move(error));
  return told == Told::Shapes       ? "ok dynamic"
         : told == Told::Dimensions ? "ok static"
                                    : "ok fixed inputs";
}

std::string NodeTest::run() {
  auto read = test::readInputs(folder);
  if (!read)
    return "unclaimed " + llvm::toString(read.takeError());
  inputs = std::move(*read);
  OwningOpRef<ModuleOp> original =
      onnx::importOnnx(folder + "/model.onnx", context);
  if (!original)
    return "failed import";
  std::string unclaimed;
  original->walk([&](onnx::NodeOp node) {
    if (!GeneralLowering::supports(node) && !node.is("Constant"))
      unclaimed = node.getOpType().str();
  });
  if (!unclaimed.empty())
    return "unclaimed " + unclaimed;
  std::string why;
  for (Told told : {Told::Shapes, Told::Dimensions, Told::Contents}) {
    why = lower(told);
    if (why.empty())
      return execute(told);
  }
  return "failed " + why;
}

} // namespace

int main(int argc, char **argv) {
  llvm::cl::list<std::string> folders(llvm::cl::Positional,
                                      llvm::cl::desc("<folders>"));
  llvm::cl::ParseCommandLineOptions(argc, argv);
  DialectRegistry registry;
  test::registerJit(registry);
  registry.insert<onnx::OnnxDialect, LqDialect>();
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  for (const std::string &folder : folders) {
    std::string status = NodeTest(folder, context).run();
    llvm::outs() << folder << '\t' << StringRef(status).split('\n').first
                 << '\n';
    llvm::outs().flush();
  }
  return 0;
}
