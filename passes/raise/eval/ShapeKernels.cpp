//===- ShapeKernels.cpp - Operators that make, read or change shapes ------===//

#include "passes/raise/eval/Initializers.h"
#include "passes/raise/eval/Kernels.h"
#include <cmath>

using namespace mlir;

namespace lq::eval {
namespace {

/// The first input's elements under another shape.
bool reshapeTo(NodeEvaluation &e, ArrayRef<int64_t> shape) {
  const HostTensor &x = e.in(0);
  if (elementCount(shape) != std::optional<int64_t>(x.size()))
    return false;
  e.made[0] = true;
  e.out() = x;
  e.out().shape.assign(shape.begin(), shape.end());
  return true;
}

bool identity(NodeEvaluation &e) { return reshapeTo(e, e.in(0).shape); }

bool shapeOf(NodeEvaluation &e) {
  const Shape &shape = e.in(0).shape;
  int64_t rank = shape.size();
  auto bound = [&](StringRef name, int64_t otherwise) {
    int64_t at = e.node.getInt(name, otherwise);
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  int64_t start = bound("start", 0), end = bound("end", rank);
  ArrayRef<int64_t> part =
      ArrayRef(shape).slice(start, std::max<int64_t>(end - start, 0));
  e.made[0] = true;
  e.out() = HostTensor::ofInts(ElementKind::I64, {int64_t(part.size())}, part);
  return true;
}

bool sizeOf(NodeEvaluation &e) {
  e.made[0] = true;
  e.out() = HostTensor::ofInts(ElementKind::I64, {}, {e.in(0).size()});
  return true;
}

bool reshape(NodeEvaluation &e) {
  std::optional<Shape> wanted;
  if (!e.integers(1, "shape", wanted) || !wanted)
    return false;
  const HostTensor &x = e.in(0);
  Shape shape = *wanted;
  bool allowZero = e.node.getInt("allowzero", 0) != 0;
  int64_t known = 1, inferred = -1;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 0 && !allowZero) {
      if (d >= x.shape.size())
        return false;
      shape[d] = x.shape[d];
    }
    if (shape[d] == -1) {
      if (inferred >= 0)
        return false;
      inferred = d;
    } else if (shape[d] < 0 || llvm::MulOverflow(known, shape[d], known)) {
      return false;
    }
  }
  if (inferred >= 0) {
    if (known == 0 || x.size() % known != 0)
      return false;
    shape[inferred] = x.size() / known;
  }
  return reshapeTo(e, shape);
}

bool flatten(NodeEvaluation &e) {
  const Shape &shape = e.in(0).shape;
  int64_t axis = e.node.getInt("axis", 1), rank = shape.size();
  if (axis < 0)
    axis += rank;
  if (axis < 0 || axis > rank)
    return false;
  int64_t outer = 1, inner = 1;
  for (int64_t d = 0; d < rank; ++d)
    (d < axis ? outer : inner) *= shape[d];
  return reshapeTo(e, {outer, inner});
}

bool squeeze(NodeEvaluation &e) {
  std::optional<Shape> axes;
  if (!e.integers(1, "axes", axes))
    return false;
  const Shape &shape = e.in(0).shape;
  SmallVector<bool> dropped(shape.size(), false);
  if (axes)
    for (int64_t listed : *axes) {
      auto axis = e.axis(listed, shape.size());
      if (!axis || shape[*axis] != 1)
        return false;
      dropped[*axis] = true;
    }
  Shape result;
  for (size_t d = 0; d < shape.size(); ++d)
    if (axes ? !dropped[d] : shape[d] != 1)
      result.push_back(shape[d]);
  return reshapeTo(e, result);
}

bool unsqueeze(NodeEvaluation &e) {
  std::optional<Shape> axes;
  if (!e.integers(1, "axes", axes) || !axes)
    return false;
  const Shape &shape = e.in(0).shape;
  int64_t rank = shape.size() + axes->size();
  SmallVector<bool> inserted(rank, false);
  for (int64_t listed : *axes) {
    auto axis = e.axis(listed, rank);
    if (!axis || inserted[*axis])
      return false;
    inserted[*axis] = true;
  }
  Shape result;
  for (int64_t d = 0, next = 0; d < rank; ++d)
    result.push_back(inserted[d] ? 1 : shape[next++]);
  return reshapeTo(e, result);
}

/// The identity, as in inference; the mask is all true.
bool dropout(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  if (e.hasData(2) && e.isScalar(2) && e.in(2).number(0) != 0 &&
      !(e.hasData(1) && e.isScalar(1) && e.in(1).number(0) == 0))
    return false;
  if (!identity(e))
    return false;
  if (e.results.size() > 1 && e.make(1, ElementKind::Bool, x.shape, true))
    std::fill(e.out(1).ints.begin(), e.out(1).ints.end(), 1);
  return true;
}

bool constant(NodeEvaluation &e) {
  e.made[0] = true;
  if (auto tensor = tensorAttribute(e.node, "value", e.weights, e.maxElements))
    e.out() = std::move(*tensor);
  else if (e.node.getNodeAttr("value_int"))
    e.out() = HostTensor::ofInts(ElementKind::I64, {},
                                 {e.node.getInt("value_int", 0)});
  else if (e.node.getNodeAttr("value_float"))
    e.out() = HostTensor::ofFloats(ElementKind::F32, {},
                                   {e.node.getFloat("value_float", 0)});
  else if (auto ints = e.node.getInts("value_ints"))
    e.out() =
        HostTensor::ofInts(ElementKind::I64, {int64_t(ints->size())}, *ints);
  else if (auto floats = e.node.getNodeAttr<DenseF32ArrayAttr>("value_floats"))
    e.out() =
        HostTensor::ofFloats(ElementKind::F32, {floats.size()},
                             SmallVector<double>(floats.asArrayRef().begin(),
                                                 floats.asArrayRef().end()));
  else
    return false;
  return true;
}

bool constantOfShape(NodeEvaluation &e) {
  std::optional<Shape> shape;
  if (!e.integers(0, "", shape) || !shape || !elementCount(*shape))
    return false;
  HostTensor value = HostTensor::ofFloats(ElementKind::F32, {1}, {0});
  if (auto given = tensorAttribute(e.node, "value", e.weights, e.maxElements))
    value = std::move(*given);
  if (e.make(0, value.kind, *shape, value.hasData && value.size() == 1))
    for (int64_t i = 0, n = e.out().size(); i < n; ++i)
      e.out().copy(i, value, 0);
  return true;
}

bool range(NodeEvaluation &e) {
  if (!e.allData() || !e.isScalar(0) || !e.isScalar(1) || !e.isScalar(2) ||
      e.in(1).kind != e.in(0).kind || e.in(2).kind != e.in(0).kind)
    return false;
  const HostTensor &start = e.in(0), &limit = e.in(1), &delta = e.in(2);
  double count =
      std::ceil((limit.number(0) - start.number(0)) / delta.number(0));
  if (!(count < double(int64_t(1) << 53)))
    return false;
  int64_t n = std::max(count, 0.0);
  if (!e.make(0, start.kind, {n}))
    return true;
  for (int64_t i = 0; i < n; ++i)
    if (start.isFloat())
      e.out().setNumber(i, start.floats[0] + double(i) * delta.floats[0]);
    else
      e.out().setInteger(i, start.ints[0] + i * delta.ints[0]);
  return true;
}

bool eyeLike(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  if (x.rank() != 2)
    return false;
  int64_t dataType = e.node.getInt("dtype", 0);
  ElementKind kind = dataType ? kindOfDataType(dataType) : x.kind;
  int64_t k = e.node.getInt("k", 0);
  if (e.make(0, kind, x.shape, true))
    for (int64_t row = 0; row < x.shape[0]; ++row)
      if (row + k >= 0 && row + k < x.shape[1])
        e.out().setInteger(row * x.shape[1] + row + k, 1);
  return true;
}

bool expand(NodeEvaluation &e) {
  std::optional<Shape> wanted;
  if (!e.integers(1, "", wanted) || !wanted || !elementCount(*wanted))
    return false;
  const HostTensor &x = e.in(0);
  std::optional<Shape> shape = broadcastShapes(x.shape, *wanted);
  if (!shape)
    return false;
  if (!e.make(0, x.kind, *shape, x.hasData))
    return true;
  Shape strides[] = {broadcastStrides(x.shape, *shape)};
  Walk walk(*shape, strides);
  for (int64_t i = 0, n = e.out().size(); i < n; ++i, walk.next())
    e.out().copy(i, x, walk.offset(0));
  return true;
}

} // namespace

void addShapeKernels(KernelTable &table) {
  table["Identity"] = identity;
  table["Shape"] = shapeOf;
  table["Size"] = sizeOf;
  table["Reshape"] = {reshape, 1};
  table["Flatten"] = flatten;
  table["Squeeze"] = squeeze;
  table["Unsqueeze"] = unsqueeze;
  table["Dropout"] = dropout;
  table["Constant"] = {constant, 0};
  table["ConstantOfShape"] = constantOfShape;
  table["Range"] = {range, 3};
  table["EyeLike"] = eyeLike;
  table["Expand"] = {expand, 2};
}

} // namespace lq::eval
