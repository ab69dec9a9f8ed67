//===- ImportGraph.cpp - Graphs, nodes and functions
//---------------------------===//

#include "dialects/onnx/ImportContext.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace lq;
using namespace lq::onnx;

namespace {

template <typename T> using Repeated = google::protobuf::RepeatedPtrField<T>;

/// Numbers of fields that are newer than ONNX 1.12.
enum NewerField : int {
  NodeOverload = 8,
  NodeMetadata = 9,
  NodeDevices = 10,
  FunctionAttributeProto = 11,
  FunctionValueInfo = 12,
  FunctionOverload = 13
};

/// The names that a graph or function body can see, and where they come from.
struct Scope {
  Scope(MLIRContext *context, Scope *outer, std::string where,
        const Repeated<pb::NodeProto> &nodes, Block *block)
      : outer(outer), where(std::move(where)), nodes(nodes), builder(context) {
    builder.setInsertionPointToEnd(block);
    for (const auto &[index, node] : llvm::enumerate(nodes))
      for (const std::string &name : node.output())
        if (!name.empty())
          producers.try_emplace(name, static_cast<int>(index));
  }

  /// The graph that this one is in; null for the main graph and functions.
  Scope *outer;
  /// How to reach it in the file: "graph", "functions[2]", ...
  std::string where;
  const Repeated<pb::NodeProto> &nodes;
  OpBuilder builder;
  /// What is computed so far, also initializers that were used here.
  llvm::StringMap<Value> values;
  llvm::StringMap<FlatSymbolRefAttr> initializers;
  /// The node that computes a value, whether imported yet or not.
  llvm::StringMap<int> producers;
  /// Types that the file states.
  llvm::StringMap<Type> types;
  Value none;
};

class GraphImporter {
public:
  explicit GraphImporter(ImportContext &import) : import(import) {}

  LogicalResult importMain(const pb::GraphProto &graph);
  LogicalResult importFunction(const pb::FunctionProto &function,
                               StringRef where);

private:
  LogicalResult declareTypes(Scope &scope,
                             const Repeated<pb::ValueInfoProto> &infos,
                             StringRef field);
  LogicalResult declareGraphTypes(Scope &scope, const pb::GraphProto &graph);
  LogicalResult addInitializers(Scope &scope, const pb::GraphProto &graph);
  LogicalResult addArgument(Scope &scope, StringRef name, Block *block,
                            const Twine &where);
  LogicalResult define(Scope &scope, StringRef name, Value value,
                       const Twine &where);
  FailureOr<SmallVector<Value>> findOutputs(Scope &scope,
                                            ArrayRef<StringRef> names);

  LogicalResult importNodes(Scope &scope);
  LogicalResult importNode(Scope &scope, const pb::NodeProto &node, int index);
  FailureOr<SmallVector<Value>>
  findInputs(Scope &scope, const pb::NodeProto &node, int index);
  LogicalResult importNodeAttributes(Scope &scope, const pb::NodeProto &node,
                                     StringRef where, NodeOp::Properties &to,
                                     OperationState &state);
  LogicalResult keepMetadata(const pb::NodeProto &node, StringRef where,
                             OperationState &state);
  FailureOr<GraphAttr> importSubgraph(Scope &outer, const pb::GraphProto &graph,
                                      StringAttr attribute, int64_t place,
                                      std::string where, Region &region);

  Value lookup(Scope &scope, StringRef name);
  InFlightDiagnostic undefined(Scope &scope, const pb::NodeProto &node,
                               int index, int input);
  bool needs(Scope &scope, int node, int other);
  Type typeOf(Scope &scope, StringRef name);
  std::string label(const Scope &scope, const pb::NodeProto &node, int index);

  ImportContext &import;
};

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

/// `text` as quoted() shows it, but without the quotation marks.
std::string printable(StringRef text) {
  std::string result = quoted(text);
  return result.substr(1, result.size() - 2);
}

/// graph.node[3] (Add "name")
std::string GraphImporter::label(const Scope &scope, const pb::NodeProto &node,
                                 int index) {
  std::string op = node.op_type();
  if (!node.domain().empty())
    op = node.domain() + "::" + op;
  std::string result =
      scope.where + ".node[" + std::to_string(index) + "] (" + printable(op);
  if (!node.name().empty())
    result += " " + quoted(node.name());
  return result + ")";
}

/// The value called `name` in `scope` or around it, or null. An initializer
/// becomes a value in the scope that uses it.
Value GraphImporter::lookup(Scope &scope, StringRef name) {
  for (Scope *at = &scope; at; at = at->outer) {
    if (Value value = at->values.lookup(name))
      return value;
    auto it = at->initializers.find(name);
    if (it == at->initializers.end())
      continue;
    FlatSymbolRefAttr symbol = it->second;
    auto get = GetOp::create(scope.builder, import.locate(scope.where),
                             at->types.lookup(name), symbol);
    return scope.values[name] = get;
  }
  return Value();
}

Type GraphImporter::typeOf(Scope &scope, StringRef name) {
  Type type = scope.types.lookup(name);
  return type ? type : UnknownType::get(&import.context);
}

LogicalResult GraphImporter::define(Scope &scope, StringRef name, Value value,
                                    const Twine &where) {
  if (!scope.initializers.contains(name) &&
      scope.values.try_emplace(name, value).second)
    return success();
  return import.error(where.str())
         << "the name " << quoted(name)
         << " is defined twice in one graph; names must be unique";
}

/// Whether node `node` needs, directly or not, a result of node `other`.
bool GraphImporter::needs(Scope &scope, int node, int other) {
  llvm::SmallVector<int> pending = {node};
  llvm::SmallVector<bool> seen(static_cast<size_t>(scope.nodes.size()));
  while (!pending.empty()) {
    int at = pending.pop_back_val();
    if (at == other)
      return true;
    if (std::exchange(seen[static_cast<size_t>(at)], true))
      continue;
    for (const std::string &name : scope.nodes[at].input())
      if (auto it = scope.producers.find(name); it != scope.producers.end())
        pending.push_back(it->second);
  }
  return false;
}

/// Says why input `input` of a node has no value.
InFlightDiagnostic GraphImporter::undefined(Scope &scope,
                                            const pb::NodeProto &node,
                                            int index, int input) {
  const std::string &name = node.input(input);
  InFlightDiagnostic diagnostic = import.error(label(scope, node, index));
  diagnostic << "input " << input << " " << quoted(name);
  for (Scope *at = &scope; at; at = at->outer) {
    auto it = at->producers.find(name);
    if (it == at->producers.end())
      continue;
    std::string later = label(*at, at->nodes[it->second], it->second);
    if (at == &scope && needs(scope, it->second, index))
      diagnostic << " is computed by " << later
                 << ", which needs this node's result: the graph has a cycle";
    else
      diagnostic << " is computed only later, by " << later
                 << "; nodes must be in topological order";
    return diagnostic;
  }
  diagnostic << " is neither a graph input, an initializer nor the output of "
                "an earlier node";
  return diagnostic;
}

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
// Nodes
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>>
GraphImporter::findInputs(Scope &scope, const pb::NodeProto &node, int index) {
  SmallVector<Value> values;
  for (int i = 0; i < node.input_size(); ++i) {
    if (node.input(i).empty()) {
      if (!scope.none)
        scope.none = NoneOp::create(scope.builder, import.locate(scope.where),
                                    scope.builder.getNoneType());
      values.push_back(scope.none);
      continue;
    }
    Value value = lookup(scope, node.input(i));
    if (!value)
      return undefined(scope, node, index, i);
    values.push_back(value);
  }
  return values;
}

FailureOr<GraphAttr>
GraphImporter::importSubgraph(Scope &outer, const pb::GraphProto &graph,
                              StringAttr attribute, int64_t place,
                              std::string where, Region &region) {
  Block *block = &region.emplaceBlock();
  Scope scope(&import.context, &outer, std::move(where), graph.node(), block);
  if (failed(declareGraphTypes(scope, graph)) ||
      failed(addInitializers(scope, graph)))
    return failure();
  SmallVector<StringRef> inputs, outputs;
  for (const pb::ValueInfoProto &input : graph.input()) {
    if (failed(
            addArgument(scope, input.name(), block,
                        scope.where + ".input[" + Twine(inputs.size()) + "]")))
      return failure();
    inputs.push_back(input.name());
  }
  if (failed(importNodes(scope)))
    return failure();
  for (const pb::ValueInfoProto &output : graph.output())
    outputs.push_back(output.name());
  auto values = findOutputs(scope, outputs);
  if (failed(values))
    return failure();
  ReturnOp::create(scope.builder, import.locate(scope.where), *values);
  return GraphAttr::get(&import.context, attribute, place,
                        import.text(graph.name()), import.texts(inputs),
                        import.texts(outputs));
}

LogicalResult GraphImporter::keepMetadata(const pb::NodeProto &node,
                                          StringRef where,
                                          OperationState &state) {
  Repeated<pb::StringStringEntryProto> entries;
  for (auto &entry :
       newerMessages<pb::StringStringEntryProto>(node, NodeMetadata))
    *entries.Add() = entry;
  auto metadata = importEntries(import, entries, where);
  if (failed(metadata))
    return failure();
  if (!metadata->empty())
    state.addAttribute(kMetadataPropsAttr, *metadata);
  auto devices = newerStrings(node, NodeDevices);
  if (!devices.empty())
    state.addAttribute("onnx.device_configurations", import.texts(devices));
  return success();
}

/// Attributes, and subgraphs as regions.
LogicalResult GraphImporter::importNodeAttributes(Scope &scope,
                                                  const pb::NodeProto &node,
                                                  StringRef where,
                                                  NodeOp::Properties &to,
                                                  OperationState &state) {
  NamedAttrList attributes;
  SmallVector<Attribute> graphs;
  llvm::StringSet<> seen;
  for (const pb::AttributeProto &attribute : node.attribute()) {
    const std::string &name = attribute.name();
    if (name.empty() || !seen.insert(name).second)
      return import.error(where)
             << "expected attributes with names that are not empty and "
                "differ, got another "
             << quoted(name);
    std::string place = (where + "." + printable(name)).str();
    auto subgraph = [&](const pb::GraphProto &graph,
                        int64_t index) -> LogicalResult {
      std::string suffix = index < 0 ? "" : "[" + std::to_string(index) + "]";
      auto description = importSubgraph(scope, graph, import.text(name), index,
                                        place + suffix, *state.addRegion());
      if (failed(description))
        return failure();
      graphs.push_back(*description);
      return success();
    };
    auto kind = attributeKind(attribute);
    bool reference = !attribute.ref_attr_name().empty();
    if (!reference && kind == pb::AttributeProto::GRAPH) {
      if (failed(subgraph(attribute.g(), -1)))
        return failure();
      continue;
    }
    if (!reference && kind == pb::AttributeProto::GRAPHS &&
        attribute.graphs_size() > 0) {
      for (const auto &[index, graph] : llvm::enumerate(attribute.graphs()))
        if (failed(subgraph(graph, static_cast<int64_t>(index))))
          return failure();
      continue;
    }
    // Constants are called after what they define.
    std::string symbol = node.output_size() > 0 && !node.output(0).empty()
                             ? node.output(0)
                             : node.op_type();
    if (name != "value")
      symbol += "." + name;
    auto value = importAttribute(import, attribute, symbol, place);
    if (failed(value))
      return failure();
    attributes.append(name, *value);
  }
  if (!attributes.empty())
    to.node_attributes = attributes.getDictionary(&import.context);
  if (!graphs.empty())
    to.graphs = ArrayAttr::get(&import.context, graphs);
  return success();
}

LogicalResult GraphImporter::importNode(Scope &scope, const pb::NodeProto &node,
                                        int index) {
  std::string where = label(scope, node, index);
  if (node.op_type().empty())
    return import.error(where) << "a node without an operator";
  auto inputs = findInputs(scope, node, index);
  if (failed(inputs))
    return failure();

  OperationState state(import.locate(where), NodeOp::getOperationName());
  auto &properties = state.getOrAddProperties<NodeOp::Properties>();
  properties.op_type = import.text(node.op_type());
  properties.domain = import.text(node.domain());
  properties.overload = import.text(newerString(node, NodeOverload));
  properties.node_name = import.text(node.name());
  properties.output_names = import.texts(node.output());
  state.addOperands(*inputs);
  for (const std::string &name : node.output())
    state.addTypes(name.empty() ? Type(NoneType::get(&import.context))
                                : typeOf(scope, name));
  if (failed(importNodeAttributes(scope, node, where, properties, state)) ||
      (import.options.keepMetadata && failed(keepMetadata(node, where, state))))
    return failure();
  // The one type that a node states itself.
  if (node.op_type() == "Constant" && state.types.size() == 1 &&
      isa<UnknownType>(state.types[0]) && properties.node_attributes)
    if (Type type = import.typeOf(properties.node_attributes.get("value")))
      state.types[0] = type;
  Operation *op = scope.builder.create(state);
  for (auto [name, value] : llvm::zip(node.output(), op->getResults()))
    if (!name.empty() && failed(define(scope, name, value, where)))
      return failure();
  return success();
}

LogicalResult GraphImporter::importNodes(Scope &scope) {
  for (const auto &[index, node] : llvm::enumerate(scope.nodes))
    if (failed(importNode(scope, node, static_cast<int>(index))))
      return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// The main graph and functions
//===----------------------------------------------------------------------===//

/// `onnx.name` and `onnx.dims` of an argument or result of @main.
DictionaryAttr describe(ImportContext &import, const pb::ValueInfoProto &info) {
  NamedAttrList result;
  result.append(kNameAttr, import.text(info.name()));
  if (ArrayAttr dims = importDims(import, info.type()))
    result.append(kDimsAttr, dims);
  return result.getDictionary(&import.context);
}

LogicalResult addAnnotations(ImportContext &import, const pb::GraphProto &graph,
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
FailureOr<DictionaryAttr> importDefaults(ImportContext &import,
                                         const pb::FunctionProto &function,
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

} // namespace

LogicalResult lq::onnx::importMain(ImportContext &import,
                                   const pb::GraphProto &graph) {
  return GraphImporter(import).importMain(graph);
}

LogicalResult lq::onnx::importFunction(ImportContext &import,
                                       const pb::FunctionProto &function,
                                       StringRef where) {
  return GraphImporter(import).importFunction(function, where);
}
