//===- ImportGraph.cpp - Graphs and functions -----------------------------===//

#include "dialects/onnx/ImportGraph.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace lq;
using namespace lq::onnx;

//===----------------------------------------------------------------------===//
// What a graph declares
//===----------------------------------------------------------------------===//

LogicalResult GraphImporter::declareTypes(
    Scope &scope, const Repeated<pb::ValueInfoProto> &infos, StringRef field) {
  for (const auto &[index, info] : llvm::enumerate(infos)) {
    std::string where = scope.where + "." + field.str() + "[" +
                        std::to_string(index) + "] " + quoted(info.name());
    FailureOr<Type> type = importType(import, info.type(), where);
    if (failed(type))
      return failure();
    scope.types.try_emplace(info.name(), *type);
  }
  return success();
}

LogicalResult GraphImporter::declareGraphTypes(Scope &scope,
                                               const pb::GraphProto &graph) {
  return success(
      succeeded(declareTypes(scope, graph.input(), "input")) &&
      succeeded(declareTypes(scope, graph.output(), "output")) &&
      succeeded(declareTypes(scope, graph.value_info(), "value_info")));
}

LogicalResult GraphImporter::addInitializers(Scope &scope,
                                             const pb::GraphProto &graph) {
  auto add = [&](StringRef name, const ImportedTensor &tensor,
                 StringRef where) -> LogicalResult {
    if (name.empty())
      return import.error(where) << "an initializer without a name";
    auto symbol = addInitializer(import, name, tensor, where);
    if (!scope.initializers.try_emplace(name, symbol).second)
      return import.error(where) << "the name " << quoted(name)
                                 << " is defined twice in one graph; names "
                                    "must be unique";
    scope.types[name] = tensor.type;
    return success();
  };
  for (const auto &[index, tensor] : llvm::enumerate(graph.initializer())) {
    std::string where =
        (scope.where + ".initializer[" + Twine(index) + "]").str();
    auto imported = importTensor(import, tensor, where);
    if (failed(imported) || failed(add(tensor.name(), *imported, where)))
      return failure();
  }
  for (const auto &[index, tensor] :
       llvm::enumerate(graph.sparse_initializer())) {
    std::string where =
        (scope.where + ".sparse_initializer[" + Twine(index) + "]").str();
    const std::string &name = tensor.values().name();
    auto sparse = importSparseTensor(import, tensor, name, where);
    if (failed(sparse))
      return failure();
    ImportedTensor imported{sparse->getType(), {}, {}, *sparse};
    if (failed(add(name, imported, where)))
      return failure();
  }
  return success();
}

LogicalResult GraphImporter::addArgument(Scope &scope, StringRef name,
                                         Block *block, const Twine &where) {
  if (name.empty())
    return import.error(where.str()) << "an input without a name";
  BlockArgument argument =
      block->addArgument(typeOf(scope, name), import.locate(where.str()));
  return define(scope, name, argument, where);
}

FailureOr<SmallVector<Value>>
GraphImporter::findOutputs(Scope &scope, ArrayRef<StringRef> names) {
  SmallVector<Value> values;
  for (auto [index, name] : llvm::enumerate(names)) {
    Value value = lookup(scope, name);
    if (!value)
      return import.error((scope.where + ".output[" + Twine(index) + "]").str())
             << "the output " << quoted(name) << " is not computed by any node";
    values.push_back(value);
  }
  return values;
}

//===----------------------------------------------------------------------===//
// The main graph and functions
//===----------------------------------------------------------------------===//

/// `onnx.name` and `onnx.dims` of an argument or result of @main.
static DictionaryAttr describe(ImportContext &import,
                               const pb::ValueInfoProto &info) {
  NamedAttrList result;
  result.append(kNameAttr, import.text(info.name()));
  if (ArrayAttr dims = importDims(import, info.type()))
    result.append(kDimsAttr, dims);
  return result.getDictionary(&import.context);
}

static LogicalResult addAnnotations(ImportContext &import,
                                    const pb::GraphProto &graph,
                                    Operation *main) {
  NamedAttrList result;
  for (const pb::TensorAnnotation &annotation :
       graph.quantization_annotation()) {
    StringRef where = "graph.quantization_annotation";
    const std::string &name = annotation.tensor_name();
    auto entries =
        importEntries(import, annotation.quant_parameter_tensor_names(), where);
    if (failed(entries))
      return failure();
    if (name.empty() || result.get(name))
      return import.error(where) << "expected tensor names that are not empty "
                                    "and differ, got another "
                                 << quoted(name);
    result.append(name, *entries);
  }
  if (!result.empty())
    main->setAttr("onnx.quantization_annotations",
                  result.getDictionary(&import.context));
  return success();
}

LogicalResult GraphImporter::importMain(const pb::GraphProto &graph) {
  OpBuilder end = OpBuilder::atBlockEnd(import.module.getBody());
  auto main = func::FuncOp::create(end, import.locate("graph"),
                                   import.uniqueSymbol("main"),
                                   end.getFunctionType({}, {}));
  // Initializers go before the function, which uses them.
  import.builder.setInsertionPoint(main);
  Block *block = &main.getBody().emplaceBlock();
  Scope scope(&import.context, nullptr, "graph", graph.node(), block);
  if (failed(declareGraphTypes(scope, graph)) ||
      failed(addInitializers(scope, graph)))
    return failure();

  SmallVector<DictionaryAttr> inputs, outputs;
  for (const auto &[index, input] : llvm::enumerate(graph.input())) {
    if (scope.initializers.contains(input.name()))
      continue;
    if (failed(addArgument(scope, input.name(), block,
                           "graph.input[" + Twine(index) + "]")))
      return failure();
    inputs.push_back(describe(import, input));
  }
  if (failed(importNodes(scope)))
    return failure();

  SmallVector<StringRef> names;
  for (const pb::ValueInfoProto &output : graph.output()) {
    names.push_back(output.name());
    outputs.push_back(describe(import, output));
  }
  auto values = findOutputs(scope, names);
  if (failed(values))
    return failure();
  func::ReturnOp::create(scope.builder, import.locate("graph"), *values);
  main.setFunctionType(end.getFunctionType(block->getArgumentTypes(),
                                           TypeRange(ValueRange(*values))));
  main.setAllArgAttrs(inputs);
  main.setAllResultAttrs(outputs);
  return addAnnotations(import, graph, main);
}

/// The default values of a function's attributes.
static FailureOr<DictionaryAttr>
importDefaults(ImportContext &import, const pb::FunctionProto &function,
               StringRef where) {
  NamedAttrList result;
  for (const auto &attribute :
       newerMessages<pb::AttributeProto>(function, FunctionAttributeProto)) {
    const std::string &name = attribute.name();
    std::string place = (where + ".attribute_proto " + quoted(name)).str();
    if (name.empty() || result.get(name))
      return import.error(place) << "expected attributes with names that are "
                                    "not empty and differ";
    auto value =
        importAttribute(import, attribute, function.name() + "." + name, place);
    if (failed(value))
      return failure();
    result.append(name, *value);
  }
  return result.getDictionary(&import.context);
}

LogicalResult GraphImporter::importFunction(const pb::FunctionProto &function,
                                            StringRef at) {
  std::string where = (at + " " + quoted(function.name())).str();
  auto opsets = importOpsets(import, function.opset_import(), where);
  auto defaults = importDefaults(import, function, where);
  if (failed(opsets) || failed(defaults))
    return failure();
  std::string symbol = function.domain() + "::" + function.name();
  std::string overload = newerString(function, FunctionOverload);
  if (!overload.empty())
    symbol += "::" + overload;
  auto op = FunctionOp::create(
      import.builder, import.locate(where), import.uniqueSymbol(symbol),
      import.text(function.domain()), import.text(function.name()),
      import.text(overload),
      function.attribute_size() ? import.texts(function.attribute())
                                : ArrayAttr(),
      defaults->empty() ? DictionaryAttr() : *defaults,
      opsets->empty() ? DictionaryAttr() : *opsets,
      import.texts(function.input()), import.texts(function.output()));

  // Initializers go before the function, which uses them.
  OpBuilder::InsertionGuard guard(import.builder);
  import.builder.setInsertionPoint(op);
  Block *block = &op.getBody().emplaceBlock();
  Scope scope(&import.context, nullptr, at.str(), function.node(), block);
  Repeated<pb::ValueInfoProto> infos;
  for (auto &info :
       newerMessages<pb::ValueInfoProto>(function, FunctionValueInfo))
    *infos.Add() = info;
  if (failed(declareTypes(scope, infos, "value_info")))
    return failure();
  for (const auto &[index, name] : llvm::enumerate(function.input()))
    if (failed(addArgument(scope, name, block,
                           scope.where + ".input[" + Twine(index) + "]")))
      return failure();
  if (failed(importNodes(scope)))
    return failure();
  SmallVector<StringRef> outputs(function.output().begin(),
                                 function.output().end());
  auto values = findOutputs(scope, outputs);
  if (failed(values))
    return failure();
  ReturnOp::create(scope.builder, import.locate(where), *values);
  return success();
}

LogicalResult lq::onnx::importMain(ImportContext &import,
                                   const pb::GraphProto &graph) {
  return GraphImporter(import).importMain(graph);
}

LogicalResult lq::onnx::importFunction(ImportContext &import,
                                       const pb::FunctionProto &function,
                                       StringRef where) {
  return GraphImporter(import).importFunction(function, where);
}
