//===- RaiseGeneral.cpp - The general lowering as a pass ------------------===//

#include "dialects/common/ModuleWeights.h"
#include "dialects/lq/LqOps.h"
#include "dialects/onnx/OnnxDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/SymbolTable.h"
#include "passes/raise/general/GeneralLowering.h"
#include "passes/raise/general/Passes.h"
#include <map>

using namespace mlir;

namespace lq {

#define GEN_PASS_DEF_RAISEGENERAL
#include "passes/raise/general/Passes.h.inc"

namespace {

/// Lowers one graph into a function beside it.
class GraphLowering {
public:
  GraphLowering(func::FuncOp graph, const FittedShapes &shapes)
      : graph(graph), shapes(shapes), builder(graph.getContext()),
        general(builder, shapes) {}

  /// Null after an error.
  func::FuncOp lower();

private:
  /// The nodes whose values the results need, operands that the lowering knows
  /// without being told left out.
  void findNeeded();
  LogicalResult checkSupported();
  FailureOr<func::FuncOp> createFunction();
  Value weight(onnx::GetOp get);

  func::FuncOp graph;
  const FittedShapes &shapes;
  OpBuilder builder;
  GeneralLowering general;
  llvm::DenseSet<Operation *> needed;
  llvm::DenseMap<Value, Value> values;
};

/// Whether GeneralLowering::lower() finds the value itself.
bool isKnown(const FittedShapes &shapes, Value value) {
  const HostTensor *constant = shapes.constantOf(value);
  if (constant)
    return constant->size() <= GeneralLowering::kMaxInlineElements;
  return shapes.contentsOf(value).has_value() &&
         shapes.elementKindOf(value) != ElementKind::Bool;
}

void GraphLowering::findNeeded() {
  SmallVector<Value> stack(
      graph.getBody().front().getTerminator()->getOperands());
  while (!stack.empty()) {
    Value value = stack.pop_back_val();
    Operation *op = value.getDefiningOp();
    if (!op || isKnown(shapes, value) || !needed.insert(op).second)
      continue;
    llvm::append_range(stack, op->getOperands());
  }
}

LogicalResult GraphLowering::checkSupported() {
  std::map<std::string, std::pair<int64_t, onnx::NodeOp>> missing;
  for (auto node : graph.getOps<onnx::NodeOp>()) {
    if (!needed.contains(node) || GeneralLowering::supports(node))
      continue;
    StringRef domain = node.getDomain();
    std::string name =
        (domain + (domain.empty() ? "" : ".") + node.getOpType()).str();
    auto [entry, isNew] = missing.try_emplace(name, 0, node);
    ++entry->second.first;
  }
  if (missing.empty())
    return success();
  InFlightDiagnostic error = graph.emitError("operators without a lowering:");
  StringRef separator = " ";
  for (auto &[name, entry] : missing) {
    error << separator << name << " (" << entry.first << ", such as "
          << entry.second.describe() << ")";
    separator = ", ";
  }
  return error;
}

Value GraphLowering::weight(onnx::GetOp get) {
  auto module = graph->getParentOfType<ModuleOp>();
  auto initializer = SymbolTable::lookupNearestSymbolFrom<onnx::InitializerOp>(
      get, get.getInitializerAttr());
  RankedTensorType type = general.typeOf(get.getResult());
  if (!initializer || !initializer.getFile() || !type) {
    get.emitError() << "cannot lower the initializer "
                    << get.getInitializerAttr();
    return {};
  }
  std::string name = ("weight." + initializer.getSymName()).str();
  if (!module.lookupSymbol(name)) {
    OpBuilder atStart = OpBuilder::atBlockBegin(module.getBody());
    WeightOp::create(atStart, get.getLoc(), name, type, *initializer.getFile(),
                     *initializer.getOffset());
  }
  return GetOp::create(builder, get.getLoc(), type, name);
}

FailureOr<func::FuncOp> GraphLowering::createFunction() {
  SmallVector<Type> inputs, outputs;
  auto add = [&](Value value, SmallVector<Type> &types) -> LogicalResult {
    types.push_back(general.typeOf(value));
    return types.back() ? success()
                        : graph.emitError("an input or output has no shape "
                                          "that follows from the inputs' "
                                          "dimensions");
  };
  for (Value argument : graph.getArguments())
    if (failed(add(argument, inputs)))
      return failure();
  for (Value result : graph.getBody().front().getTerminator()->getOperands())
    if (failed(add(result, outputs)))
      return failure();
  builder.setInsertionPointAfter(graph);
  auto function =
      func::FuncOp::create(builder, graph.getLoc(), graph.getName(),
                           builder.getFunctionType(inputs, outputs));
  builder.setInsertionPointToStart(function.addEntryBlock());
  for (auto [from, to] :
       llvm::zip(graph.getArguments(), function.getArguments()))
    values[from] = to;
  return function;
}

func::FuncOp GraphLowering::lower() {
  findNeeded();
  if (failed(checkSupported()))
    return {};
  FailureOr<func::FuncOp> function = createFunction();
  if (failed(function))
    return {};
  auto abandon = [&] {
    function->erase();
    return func::FuncOp();
  };
  for (Operation &op : graph.getBody().front().without_terminator()) {
    if (!needed.contains(&op))
      continue;
    if (auto get = dyn_cast<onnx::GetOp>(op)) {
      values[get.getResult()] = weight(get);
      if (!values[get.getResult()])
        return abandon();
      continue;
    }
    auto node = dyn_cast<onnx::NodeOp>(op);
    if (!node)
      continue;
    SmallVector<Value> operands, results;
    for (Value operand : node.getInputs())
      operands.push_back(values.lookup(operand));
    if (failed(general.lower(node, operands, results)))
      return abandon();
    for (auto [from, to] : llvm::zip(node.getResults(), results))
      values[from] = to;
  }
  SmallVector<Value> returned;
  Operation *end = graph.getBody().front().getTerminator();
  for (Value result : end->getOperands()) {
    Value value = values.lookup(result);
    returned.push_back(value ? value : general.materializeKnown(result));
    if (!returned.back()) {
      end->emitError("an output was not lowered");
      return abandon();
    }
  }
  func::ReturnOp::create(builder, end->getLoc(), returned);
  return *function;
}

struct RaiseGeneralPass : impl::RaiseGeneralBase<RaiseGeneralPass> {
  using RaiseGeneralBase::RaiseGeneralBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto graph = module.lookupSymbol<func::FuncOp>("main");
    if (!graph) {
      module.emitError("expected a function @main");
      return signalPassFailure();
    }
    auto weights = openWeightFiles(module);
    if (!weights) {
      module.emitError() << llvm::toString(weights.takeError());
      return signalPassFailure();
    }
    FittedShapes shapes(graph, weights->get(), statedInputExtents(graph));
    OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
    for (const std::string &symbol : shapes.symbols())
      DimensionOp::create(builder, module.getLoc(), symbol, max);
    func::FuncOp function = GraphLowering(graph, shapes).lower();
    if (!function)
      return signalPassFailure();
    function.setVisibility(graph.getVisibility());
    graph.erase();
    for (auto initializer :
         llvm::make_early_inc_range(module.getOps<onnx::InitializerOp>()))
      initializer.erase();
  }
};

} // namespace
} // namespace lq
