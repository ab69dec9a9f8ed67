//===- Emitter.h - Creates the operations of the raised model ---*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_MATCH_EMITTER_H
#define LQ_PASSES_RAISE_MATCH_EMITTER_H

#include "dialects/lq/LqOps.h"
#include "passes/raise/Weights.h"
#include "passes/raise/general/GeneralLowering.h"
#include "passes/raise/match/Graph.h"

namespace lq::raise {

struct Heads;
struct RotatedHeads;

/// Builds the body of the raised `@main`. Values of the ONNX graph are bound
/// to values of the new function as they are emitted.
class Emitter {
public:
  /// All must outlive this object; the builder stands in the entry block.
  /// `cacheType` is the element type of caches.
  Emitter(mlir::OpBuilder &builder, const Graph &graph, Weights &weights,
          GeneralLowering &general, mlir::FloatType cacheType)
      : builder(builder), graph(graph), location(builder.getUnknownLoc()),
        weights(weights), general(general), cacheType(cacheType) {}

  mlir::OpBuilder &builder;
  const Graph &graph;
  /// Where operations that are created next come from.
  mlir::Location location;

  void bind(mlir::Value value, mlir::Value lowered) { bound[value] = lowered; }
  /// Binds an input of the graph to an argument, of a wider type perhaps.
  void bindInput(mlir::Value input, mlir::Value argument);
  /// The lowered form of a value that a match listed as an input, or of a
  /// constant; null after an error that was reported.
  mlir::Value get(mlir::Value value);
  /// Lowers a node that no idiom covers.
  mlir::LogicalResult lower(onnx::NodeOp node);

  /// The value of the dimension called `name`.
  mlir::Value extent(llvm::StringRef name);
  /// Tokens before the first row of this call.
  mlir::Value past() { return extent(kPast); }
  /// Positions of `count` rows, from past (in a generative model) or 0 on:
  /// tensor<1x?xi64>.
  mlir::Value positions(const Extent &count);

  // Constants as lq ops take them; null after an error that was reported.

  /// The matrix [N, K] that `constant` is, or is the transpose of.
  mlir::Value matrix(mlir::Value constant, bool transposed);
  /// A matrix that the graph holds quantized.
  mlir::Value quantized(const QuantizedMatrix &matrix);
  /// The rows of `constant`, which other matrices may be tied to.
  mlir::Value table(mlir::Value constant);
  /// `size` numbers as f32; a single number is repeated.
  mlir::Value vector(mlir::Value constant, int64_t size);

  /// linalg.transpose, or what it would undo.
  mlir::Value transpose(mlir::Value value, llvm::ArrayRef<int64_t> permutation);
  /// The lowered form of heads, as [batch, rows, heads, size].
  mlir::Value getRowsFirst(const Heads &heads);
  /// Binds heads of the graph to `value`, [batch, rows, heads, size].
  void bindRowsFirst(const Heads &heads, mlir::Value value);
  /// `value` with leading dimensions of 1 added or removed to have `rank`.
  mlir::Value reshapeLeading(mlir::Value value, int64_t rank);
  /// A function of the elements of tensors, broadcast as numpy does; `body`
  /// makes an element of the result. Its element type is the body's.
  mlir::Value elementwise(
      mlir::ValueRange operands,
      llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::ValueRange)>
          body);
  /// The last `logits` rows of `value`, [1, sequence, size].
  mlir::Value lastRows(mlir::Value value);

  /// lq.rope of `heads`, [batch, rows, heads, size].
  mlir::Value rotate(mlir::Value heads, const RotatedHeads &rotation);
  /// lq.append of `heads` to a new cache. `key` is the value of the graph that
  /// is cached: one that several attentions read is stored once.
  mlir::Value append(mlir::Value key, mlir::Value heads, CacheRole role);

private:
  /// The sizes of a value of the graph.
  llvm::SmallVector<mlir::OpFoldResult> sizesOf(mlir::Value value);
  mlir::Value getWeight(WeightOp weight);
  mlir::Value materializeSide(mlir::Value value);

  Weights &weights;
  GeneralLowering &general;
  mlir::FloatType cacheType;
  llvm::DenseMap<mlir::Value, mlir::Value> bound;
  llvm::DenseMap<std::pair<mlir::Value, unsigned>, mlir::Value> appended;
  unsigned cached[2] = {0, 0};
};

} // namespace lq::raise

#endif // LQ_PASSES_RAISE_MATCH_EMITTER_H
