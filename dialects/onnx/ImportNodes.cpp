//===- ImportNodes.cpp - Nodes, their attributes and subgraphs ------------===//

#include "dialects/onnx/ImportGraph.h"

using namespace mlir;
using namespace lq;
using namespace lq::onnx;

/// `text` as quoted() shows it, but without the quotation marks.
static std::string printable(StringRef text) {
  std::string result = quoted(text);
  return result.substr(1, result.size() - 2);
}

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

FailureOr<bool> GraphImporter::importGraphs(Scope &scope,
                                            const pb::AttributeProto &attribute,
                                            StringRef where,
                                            SmallVectorImpl<Attribute> &graphs,
                                            OperationState &state) {
  auto add = [&](const pb::GraphProto &graph, int64_t index,
                 std::string place) -> FailureOr<bool> {
    auto description =
        importSubgraph(scope, graph, import.text(attribute.name()), index,
                       std::move(place), *state.addRegion());
    if (failed(description))
      return failure();
    graphs.push_back(*description);
    return true;
  };
  if (!attribute.ref_attr_name().empty())
    return false;
  if (attributeKind(attribute) == pb::AttributeProto::GRAPH)
    return add(attribute.g(), -1, where.str());
  // An empty list is an attribute like others, as it makes no region.
  if (attributeKind(attribute) != pb::AttributeProto::GRAPHS ||
      attribute.graphs_size() == 0)
    return false;
  for (const auto &[index, graph] : llvm::enumerate(attribute.graphs()))
    if (failed(add(graph, static_cast<int64_t>(index),
                   (where + "[" + Twine(index) + "]").str())))
      return failure();
  return true;
}

/// What the large tensor in an attribute is called: the constant that it is,
/// or the node's result and the attribute.
static std::string symbolFor(const pb::NodeProto &node, StringRef attribute) {
  std::string symbol = node.output_size() > 0 ? node.output(0) : "";
  if (symbol.empty())
    symbol = node.op_type();
  return attribute == "value" ? symbol : symbol + "." + attribute.str();
}

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
    FailureOr<bool> isGraph =
        importGraphs(scope, attribute, place, graphs, state);
    if (failed(isGraph))
      return failure();
    if (*isGraph)
      continue;
    auto value =
        importAttribute(import, attribute, symbolFor(node, name), place);
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
