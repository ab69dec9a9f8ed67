//===- Movement.cpp - Lowerings of operators that move whole blocks -------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/raise/general/NodeLowering.h"

using namespace mlir;

namespace lq::general {
namespace {

SmallVector<OpFoldResult> zeros(NodeLowering &l, int64_t rank) {
  return SmallVector<OpFoldResult>(rank, l.b.getIndexAttr(0));
}

Value asValue(NodeLowering &l, OpFoldResult index) {
  if (auto value = dyn_cast<Value>(index))
    return value;
  return l.index(cast<IntegerAttr>(cast<Attribute>(index)).getInt());
}

LogicalResult transpose(NodeLowering &l) {
  int64_t rank = l.in(0).rank();
  SmallVector<int64_t> order;
  for (int64_t d = rank; d-- > 0;)
    order.push_back(d);
  if (auto given = l.node.getInts("perm"))
    order.assign(given->begin(), given->end());
  l.set(0, l.transpose(l.in(0), order).value);
  return success();
}

LogicalResult concat(NodeLowering &l) {
  auto axis = l.axis(l.node.getInt("axis", 1), l.in(0).rank());
  if (!axis)
    return l.fail("axis out of range");
  if (l.operands.size() == 1) {
    l.set(0, l.in(0).value);
    return success();
  }
  Lowered whole = l.empty(l.out().shape, l.out().kind);
  Extent offset(0);
  for (const Lowered &part : l.operands) {
    SmallVector<OpFoldResult> offsets = zeros(l, part.rank());
    offsets[*axis] = l.sizes({offset})[0];
    if (!part.shape[*axis].is(0))
      whole = l.insert(part, whole, offsets);
    offset += part.shape[*axis];
  }
  l.set(0, whole.value);
  return success();
}

//===----------------------------------------------------------------------===//
// Slice
//===----------------------------------------------------------------------===//

/// Whether an extent is at least zero whatever the dimensions are.
bool isNonNegative(const Extent &extent) {
  return extent.constant >= 0 &&
         llvm::all_of(extent.terms,
                      [](const auto &term) { return term.second >= 0; });
}

/// Where a slice begins: `start` counted from the end if it is negative, and
/// clamped to [0, last].
OpFoldResult clampStart(NodeLowering &l, Extent start, const Extent &dim,
                        const Extent &last) {
  if (start.isConstant() && start.constant < 0)
    start += dim;
  if (isNonNegative(start) && isNonNegative(last - start))
    return l.sizes({start})[0];
  if (isNonNegative(start * -1))
    return l.b.getIndexAttr(0);
  Value value = l.index(start);
  Value zero = l.index(0);
  if (!start.isConstant() && !isNonNegative(start)) {
    Value isNegative =
        arith::CmpIOp::create(l.b, arith::CmpIPredicate::slt, value, zero);
    Value wrapped = arith::AddIOp::create(l.b, value, l.index(dim));
    value = arith::SelectOp::create(l.b, isNegative, wrapped, value);
  }
  value = arith::MaxSIOp::create(l.b, value, zero);
  return OpFoldResult(Value(arith::MinSIOp::create(l.b, value, l.index(last))));
}

/// The same where the start is an element of an operand.
OpFoldResult clampLoadedStart(NodeLowering &l, Value start, const Extent &dim,
                              const Extent &last) {
  Value zero = l.index(0);
  Value isNegative =
      arith::CmpIOp::create(l.b, arith::CmpIPredicate::slt, start, zero);
  Value wrapped = arith::AddIOp::create(l.b, start, l.index(dim));
  Value value = arith::SelectOp::create(l.b, isNegative, wrapped, start);
  value = arith::MaxSIOp::create(l.b, value, zero);
  return OpFoldResult(Value(arith::MinSIOp::create(l.b, value, l.index(last))));
}

/// Reads `x` backwards along some axes, which views cannot.
Lowered gatherStrided(NodeLowering &l, const Lowered &x,
                      ArrayRef<OpFoldResult> offsets, ArrayRef<int64_t> steps) {
  SmallVector<Value> starts;
  for (OpFoldResult offset : offsets)
    starts.push_back(asValue(l, offset));
  return l.fromIndices(
      l.out().shape, l.out().kind,
      [&](Scalars &s, ValueRange indices) -> Value {
        SmallVector<Value> from;
        for (auto [i, start, step] : llvm::zip(indices, starts, steps)) {
          Value scale = arith::ConstantIndexOp::create(s.b, step);
          Value moved = arith::MulIOp::create(s.b, i, scale);
          from.push_back(arith::AddIOp::create(s.b, start, moved));
        }
        Value element = tensor::ExtractOp::create(s.b, x.value, from);
        return s.widen(element, x.kind);
      });
}

LogicalResult slice(NodeLowering &l) {
  const Lowered &x = l.in(0);
  std::optional<SmallVector<int64_t>> axes, steps;
  std::optional<Extents> starts;
  if (!l.integers(3, "axes", axes) || !l.integers(4, "steps", steps))
    return l.fail("expected constant axes and steps");
  bool known = l.extents(1, "starts", starts);
  int64_t count =
      known && starts ? starts->size()
      : l.has(1) && l.in(1).rank() == 1 && l.in(1).shape[0].isConstant()
          ? l.in(1).shape[0].constant
          : -1;
  if (count < 0 || (axes && int64_t(axes->size()) != count) ||
      (steps && int64_t(steps->size()) != count))
    return l.fail("expected a start for each axis");
  SmallVector<OpFoldResult> offsets = zeros(l, x.rank());
  SmallVector<int64_t> strides(x.rank(), 1);
  bool backwards = false;
  for (int64_t i = 0; i < count; ++i) {
    auto axis = l.axis(axes ? (*axes)[i] : i, x.rank());
    if (!axis)
      return l.fail("axis out of range");
    int64_t step = steps ? (*steps)[i] : 1;
    backwards |= step < 0;
    strides[*axis] = step;
    const Extent &dim = x.shape[*axis];
    Extent last = step < 0 ? dim - Extent(1) : dim;
    if (known) {
      offsets[*axis] = clampStart(l, (*starts)[i], dim, last);
      continue;
    }
    Scalars s(l.b, l.b.getLoc(), l.in(1).kind);
    Value start = s.toIndex(l.element(l.in(1), {l.index(i)}));
    offsets[*axis] = clampLoadedStart(l, start, dim, last);
  }
  l.set(0, backwards ? gatherStrided(l, x, offsets, strides).value
                     : l.slice(x, offsets, l.out().shape, strides).value);
  return success();
}

LogicalResult split(NodeLowering &l) {
  const Lowered &x = l.in(0);
  auto axis = l.axis(l.node.getInt("axis", 0), x.rank());
  if (!axis)
    return l.fail("axis out of range");
  Extent offset(0);
  for (unsigned i = 0; i < l.results.size(); ++i) {
    SmallVector<OpFoldResult> offsets = zeros(l, x.rank());
    offsets[*axis] = l.sizes({offset})[0];
    l.set(i, l.slice(x, offsets, l.out(i).shape).value);
    offset += l.out(i).shape[*axis];
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Repetition and padding
//===----------------------------------------------------------------------===//

LogicalResult tile(NodeLowering &l) {
  const Lowered &x = l.in(0);
  SmallVector<Value> dims;
  for (const Extent &extent : x.shape)
    dims.push_back(l.index(extent));
  auto body = [&](Scalars &s, ValueRange indices) -> Value {
    SmallVector<Value> from;
    for (auto [d, i] : llvm::enumerate(indices))
      from.push_back(x.shape[d] == l.out().shape[d] ? i
                     : x.shape[d].is(1)
                         ? Value(arith::ConstantIndexOp::create(s.b, 0))
                         : Value(arith::RemUIOp::create(s.b, i, dims[d])));
    return s.widen(tensor::ExtractOp::create(s.b, x.value, from), x.kind);
  };
  l.set(0, l.fromIndices(l.out().shape, l.out().kind, body).value);
  return success();
}

/// The number that a constant padding is filled with, stored.
Value padding(NodeLowering &l) {
  if (l.has(2)) {
    Lowered scalar = l.reshape(l.in(2), {});
    return l.element(scalar, {});
  }
  Scalars s(l.b, l.b.getLoc(), l.in(0).kind);
  return s.narrow(s.constant(l.node.getFloat("value", 0)), l.in(0).kind);
}

/// Where padded coordinate `at` (may lie outside) comes from; see
/// https://onnx.ai/onnx/operators/onnx__Pad.html for the modes.
Value paddedSource(Scalars &s, StringRef mode, Value at, Value dim) {
  Value zero = arith::ConstantIndexOp::create(s.b, 0);
  Value one = arith::ConstantIndexOp::create(s.b, 1);
  Value last = arith::SubIOp::create(s.b, dim, one);
  if (mode != "wrap" && mode != "reflect") {
    Value low = arith::MaxSIOp::create(s.b, at, zero);
    return arith::MinSIOp::create(s.b, low, last);
  }
  Value two = arith::ConstantIndexOp::create(s.b, 2);
  Value period = dim;
  if (mode == "reflect")
    period =
        arith::MaxSIOp::create(s.b, arith::MulIOp::create(s.b, last, two), one);
  Value rest = arith::RemSIOp::create(s.b, at, period);
  Value isNegative = s.compare(Order::Less, rest, zero);
  rest = s.select(isNegative, arith::AddIOp::create(s.b, rest, period), rest);
  if (mode == "wrap")
    return rest;
  return arith::MinSIOp::create(s.b, rest,
                                arith::SubIOp::create(s.b, period, rest));
}

LogicalResult pad(NodeLowering &l) {
  const Lowered &x = l.in(0);
  std::optional<SmallVector<int64_t>> axes;
  std::optional<Extents> pads;
  if (!l.extents(1, "pads", pads) || !pads || !l.integers(3, "", axes))
    return l.fail("expected pads that follow from the inputs' dimensions");
  Extents before(x.rank(), Extent(0));
  size_t count = axes ? axes->size() : x.rank();
  if (pads->size() != 2 * count)
    return l.fail("expected two pads for each axis");
  bool onlyGrows = true;
  for (size_t i = 0; i < count; ++i) {
    auto axis = l.axis(axes ? (*axes)[i] : int64_t(i), x.rank());
    if (!axis)
      return l.fail("axis out of range");
    before[*axis] = (*pads)[i];
    onlyGrows &= isNonNegative((*pads)[i]) && isNonNegative((*pads)[count + i]);
  }
  StringRef mode = l.node.getString("mode", "constant");
  bool isConstant = mode == "constant";
  Value filler = isConstant ? padding(l) : Value();
  if (isConstant && onlyGrows) {
    Lowered whole = l.filled(l.out().shape, l.out().kind, filler);
    l.set(0, l.insert(x, whole, l.sizes(before)).value);
    return success();
  }
  SmallVector<Value> starts, dims;
  for (int64_t d = 0; d < x.rank(); ++d) {
    starts.push_back(l.index(before[d]));
    dims.push_back(l.index(x.shape[d]));
  }
  auto body = [&](Scalars &s, ValueRange indices) -> Value {
    SmallVector<Value> from;
    Value inside = s.truth(true);
    for (auto [i, start, dim] : llvm::zip(indices, starts, dims)) {
      Value at = arith::SubIOp::create(s.b, i, start);
      Value source = paddedSource(s, mode, at, dim);
      Value same = s.compare(Order::Equal, source, at);
      inside = arith::AndIOp::create(s.b, inside, same);
      from.push_back(source);
    }
    Value element = tensor::ExtractOp::create(s.b, x.value, from);
    if (isConstant)
      element = s.select(inside, element, filler);
    return s.widen(element, x.kind);
  };
  l.set(0, l.fromIndices(l.out().shape, l.out().kind, body).value);
  return success();
}

LogicalResult trilu(NodeLowering &l) {
  const Lowered &x = l.in(0);
  std::optional<Extents> diagonal;
  bool known = l.extents(1, "", diagonal);
  Value k = known ? l.index(diagonal ? (*diagonal)[0] : Extent(0)) : Value();
  if (!k) {
    Scalars s(l.b, l.b.getLoc(), l.in(1).kind);
    k = s.toIndex(l.element(l.reshape(l.in(1), {}), {}));
  }
  bool upper = l.node.getInt("upper", 1) != 0;
  auto keep = [&](Scalars &s, ValueRange v) {
    Value row = linalg::IndexOp::create(s.b, x.rank() - 2);
    Value column = linalg::IndexOp::create(s.b, x.rank() - 1);
    Value edge = arith::AddIOp::create(s.b, row, k);
    Order order = upper ? Order::GreaterOrEqual : Order::LessOrEqual;
    return s.select(s.compare(order, column, edge), v[0], s.constant(0));
  };
  l.set(0, l.elementwise({x}, x.shape, x.kind, keep).value);
  return success();
}

LogicalResult depthToSpace(NodeLowering &l) {
  const Lowered &x = l.in(0);
  int64_t block = l.node.getInt("blocksize", 1);
  Extents s = x.shape;
  const Extents &to = l.out().shape;
  bool rows = l.node.getString("mode", "DCR") == "CRD";
  Extents seen = rows ? Extents{s[0], to[1], block, block, s[2], s[3]}
                      : Extents{s[0], block, block, to[1], s[2], s[3]};
  SmallVector<int64_t> order = rows ? SmallVector<int64_t>{0, 1, 4, 2, 5, 3}
                                    : SmallVector<int64_t>{0, 3, 4, 1, 5, 2};
  l.set(0, l.reshape(l.transpose(l.reshape(x, seen), order), to).value);
  return success();
}

LogicalResult spaceToDepth(NodeLowering &l) {
  const Lowered &x = l.in(0);
  int64_t block = l.node.getInt("blocksize", 1);
  const Extents &to = l.out().shape;
  Extents seen{x.shape[0], x.shape[1], to[2], block, to[3], block};
  bool columnsFirst = l.node.getString("mode", "DCR") == "CRD";
  SmallVector<int64_t> order = columnsFirst
                                   ? SmallVector<int64_t>{0, 1, 3, 5, 2, 4}
                                   : SmallVector<int64_t>{0, 3, 5, 1, 2, 4};
  l.set(0, l.reshape(l.transpose(l.reshape(x, seen), order), to).value);
  return success();
}

} // namespace

void addMovementLowerings(LoweringTable &table) {
  table["Transpose"] = transpose;
  table["Concat"] = concat;
  table["Slice"] = slice;
  table["Split"] = split;
  table["Tile"] = tile;
  table["Pad"] = pad;
  table["Trilu"] = trilu;
  table["DepthToSpace"] = depthToSpace;
  table["SpaceToDepth"] = spaceToDepth;
}

} // namespace lq::general
