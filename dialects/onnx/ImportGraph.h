//===- ImportGraph.h - Imports graphs, nodes, functions ---------*- C++ -*-===//

#ifndef LQ_DIALECTS_ONNX_IMPORTGRAPH_H
#define LQ_DIALECTS_ONNX_IMPORTGRAPH_H

#include "dialects/onnx/ImportContext.h"

namespace lq::onnx {

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
  Scope(mlir::MLIRContext *context, Scope *outer, std::string where,
        const Repeated<pb::NodeProto> &nodes, mlir::Block *block)
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
  mlir::OpBuilder builder;
  /// What is computed so far, also initializers that were used here.
  llvm::StringMap<mlir::Value> values;
  llvm::StringMap<mlir::FlatSymbolRefAttr> initializers;
  /// The node that computes a value, whether imported yet or not.
  llvm::StringMap<int> producers;
  /// Types that the file states.
  llvm::StringMap<mlir::Type> types;
  mlir::Value none;
};

/// Puts graphs into the module. All functions emit an error before they fail.
class GraphImporter {
public:
  explicit GraphImporter(ImportContext &import) : import(import) {}

  mlir::LogicalResult importMain(const pb::GraphProto &graph);
  mlir::LogicalResult importFunction(const pb::FunctionProto &function,
                                     llvm::StringRef where);

private:
  // What a graph declares (ImportGraph.cpp).

  mlir::LogicalResult declareTypes(Scope &scope,
                                   const Repeated<pb::ValueInfoProto> &infos,
                                   llvm::StringRef field);
  mlir::LogicalResult declareGraphTypes(Scope &scope,
                                        const pb::GraphProto &graph);
  mlir::LogicalResult addInitializers(Scope &scope,
                                      const pb::GraphProto &graph);
  mlir::LogicalResult addArgument(Scope &scope, llvm::StringRef name,
                                  mlir::Block *block, const llvm::Twine &where);
  mlir::FailureOr<llvm::SmallVector<mlir::Value>>
  findOutputs(Scope &scope, llvm::ArrayRef<llvm::StringRef> names);

  // Names (ImportNodes.cpp).

  /// The value called `name` in `scope` or around it, or null. An initializer
  /// becomes a value in the scope that uses it.
  mlir::Value lookup(Scope &scope, llvm::StringRef name);
  /// Makes `name` known; an error if it is already.
  mlir::LogicalResult define(Scope &scope, llvm::StringRef name,
                             mlir::Value value, const llvm::Twine &where);
  /// The type that the file states for a value, or an unknown type.
  mlir::Type typeOf(Scope &scope, llvm::StringRef name);
  /// Whether node `node` needs, directly or not, a result of node `other`.
  bool needs(Scope &scope, int node, int other);
  /// Says why input `input` of a node has no value.
  mlir::InFlightDiagnostic undefined(Scope &scope, const pb::NodeProto &node,
                                     int index, int input);
  /// How diagnostics name a node: graph.node[3] (Add "name")
  std::string label(const Scope &scope, const pb::NodeProto &node, int index);

  // Nodes (ImportNodes.cpp).

  mlir::LogicalResult importNodes(Scope &scope);
  mlir::LogicalResult importNode(Scope &scope, const pb::NodeProto &node,
                                 int index);
  mlir::FailureOr<llvm::SmallVector<mlir::Value>>
  findInputs(Scope &scope, const pb::NodeProto &node, int index);
  /// Attributes into `to`, subgraphs into regions of `state`.
  mlir::LogicalResult importNodeAttributes(Scope &scope,
                                           const pb::NodeProto &node,
                                           llvm::StringRef where,
                                           NodeOp::Properties &to,
                                           mlir::OperationState &state);
  /// Adds the graphs that an attribute holds; false if it holds none.
  mlir::FailureOr<bool>
  importGraphs(Scope &scope, const pb::AttributeProto &attribute,
               llvm::StringRef where,
               llvm::SmallVectorImpl<mlir::Attribute> &graphs,
               mlir::OperationState &state);
  mlir::FailureOr<GraphAttr> importSubgraph(Scope &outer,
                                            const pb::GraphProto &graph,
                                            mlir::StringAttr attribute,
                                            int64_t place, std::string where,
                                            mlir::Region &region);
  mlir::LogicalResult keepMetadata(const pb::NodeProto &node,
                                   llvm::StringRef where,
                                   mlir::OperationState &state);

  ImportContext &import;
};

} // namespace lq::onnx

#endif // LQ_DIALECTS_ONNX_IMPORTGRAPH_H
