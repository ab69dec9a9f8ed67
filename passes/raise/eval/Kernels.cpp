//===- Kernels.cpp - What the evaluator's kernels share -------------------===//

#include "passes/raise/eval/Kernels.h"

using namespace mlir;

namespace lq::eval {

bool NodeEvaluation::allData() const {
  return llvm::all_of(
      inputs, [](const HostTensor *input) { return !input || input->hasData; });
}

bool NodeEvaluation::make(unsigned i, ElementKind kind, ArrayRef<int64_t> shape,
                          bool wantData) {
  if (i >= results.size())
    return false;
  std::optional<int64_t> count = elementCount(shape);
  // What cannot be counted stays unknown.
  if (!count)
    return false;
  made[i] = true;
  bool data = wantData && *count <= maxElements && kind != ElementKind::Other;
  results[i] = data ? HostTensor::withData(kind, shape)
                    : HostTensor::withoutData(kind, shape);
  return data;
}

bool NodeEvaluation::integers(unsigned i, StringRef attribute,
                              std::optional<Shape> &values) const {
  if (has(i)) {
    const HostTensor &input = in(i);
    if (!input.hasData || input.isFloat())
      return false;
    values.emplace(input.ints.begin(), input.ints.end());
    return true;
  }
  onnx::NodeOp op = node;
  if (auto list = op.getInts(attribute))
    values.emplace(list->begin(), list->end());
  return true;
}

std::optional<int64_t> NodeEvaluation::axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    return std::nullopt;
  return axis < 0 ? axis + rank : axis;
}

std::optional<int64_t> NodeEvaluation::axisAttribute(int64_t otherwise,
                                                     int64_t rank) {
  return axis(node.getInt("axis", otherwise), rank);
}

Shape broadcastStrides(ArrayRef<int64_t> shape, ArrayRef<int64_t> result) {
  Shape own = stridesOf(shape);
  Shape strides(result.size(), 0);
  size_t lead = result.size() - shape.size();
  for (size_t d = 0; d < shape.size(); ++d)
    if (shape[d] != 1)
      strides[lead + d] = own[d];
  return strides;
}

void Walk::next() {
  for (size_t d = shape.size(); d-- > 0;) {
    ++index[d];
    for (size_t s = 0; s < strides.size(); ++s)
      offsets[s] += strides[s][d];
    if (index[d] < shape[d])
      return;
    for (size_t s = 0; s < strides.size(); ++s)
      offsets[s] -= strides[s][d] * shape[d];
    index[d] = 0;
  }
}

AxisView::AxisView(ArrayRef<int64_t> shape, int64_t axis) {
  for (int64_t d = 0; d < axis; ++d)
    outer *= shape[d];
  length = shape[axis];
  for (size_t d = axis + 1; d < shape.size(); ++d)
    inner *= shape[d];
}

ElementKind kindOfDataType(int64_t dataType) {
  switch (dataType) {
  case 1:
    return ElementKind::F32;
  case 2:
    return ElementKind::U8;
  case 3:
    return ElementKind::I8;
  case 4:
    return ElementKind::U16;
  case 5:
    return ElementKind::I16;
  case 6:
    return ElementKind::I32;
  case 7:
    return ElementKind::I64;
  case 9:
    return ElementKind::Bool;
  case 10:
    return ElementKind::F16;
  case 11:
    return ElementKind::F64;
  case 12:
    return ElementKind::U32;
  case 13:
    return ElementKind::U64;
  case 16:
    return ElementKind::BF16;
  default:
    return ElementKind::Other;
  }
}

static KernelTable makeTable() {
  KernelTable table;
  addElementwiseKernels(table);
  addShapeKernels(table);
  addMovementKernels(table);
  addIndexingKernels(table);
  addReductionKernels(table);
  addProductKernels(table);
  addNormalizationKernels(table);
  addFusedKernels(table);
  addRotaryKernels(table);
  return table;
}

Kernel kernelOf(onnx::NodeOp node) {
  static const KernelTable table = makeTable();
  StringRef domain = node.getDomain();
  if (domain == "ai.onnx")
    domain = "";
  std::string name = domain.empty() ? node.getOpType().str()
                                    : (domain + "." + node.getOpType()).str();
  return table.lookup(name);
}

} // namespace lq::eval
