//===- IndexingKernels.cpp - Operators that read or write by index --------===//

#include "passes/raise/eval/Kernels.h"

using namespace mlir;

namespace lq::eval {
namespace {

/// An index in [-length, length), counted from the front; -1 out of range.
int64_t wrapIndex(int64_t index, int64_t length) {
  if (index < -length || index >= length)
    return -1;
  return index < 0 ? index + length : index;
}

bool gather(NodeEvaluation &e) {
  const HostTensor &x = e.in(0), &indices = e.in(1);
  auto axis = e.axisAttribute(0, x.rank());
  if (!axis || !e.isInteger(1))
    return false;
  Shape shape(x.shape.begin(), x.shape.begin() + *axis);
  shape.append(indices.shape.begin(), indices.shape.end());
  shape.append(x.shape.begin() + *axis + 1, x.shape.end());
  if (!e.make(0, x.kind, shape))
    return true;
  AxisView view(x.shape, *axis);
  int64_t count = indices.size(), next = 0;
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t i = 0; i < count; ++i) {
      int64_t at = wrapIndex(indices.ints[i], view.length);
      if (at < 0)
        return false;
      for (int64_t n = 0; n < view.inner; ++n)
        e.out().copy(next++, x, view.at(o, at, n));
    }
  return true;
}

bool gatherElements(NodeEvaluation &e) {
  const HostTensor &x = e.in(0), &indices = e.in(1);
  auto axis = e.axisAttribute(0, x.rank());
  if (!axis || !e.isInteger(1) || indices.rank() != x.rank())
    return false;
  if (!e.make(0, x.kind, indices.shape))
    return true;
  Shape strides[] = {stridesOf(x.shape)};
  Walk walk(indices.shape, strides);
  for (int64_t i = 0, n = indices.size(); i < n; ++i, walk.next()) {
    int64_t at = wrapIndex(indices.ints[i], x.shape[*axis]);
    if (at < 0)
      return false;
    e.out().copy(i, x,
                 walk.offset(0) +
                     (at - walk.position()[*axis]) * strides[0][*axis]);
  }
  return true;
}

/// The offset in a tensor of `shape` that a row of coordinates names; -1 out
/// of range. Dimensions before `lead` are not in the row.
int64_t offsetOf(const HostTensor &indices, int64_t row, int64_t width,
                 ArrayRef<int64_t> shape, ArrayRef<int64_t> strides,
                 int64_t lead) {
  int64_t offset = 0;
  for (int64_t d = 0; d < width; ++d) {
    int64_t at = wrapIndex(indices.ints[row * width + d], shape[lead + d]);
    if (at < 0)
      return -1;
    offset += at * strides[lead + d];
  }
  return offset;
}

int64_t product(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t dim : shape)
    count *= dim;
  return count;
}

bool gatherNd(NodeEvaluation &e) {
  const HostTensor &x = e.in(0), &indices = e.in(1);
  int64_t batch = e.node.getInt("batch_dims", 0);
  if (!e.isInteger(1) || indices.rank() < 1 || batch < 0 ||
      batch >= indices.rank() || batch >= x.rank())
    return false;
  int64_t width = indices.shape.back();
  if (width < 1 || width + batch > x.rank() ||
      ArrayRef(x.shape).take_front(batch) !=
          ArrayRef(indices.shape).take_front(batch))
    return false;
  Shape shape(indices.shape.begin(), indices.shape.end() - 1);
  auto inner = ArrayRef(x.shape).drop_front(batch + width);
  shape.append(inner.begin(), inner.end());
  if (!e.make(0, x.kind, shape))
    return true;
  Shape strides = stridesOf(x.shape);
  int64_t rows = product(ArrayRef(indices.shape).drop_back());
  int64_t batches = product(ArrayRef(x.shape).take_front(batch));
  if (rows == 0 || batches == 0)
    return true;
  int64_t length = product(inner), each = x.size() / batches;
  for (int64_t row = 0; row < rows; ++row) {
    int64_t at = offsetOf(indices, row, width, x.shape, strides, batch);
    if (at < 0)
      return false;
    at += row / (rows / batches) * each;
    for (int64_t n = 0; n < length; ++n)
      e.out().copy(row * length + n, x, at + n);
  }
  return true;
}

/// Stores or combines, as the attribute `reduction` of the scatters says.
void combine(HostTensor &to, int64_t i, const HostTensor &from, int64_t j,
             StringRef reduction) {
  if (reduction == "none")
    return to.copy(i, from, j);
  auto apply = [&](auto a, auto b) {
    return reduction == "add"   ? a + b
           : reduction == "mul" ? a * b
           : reduction == "max" ? std::max(a, b)
                                : std::min(a, b);
  };
  if (to.isFloat())
    to.setNumber(i, apply(to.floats[i], from.floats[j]));
  else
    to.setInteger(i, apply(to.ints[i], from.ints[j]));
}

/// Starts the result of a scatter as a copy of the first input.
bool startScatter(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  if (e.in(2).kind != x.kind || !e.make(0, x.kind, x.shape))
    return false;
  e.out() = x;
  return true;
}

bool scatterNd(NodeEvaluation &e) {
  const HostTensor &x = e.in(0), &indices = e.in(1), &updates = e.in(2);
  if (!e.isInteger(1) || indices.rank() < 1)
    return false;
  int64_t width = indices.shape.back();
  if (width < 1 || width > x.rank())
    return false;
  Shape expected(indices.shape.begin(), indices.shape.end() - 1);
  auto inner = ArrayRef(x.shape).drop_front(width);
  expected.append(inner.begin(), inner.end());
  if (expected != updates.shape)
    return false;
  if (!startScatter(e))
    return e.made[0];
  StringRef reduction = e.node.getString("reduction", "none");
  Shape strides = stridesOf(x.shape);
  int64_t rows = product(ArrayRef(indices.shape).drop_back());
  int64_t length = product(inner);
  for (int64_t row = 0; row < rows; ++row) {
    int64_t at = offsetOf(indices, row, width, x.shape, strides, 0);
    if (at < 0)
      return false;
    for (int64_t n = 0; n < length; ++n)
      combine(e.out(), at + n, updates, row * length + n, reduction);
  }
  return true;
}

bool scatterElements(NodeEvaluation &e) {
  const HostTensor &x = e.in(0), &indices = e.in(1), &updates = e.in(2);
  auto axis = e.axisAttribute(0, x.rank());
  if (!axis || !e.isInteger(1) || indices.shape != updates.shape ||
      indices.rank() != x.rank())
    return false;
  if (!startScatter(e))
    return e.made[0];
  StringRef reduction = e.node.getString("reduction", "none");
  Shape strides[] = {stridesOf(x.shape)};
  Walk walk(indices.shape, strides);
  for (int64_t i = 0, n = indices.size(); i < n; ++i, walk.next()) {
    int64_t at = wrapIndex(indices.ints[i], x.shape[*axis]);
    int64_t to =
        walk.offset(0) + (at - walk.position()[*axis]) * strides[0][*axis];
    if (at < 0 || to >= x.size())
      return false;
    combine(e.out(), to, updates, i, reduction);
  }
  return true;
}

bool oneHot(NodeEvaluation &e) {
  const HostTensor &indices = e.in(0), &values = e.in(2);
  auto axis = e.axisAttribute(-1, indices.rank() + 1);
  if (!axis || !e.hasData(1) || !e.isScalar(1) || values.size() != 2)
    return false;
  int64_t depth = e.in(1).integer(0);
  Shape shape = indices.shape;
  shape.insert(shape.begin() + *axis, depth);
  if (!elementCount(shape))
    return false;
  if (!e.make(0, values.kind, shape))
    return true;
  AxisView view(shape, *axis);
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t i = 0; i < depth; ++i)
      for (int64_t n = 0; n < view.inner; ++n) {
        int64_t hot = wrapIndex(indices.integer(o * view.inner + n), depth);
        e.out().copy(view.at(o, i, n), values, hot == i ? 1 : 0);
      }
  return true;
}

bool nonZero(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  if (!x.hasData)
    return false;
  SmallVector<Shape> found;
  Walk walk(x.shape, {});
  for (int64_t i = 0, n = x.size(); i < n; ++i, walk.next())
    if (x.number(i) != 0)
      found.emplace_back(walk.position());
  int64_t count = found.size();
  if (!e.make(0, ElementKind::I64, {x.rank(), count}))
    return true;
  for (int64_t d = 0; d < x.rank(); ++d)
    for (int64_t i = 0; i < count; ++i)
      e.out().ints[d * count + i] = found[i][d];
  return true;
}

bool compress(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  if (!e.hasData(1) || !e.isInteger(1))
    return false;
  bool flat = !e.node.getNodeAttr("axis");
  Shape shape = flat ? Shape{x.size()} : x.shape;
  auto axis = e.axis(e.node.getInt("axis", 0), shape.size());
  if (!axis)
    return false;
  AxisView from(shape, *axis);
  Shape chosen;
  for (int64_t i = 0, n = std::min(e.in(1).size(), from.length); i < n; ++i)
    if (e.in(1).ints[i])
      chosen.push_back(i);
  shape[*axis] = chosen.size();
  if (!e.make(0, x.kind, shape))
    return true;
  AxisView to(shape, *axis);
  for (int64_t o = 0; o < to.outer; ++o)
    for (int64_t i = 0; i < to.length; ++i)
      for (int64_t n = 0; n < to.inner; ++n)
        e.out().copy(to.at(o, i, n), x, from.at(o, chosen[i], n));
  return true;
}

/// [B, ..., S, ...] written into a cache at positions given for each batch.
bool tensorScatter(NodeEvaluation &e) {
  const HostTensor &past = e.in(0), &update = e.in(1);
  auto axis = e.axisAttribute(-2, past.rank());
  if (!axis || *axis == 0 || update.rank() != past.rank() ||
      update.kind != past.kind ||
      (e.has(2) && (!e.isInteger(2) || e.in(2).size() != past.shape[0])))
    return false;
  if (!e.make(0, past.kind, past.shape))
    return true;
  e.out() = past;
  bool circular = e.node.getString("mode", "linear") == "circular";
  Shape strides[] = {stridesOf(past.shape)};
  Walk walk(update.shape, strides);
  for (int64_t i = 0, n = update.size(); i < n; ++i, walk.next()) {
    int64_t start = e.has(2) ? e.in(2).ints[walk.position()[0]] : 0;
    int64_t at = start + walk.position()[*axis];
    if (circular)
      at %= past.shape[*axis];
    if (at < 0 || at >= past.shape[*axis])
      return false;
    e.out().copy(walk.offset(0) +
                     (at - walk.position()[*axis]) * strides[0][*axis],
                 update, i);
  }
  return true;
}

} // namespace

void addIndexingKernels(KernelTable &table) {
  table["Gather"] = {gather, 2};
  table["GatherElements"] = {gatherElements, 2};
  table["GatherND"] = {gatherNd, 2};
  table["ScatterND"] = {scatterNd, 3};
  table["ScatterElements"] = {scatterElements, 3};
  table["Scatter"] = {scatterElements, 3};
  table["OneHot"] = {oneHot, 3};
  table["NonZero"] = nonZero;
  table["Compress"] = {compress, 2};
  table["TensorScatter"] = {tensorScatter, 2};
}

} // namespace lq::eval
