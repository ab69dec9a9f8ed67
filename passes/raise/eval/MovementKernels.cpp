//===- MovementKernels.cpp - Operators that move whole blocks -------------===//

#include "passes/raise/eval/Kernels.h"

using namespace mlir;

namespace lq::eval {
namespace {

/// Fills the result by walking over the first input with `strides`, one for
/// each dimension of the result, from `start`.
bool gatherStrided(NodeEvaluation &e, ArrayRef<int64_t> shape,
                   const Shape &strides, int64_t start) {
  const HostTensor &x = e.in(0);
  if (!e.make(0, x.kind, shape, x.hasData))
    return true;
  Shape all[] = {strides};
  Walk walk(shape, all);
  for (int64_t i = 0, n = e.out().size(); i < n; ++i, walk.next())
    e.out().copy(i, x, start + walk.offset(0));
  return true;
}

bool transpose(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  Shape order(x.rank());
  for (int64_t d = 0; d < x.rank(); ++d)
    order[d] = x.rank() - 1 - d;
  if (auto given = e.node.getInts("perm"))
    order.assign(given->begin(), given->end());
  SmallVector<bool> seen(x.rank(), false);
  Shape own = stridesOf(x.shape), shape, strides;
  if (order.size() != x.shape.size())
    return false;
  for (int64_t d : order) {
    if (d < 0 || d >= x.rank() || seen[d])
      return false;
    seen[d] = true;
    shape.push_back(x.shape[d]);
    strides.push_back(own[d]);
  }
  return gatherStrided(e, shape, strides, 0);
}

/// Copies `part` into `whole` at `offset` along `axis`.
void copyBlock(HostTensor &whole, const HostTensor &part, int64_t axis,
               int64_t offset) {
  AxisView to(whole.shape, axis), from(part.shape, axis);
  for (int64_t o = 0; o < from.outer; ++o)
    for (int64_t i = 0; i < from.length; ++i)
      for (int64_t n = 0; n < from.inner; ++n)
        whole.copy(to.at(o, offset + i, n), part, from.at(o, i, n));
}

bool concat(NodeEvaluation &e) {
  auto axis = e.axisAttribute(1, e.in(0).rank());
  if (!axis)
    return false;
  Shape shape = e.in(0).shape;
  shape[*axis] = 0;
  for (const HostTensor *part : e.inputs) {
    if (!part || part->rank() != int64_t(shape.size()) ||
        part->kind != e.in(0).kind)
      return false;
    for (size_t d = 0; d < shape.size(); ++d) {
      if (int64_t(d) == *axis)
        shape[d] += part->shape[d];
      else if (part->shape[d] != shape[d])
        return false;
    }
  }
  if (!e.make(0, e.in(0).kind, shape))
    return true;
  int64_t offset = 0;
  for (const HostTensor *part : e.inputs) {
    copyBlock(e.out(), *part, *axis, offset);
    offset += part->shape[*axis];
  }
  return true;
}

bool slice(NodeEvaluation &e) {
  std::optional<Shape> starts, ends, axes, steps;
  if (!e.integers(1, "starts", starts) || !e.integers(2, "ends", ends) ||
      !e.integers(3, "axes", axes) || !e.integers(4, "", steps) || !starts ||
      !ends || starts->size() != ends->size() ||
      (axes && axes->size() != starts->size()) ||
      (steps && steps->size() != starts->size()))
    return false;
  const HostTensor &x = e.in(0);
  Shape shape = x.shape, strides = stridesOf(x.shape);
  int64_t origin = 0;
  for (size_t i = 0; i < starts->size(); ++i) {
    auto axis = e.axis(axes ? (*axes)[i] : int64_t(i), x.rank());
    if (!axis)
      return false;
    int64_t dim = x.shape[*axis], step = steps ? (*steps)[i] : 1;
    if (step == 0 || step == INT64_MIN)
      return false;
    auto clamp = [&](int64_t at, int64_t low, int64_t high) {
      return std::clamp(at < 0 ? at + dim : at, low, high);
    };
    int64_t low = step < 0 ? -1 : 0;
    int64_t start = clamp((*starts)[i], 0, step < 0 ? dim - 1 : dim);
    int64_t end = clamp((*ends)[i], low, dim);
    int64_t span = step < 0 ? start - end : end - start;
    int64_t stride = std::abs(step);
    shape[*axis] =
        span <= 0 || dim == 0 ? 0 : span / stride + (span % stride != 0);
    origin += start * strides[*axis];
    strides[*axis] *= step;
  }
  return gatherStrided(e, shape, strides, origin);
}

/// The lengths of the parts of a Split; false if they do not make up `length`.
bool splitLengths(NodeEvaluation &e, int64_t length, Shape &lengths) {
  std::optional<Shape> given;
  if (!e.integers(1, "split", given))
    return false;
  int64_t parts = e.results.size();
  if (given) {
    lengths = *given;
  } else {
    int64_t each = (length + parts - 1) / parts;
    for (int64_t i = 0; i < parts; ++i)
      lengths.push_back(std::clamp<int64_t>(length - i * each, 0, each));
  }
  int64_t sum = 0;
  for (int64_t part : lengths) {
    if (part < 0 || part > length)
      return false;
    sum += part;
  }
  return sum == length && int64_t(lengths.size()) == parts;
}

bool split(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  auto axis = e.axisAttribute(0, x.rank());
  Shape lengths;
  if (!axis || !splitLengths(e, x.shape[*axis], lengths))
    return false;
  AxisView from(x.shape, *axis);
  int64_t offset = 0;
  for (auto [index, length] : llvm::enumerate(lengths)) {
    Shape shape = x.shape;
    shape[*axis] = length;
    if (e.make(index, x.kind, shape, x.hasData)) {
      HostTensor &part = e.out(index);
      AxisView to(shape, *axis);
      for (int64_t o = 0; o < to.outer; ++o)
        for (int64_t i = 0; i < length; ++i)
          for (int64_t n = 0; n < to.inner; ++n)
            part.copy(to.at(o, i, n), x, from.at(o, offset + i, n));
    }
    offset += length;
  }
  return true;
}

bool tile(NodeEvaluation &e) {
  std::optional<Shape> repeats;
  const HostTensor &x = e.in(0);
  if (!e.integers(1, "", repeats) || !repeats ||
      repeats->size() != x.shape.size())
    return false;
  Shape shape(x.shape), strides = stridesOf(x.shape);
  for (size_t d = 0; d < shape.size(); ++d)
    if (llvm::MulOverflow(shape[d], (*repeats)[d], shape[d]))
      return false;
  if (!elementCount(shape))
    return false;
  if (!e.make(0, x.kind, shape, x.hasData))
    return true;
  Walk walk(shape, {});
  for (int64_t i = 0, n = e.out().size(); i < n; ++i, walk.next()) {
    int64_t from = 0;
    for (size_t d = 0; d < shape.size(); ++d)
      from += walk.position()[d] % x.shape[d] * strides[d];
    e.out().copy(i, x, from);
  }
  return true;
}

/// Where coordinate `at` of a padded dimension comes from; nothing: from the
/// constant.
std::optional<int64_t> paddedSource(StringRef mode, int64_t at, int64_t dim) {
  if (at >= 0 && at < dim)
    return at;
  if (mode == "constant" || dim == 0)
    return std::nullopt;
  if (mode == "edge")
    return at < 0 ? 0 : dim - 1;
  if (mode == "wrap")
    return (at % dim + dim) % dim;
  int64_t period = std::max<int64_t>(2 * (dim - 1), 1);
  int64_t folded = (at % period + period) % period;
  return std::min(folded, period - folded);
}

bool pad(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  std::optional<Shape> pads, axes;
  if (!e.integers(1, "pads", pads) || !e.integers(3, "", axes) || !pads)
    return false;
  size_t count = axes ? axes->size() : x.shape.size();
  if (pads->size() != 2 * count ||
      (e.has(2) && (!e.isScalar(2) || e.in(2).kind != x.kind)))
    return false;
  Shape shape = x.shape, before(x.rank(), 0), strides = stridesOf(x.shape);
  for (size_t i = 0; i < count; ++i) {
    auto axis = e.axis(axes ? (*axes)[i] : int64_t(i), x.rank());
    if (!axis)
      return false;
    before[*axis] = (*pads)[i];
    shape[*axis] += (*pads)[i] + (*pads)[count + i];
  }
  if (!elementCount(shape))
    return false;
  if (!e.make(0, x.kind, shape))
    return true;
  double filler = e.node.getFloat("value", 0);
  StringRef mode = e.node.getString("mode", "constant");
  Walk walk(shape, {});
  for (int64_t i = 0, n = e.out().size(); i < n; ++i, walk.next()) {
    std::optional<int64_t> from = 0;
    for (size_t d = 0; d < shape.size() && from; ++d) {
      auto at = paddedSource(mode, walk.position()[d] - before[d], x.shape[d]);
      from = at ? std::optional(*from + *at * strides[d]) : std::nullopt;
    }
    if (from)
      e.out().copy(i, x, *from);
    else if (e.has(2))
      e.out().copy(i, e.in(2), 0);
    else
      e.out().setNumber(i, filler);
  }
  return true;
}

bool trilu(NodeEvaluation &e) {
  const HostTensor &x = e.in(0);
  if (x.rank() < 2 || (e.has(1) && !e.isScalar(1)))
    return false;
  bool upper = e.node.getInt("upper", 1) != 0;
  if (!e.make(0, x.kind, x.shape))
    return true;
  int64_t k = e.has(1) ? e.in(1).integer(0) : 0;
  int64_t rows = x.shape[x.rank() - 2], columns = x.shape[x.rank() - 1];
  for (int64_t i = 0, n = x.size(); i < n; ++i) {
    int64_t row = i / columns % rows, column = i % columns;
    if (upper ? column - row >= k : column - row <= k)
      e.out().copy(i, x, i);
  }
  return true;
}

/// Rearranges [N, C, H, W] seen as more dimensions: the permutation of a
/// reshape, itself reshaped.
bool blocks(NodeEvaluation &e, ArrayRef<int64_t> seen, ArrayRef<int64_t> order,
            ArrayRef<int64_t> result) {
  Shape own = stridesOf(seen), shape, strides;
  for (int64_t d : order) {
    shape.push_back(seen[d]);
    strides.push_back(own[d]);
  }
  gatherStrided(e, shape, strides, 0);
  e.out().shape.assign(result.begin(), result.end());
  return true;
}

bool depthToSpace(NodeEvaluation &e) {
  const Shape &s = e.in(0).shape;
  int64_t b = e.node.getInt("blocksize", 1);
  if (s.size() != 4 || b < 1 || b > 4096 || s[1] % (b * b) != 0)
    return false;
  int64_t depth = s[1] / (b * b);
  Shape result{s[0], depth, s[2] * b, s[3] * b};
  if (e.node.getString("mode", "DCR") == "CRD")
    return blocks(e, {s[0], depth, b, b, s[2], s[3]}, {0, 1, 4, 2, 5, 3},
                  result);
  return blocks(e, {s[0], b, b, depth, s[2], s[3]}, {0, 3, 4, 1, 5, 2}, result);
}

bool spaceToDepth(NodeEvaluation &e) {
  const Shape &s = e.in(0).shape;
  int64_t b = e.node.getInt("blocksize", 1);
  if (s.size() != 4 || b < 1 || b > 4096 || s[2] % b || s[3] % b)
    return false;
  bool columnsFirst = e.node.getString("mode", "DCR") == "CRD";
  Shape order =
      columnsFirst ? Shape{0, 1, 3, 5, 2, 4} : Shape{0, 3, 5, 1, 2, 4};
  return blocks(e, {s[0], s[1], s[2] / b, b, s[3] / b, b}, order,
                {s[0], s[1] * b * b, s[2] / b, s[3] / b});
}

} // namespace

void addMovementKernels(KernelTable &table) {
  table["Transpose"] = transpose;
  table["Concat"] = concat;
  table["Slice"] = slice;
  table["Split"] = split;
  table["Tile"] = {tile, 2};
  table["Pad"] = pad;
  table["Trilu"] = trilu;
  table["DepthToSpace"] = depthToSpace;
  table["SpaceToDepth"] = spaceToDepth;
}

} // namespace lq::eval
