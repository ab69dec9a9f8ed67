//===- InlineFunctions.cpp - Bodies in the place of calls -----------------===//

#include "dialects/onnx/transforms/Passes.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/MapVector.h"

namespace lq::onnx {
#define GEN_PASS_DEF_INLINEFUNCTIONSPASS
#include "dialects/onnx/transforms/Passes.h.inc"
} // namespace lq::onnx

using namespace mlir;
using namespace lq::onnx;

namespace {

/// Domain, name and overload: what tells functions apart.
using FunctionKey = std::tuple<StringRef, StringRef, StringRef>;

FunctionKey makeKey(StringRef domain, StringRef name, StringRef overload) {
  return {domain == "ai.onnx" ? "" : domain, name, overload};
}

/// The attribute of the call that a reference in the body means: as given,
/// else the function's default, else null.
Attribute resolve(RefAttr reference, NodeOp call, FunctionOp function) {
  StringAttr target = reference.getTarget();
  if (Attribute given = call.getNodeAttr(target.getValue()))
    return given;
  DictionaryAttr defaults = function.getDefaultsAttr();
  return defaults ? defaults.get(target) : Attribute();
}

class Inliner {
public:
  Inliner(ModuleOp module, int64_t maxNodes)
      : module(module), maxNodes(maxNodes) {}

  LogicalResult run();
  int64_t count() const { return inlined; }

private:
  LogicalResult collect();
  LogicalResult inlineCallsIn(ArrayRef<Operation *> ops);
  LogicalResult inlineCall(NodeOp call, FunctionOp function);
  LogicalResult checkCall(NodeOp call, FunctionOp function);
  IRMapping mapArguments(NodeOp call, FunctionOp function, OpBuilder &builder);
  LogicalResult resolveReferences(NodeOp node, NodeOp call,
                                  FunctionOp function);
  void rename(NodeOp node, NodeOp call);
  void importOpsets();

  ModuleOp module;
  int64_t maxNodes;
  int64_t inlined = 0;
  int64_t nodes = 0;
  llvm::MapVector<FunctionKey, FunctionOp> functions;
  /// The functions whose bodies are being put in place, outermost first.
  SmallVector<FunctionOp> stack;
};

LogicalResult Inliner::collect() {
  for (auto function : module.getOps<FunctionOp>()) {
    auto [it, added] = functions.insert(
        {makeKey(function.getDomain(), function.getFunctionName(),
                 function.getOverload()),
         function});
    if (!added)
      return function.emitError("the function is defined twice")
                 .attachNote(it->second.getLoc())
             << "first here";
  }
  return success();
}

LogicalResult Inliner::checkCall(NodeOp call, FunctionOp function) {
  if (llvm::is_contained(stack, function))
    return call.emitError("the function ")
           << function.getSymNameAttr() << " calls itself";
  if (call.getInputs().size() > function.getInputNames().size() ||
      call.getNumResults() > function.getOutputNames().size())
    return call.emitError("expected at most ")
           << function.getInputNames().size() << " inputs and "
           << function.getOutputNames().size() << " outputs, as "
           << function.getSymNameAttr() << " has, got "
           << call.getInputs().size() << " and " << call.getNumResults();
  if (ArrayAttr required = function.getRequiredAttributesAttr())
    for (auto name : required.getAsRange<StringAttr>())
      if (call.getGraph(name.getValue()))
        return call.emitError("the attribute ")
               << name << " is a graph, which cannot be passed to a function";
  function.getBody().walk([&](NodeOp) { ++nodes; });
  if (nodes > maxNodes)
    return call.emitError("the functions expand to more than ")
           << maxNodes << " nodes (see the option max-nodes)";
  return success();
}

IRMapping Inliner::mapArguments(NodeOp call, FunctionOp function,
                                OpBuilder &builder) {
  IRMapping mapping;
  for (auto [index, argument] :
       llvm::enumerate(function.getBody().getArguments())) {
    Value value = index < call.getInputs().size()
                      ? call.getInputs()[index]
                      : Value(NoneOp::create(builder, call.getLoc(),
                                             builder.getNoneType()));
    mapping.map(argument, value);
  }
  return mapping;
}

LogicalResult Inliner::resolveReferences(NodeOp node, NodeOp call,
                                         FunctionOp function) {
  DictionaryAttr attributes = node.getNodeAttributesAttr();
  if (!attributes)
    return success();
  NamedAttrList result;
  for (NamedAttribute entry : attributes) {
    Attribute value = entry.getValue();
    if (auto reference = dyn_cast<RefAttr>(value)) {
      value = resolve(reference, call, function);
      if (!value && call.getGraph(reference.getTarget().getValue()))
        return call.emitError("the attribute ")
               << reference.getTarget()
               << " is a graph, which cannot be passed to a function";
    }
    if (value)
      result.append(entry.getName(), value);
  }
  node.setNodeAttributesAttr(result.empty()
                                 ? DictionaryAttr()
                                 : result.getDictionary(node.getContext()));
  return success();
}

/// Names of the body, made unique by the name of the call.
void Inliner::rename(NodeOp node, NodeOp call) {
  std::string prefix = call.getNodeName().str();
  ArrayAttr outputs = call.getOutputNamesAttr();
  if (prefix.empty() && outputs && !outputs.empty())
    prefix = cast<StringAttr>(outputs[0]).getValue().str();
  Builder b(node.getContext());
  auto prefixed = [&](StringRef name) {
    return b.getStringAttr(name.empty() ? "" : prefix + "/" + name.str());
  };
  node.setNodeName(prefixed(node.getNodeName()).getValue());
  if (ArrayAttr names = node.getOutputNamesAttr()) {
    SmallVector<Attribute> renamed;
    for (auto name : names.getAsRange<StringAttr>())
      renamed.push_back(prefixed(name.getValue()));
    node.setOutputNamesAttr(b.getArrayAttr(renamed));
  }
}

/// Gives the values that replace the results of `call` the results' names,
/// where they come from one of `copies`, the nodes of the body.
void keepOutputNames(NodeOp call, ArrayRef<Value> values,
                     ArrayRef<Operation *> copies) {
  ArrayAttr names = call.getOutputNamesAttr();
  if (!names)
    return;
  for (auto [name, value] : llvm::zip(names, values)) {
    auto node = value.getDefiningOp<NodeOp>();
    if (!node || !llvm::is_contained(copies, node.getOperation()) ||
        !node.getOutputNamesAttr() || cast<StringAttr>(name).empty())
      continue;
    SmallVector<Attribute> all(node.getOutputNamesAttr().getValue());
    all[cast<OpResult>(value).getResultNumber()] = name;
    node.setOutputNamesAttr(ArrayAttr::get(node.getContext(), all));
  }
}

LogicalResult Inliner::inlineCall(NodeOp call, FunctionOp function) {
  if (failed(checkCall(call, function)))
    return failure();
  OpBuilder builder(call);
  IRMapping mapping = mapArguments(call, function, builder);
  SmallVector<Operation *> copies;
  for (Operation &op : function.getBody().front().without_terminator()) {
    Operation *copy = builder.clone(op, mapping);
    copies.push_back(copy);
    LogicalResult resolved = success();
    copy->walk([&](NodeOp node) {
      if (failed(resolveReferences(node, call, function)))
        resolved = failure();
      rename(node, call);
    });
    if (failed(resolved))
      return failure();
  }
  SmallVector<Value> values;
  Operation *last = function.getBody().front().getTerminator();
  for (Value operand : last->getOperands().take_front(call.getNumResults()))
    values.push_back(mapping.lookupOrDefault(operand));
  keepOutputNames(call, values, copies);
  replaceNode(call, values);
  ++inlined;

  stack.push_back(function);
  LogicalResult result = inlineCallsIn(copies);
  stack.pop_back();
  return result;
}

LogicalResult Inliner::inlineCallsIn(ArrayRef<Operation *> ops) {
  // Calls are collected first, as inlining one changes what is walked.
  SmallVector<std::pair<NodeOp, FunctionOp>> calls;
  for (Operation *op : ops)
    op->walk([&](NodeOp node) {
      auto *it = functions.find(
          makeKey(node.getDomain(), node.getOpType(), node.getOverload()));
      if (it != functions.end())
        calls.push_back({node, it->second});
    });
  for (auto [call, function] : calls)
    if (failed(inlineCall(call, function)))
      return failure();
  return success();
}

/// The bodies bring the operator sets that they were written for.
void Inliner::importOpsets() {
  auto imports = module->getAttrOfType<DictionaryAttr>(kOpsetImportsAttr);
  NamedAttrList merged(imports);
  for (auto &entry : functions)
    if (DictionaryAttr own = entry.second.getOpsetImportsAttr())
      for (NamedAttribute opset : own)
        if (!merged.get(opset.getName()))
          merged.append(opset);
  module->setAttr(kOpsetImportsAttr, merged.getDictionary(module.getContext()));
}

LogicalResult Inliner::run() {
  if (failed(collect()))
    return failure();
  if (functions.empty())
    return success();
  SmallVector<Operation *> roots;
  for (Operation &op : *module.getBody())
    if (!isa<FunctionOp>(op))
      roots.push_back(&op);
  if (failed(inlineCallsIn(roots)))
    return failure();
  importOpsets();
  for (auto &entry : functions)
    entry.second.erase();
  updateSignatures(module);
  return success();
}

struct InlineFunctions
    : lq::onnx::impl::InlineFunctionsPassBase<InlineFunctions> {
  using InlineFunctionsPassBase::InlineFunctionsPassBase;

  void runOnOperation() override {
    Inliner inliner(getOperation(), maxNodes);
    if (failed(inliner.run()))
      signalPassFailure();
    inlined += inliner.count();
  }
};

} // namespace
