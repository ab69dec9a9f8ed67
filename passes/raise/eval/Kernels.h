//===- Kernels.h - How the evaluator evaluates one node ---------*- C++ -*-===//
//
// Internal to the evaluator. A kernel computes the results of one operator from
// its inputs: their data where every input that matters has data and the
// result is not too large, else their shapes. One file a family of operators.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_RAISE_EVAL_KERNELS_H
#define LQ_PASSES_RAISE_EVAL_KERNELS_H

#include "dialects/common/WeightFile.h"
#include "dialects/onnx/OnnxDialect.h"
#include "passes/raise/eval/HostTensor.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"

namespace lq::eval {

using Shape = llvm::SmallVector<int64_t>;

/// One node, its inputs, and the results that its kernel fills in.
struct NodeEvaluation {
  onnx::NodeOp node;
  /// The version of the node's domain that the model imports.
  int64_t opset = 0;
  int64_t maxElements = 0;
  /// Null where the node leaves the input out.
  llvm::SmallVector<const HostTensor *> inputs;
  /// One for each result of the node, and whether the kernel made it.
  llvm::SmallVector<HostTensor> results;
  llvm::SmallVector<bool> made;
  /// Where initializers lie that attributes refer to; may be null.
  WeightFiles *weights = nullptr;

  bool has(unsigned i) const { return i < inputs.size() && inputs[i]; }
  const HostTensor &in(unsigned i) const { return *inputs[i]; }
  bool hasData(unsigned i) const { return has(i) && inputs[i]->hasData; }
  bool isInteger(unsigned i) const { return lq::isInteger(in(i).kind); }
  /// Whether input `i` is one number, known or not.
  bool isScalar(unsigned i) const { return has(i) && in(i).size() == 1; }
  /// Whether every input that is there has data.
  bool allData() const;

  /// Makes result `i`; with room for data if `wantData` and it is not too
  /// large; not at all if no number counts its elements. Returns whether there
  /// is data to compute.
  bool make(unsigned i, ElementKind kind, llvm::ArrayRef<int64_t> shape,
            bool wantData);
  /// The same, wanting data where all inputs have it.
  bool make(unsigned i, ElementKind kind, llvm::ArrayRef<int64_t> shape) {
    return make(i, kind, shape, allData());
  }
  HostTensor &out(unsigned i = 0) { return results[i]; }

  /// Integers given by input `i` or, in older versions of an operator, by an
  /// attribute. False if the input is there without data; `values` stays empty
  /// if neither is there.
  bool integers(unsigned i, llvm::StringRef attribute,
                std::optional<Shape> &values) const;
  /// An axis in [-rank, rank), counted from the front; nothing if out of range.
  static std::optional<int64_t> axis(int64_t axis, int64_t rank);
  /// The attribute `axis`.
  std::optional<int64_t> axisAttribute(int64_t otherwise, int64_t rank);
};

/// Computes the results; false if they cannot be told (a malformed node, or
/// one whose shapes depend on data that is not known).
struct Kernel {
  bool (*run)(NodeEvaluation &) = nullptr;
  /// The first so many inputs may not be left out.
  unsigned required = 1;

  Kernel() = default;
  Kernel(bool (*run)(NodeEvaluation &), unsigned required = 1)
      : run(run), required(required) {}
};

/// Kernels by "Op" or "domain.Op".
using KernelTable = llvm::StringMap<Kernel>;

void addElementwiseKernels(KernelTable &table);
void addShapeKernels(KernelTable &table);
void addMovementKernels(KernelTable &table);
void addIndexingKernels(KernelTable &table);
void addReductionKernels(KernelTable &table);
void addProductKernels(KernelTable &table);
void addNormalizationKernels(KernelTable &table);
void addFusedKernels(KernelTable &table);
void addRotaryKernels(KernelTable &table);

/// The kernel of a node's operator; `run` is null if there is none.
Kernel kernelOf(onnx::NodeOp node);

/// The kind of a TensorProto.DataType (onnx.proto).
ElementKind kindOfDataType(int64_t dataType);

/// Strides of `shape` for walking over `result`, which it broadcasts to: 0
/// along the dimensions that are repeated.
Shape broadcastStrides(llvm::ArrayRef<int64_t> shape,
                       llvm::ArrayRef<int64_t> result);

/// Walks over the elements of `shape` in row-major order, keeping for each of
/// `strides` the offset of the current element.
class Walk {
public:
  Walk(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<Shape> strides)
      : shape(shape), strides(strides), index(shape.size(), 0),
        offsets(strides.size(), 0) {}

  int64_t offset(unsigned operand) const { return offsets[operand]; }
  llvm::ArrayRef<int64_t> position() const { return index; }
  void next();

private:
  llvm::ArrayRef<int64_t> shape;
  llvm::ArrayRef<Shape> strides;
  Shape index;
  Shape offsets;
};

/// `shape` seen as [outer, shape[axis], inner].
struct AxisView {
  int64_t outer = 1, length = 1, inner = 1;
  AxisView(llvm::ArrayRef<int64_t> shape, int64_t axis);
  /// The offset of element `i` along the axis.
  int64_t at(int64_t o, int64_t i, int64_t n) const {
    return (o * length + i) * inner + n;
  }
};

} // namespace lq::eval

#endif // LQ_PASSES_RAISE_EVAL_KERNELS_H
