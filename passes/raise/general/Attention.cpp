//===- Attention.cpp - Lowerings of attention and rotary embeddings -------===//
//
// For nodes that exporters write as one operator and that the idioms do not
// take (a bias or a window of an unusual form, say). Shapes are written with B
// batch, S rows, T keys, H query heads = G key heads * R, D head size.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/raise/general/NodeLowering.h"
#include <cmath>

using namespace mlir;

namespace lq::general {
namespace {

//===----------------------------------------------------------------------===//
// Attention (ai.onnx, from opset 23)
//===----------------------------------------------------------------------===//

/// Whether x is [B, heads, S, size], or can be split into so many heads.
bool hasHeads(const Lowered &x, int64_t heads) {
  return x.rank() == 4 ||
         (x.rank() == 3 && heads > 0 && x.shape[2].isConstant() &&
          x.shape[2].constant % heads == 0);
}

/// [B, S, heads * size] as [B, heads, S, size]; four dimensions stay.
Lowered splitHeads(NodeLowering &l, const Lowered &x, int64_t heads) {
  if (x.rank() == 4)
    return x;
  Extents shape{x.shape[0], x.shape[1], heads, x.shape[2].constant / heads};
  return l.transpose(l.reshape(x, shape), {0, 2, 1, 3});
}

/// `x` behind `past` along dimension 2.
Lowered append(NodeLowering &l, const Lowered &past, const Lowered &x) {
  Extents shape = x.shape;
  shape[2] += past.shape[2];
  SmallVector<OpFoldResult> offsets(4, l.b.getIndexAttr(0));
  Lowered whole = l.insert(past, l.empty(shape, x.kind), offsets);
  offsets[2] = l.sizes({past.shape[2]})[0];
  return l.insert(x, whole, offsets);
}

/// The mask as [B|1, G|1, R|1, S|1, T], filled up at the end of T with what
/// masks out.
Lowered shapeMask(NodeLowering &l, Lowered mask, const Extents &scores) {
  if (mask.shape.back() != scores[4] && !mask.shape.back().is(1)) {
    Extents wide = mask.shape;
    wide.back() = scores[4];
    Lowered out = l.filled(wide, mask.kind,
                           mask.kind == ElementKind::Bool ? 0.0 : -INFINITY);
    mask = l.insert(
        mask, out, SmallVector<OpFoldResult>(wide.size(), l.b.getIndexAttr(0)));
  }
  Extents shape(4 - mask.rank(), Extent(1));
  llvm::append_range(shape, mask.shape);
  bool perHead = !shape[1].is(1);
  Extents split{shape[0], perHead ? scores[1] : Extent(1),
                perHead ? scores[2] : Extent(1), shape[2], shape[3]};
  return l.reshape(mask, split);
}

/// What decides which keys a row sees, besides the mask.
struct Visibility {
  bool causal = false;
  /// -1: unbounded.
  int64_t left = -1, right = -1;
  /// The position of row 0, of type index; null where `lengths` tells.
  Value past;
  /// The number of keys of each batch [B], where they differ.
  Lowered lengths;

  Value of(Scalars &s, Value rows) const;
};

/// Whether key t of the innermost loop is seen: loops are (b, g, r, s, t).
Value Visibility::of(Scalars &s, Value rows) const {
  auto loop = [&](int64_t d) -> Value {
    return linalg::IndexOp::create(s.b, d);
  };
  auto both = [&](Value a, Value b) -> Value {
    return arith::AndIOp::create(s.b, a, b);
  };
  Value seen = s.truth(true), key = loop(4), start = past;
  if (lengths.value) {
    Value raw =
        tensor::ExtractOp::create(s.b, lengths.value, ValueRange{loop(0)});
    Value length = arith::IndexCastOp::create(s.b, s.b.getIndexType(), raw);
    seen = both(seen, s.compare(Order::Less, key, length));
    start = arith::SubIOp::create(s.b, length, rows);
  }
  Value position = arith::AddIOp::create(s.b, loop(3), start);
  Value distance = arith::SubIOp::create(s.b, position, key);
  auto bound = [&](Order order, int64_t limit) {
    Value constant = arith::ConstantIndexOp::create(s.b, limit);
    seen = both(seen, s.compare(order, distance, constant));
  };
  if (causal)
    bound(Order::GreaterOrEqual, 0);
  if (left >= 0)
    bound(Order::LessOrEqual, left);
  if (right >= 0)
    bound(Order::GreaterOrEqual, -right);
  return seen;
}

Visibility visibilityOf(NodeLowering &l) {
  Visibility visibility;
  visibility.causal = l.node.getInt("is_causal", 0) != 0;
  visibility.left = l.node.getInt("left_window_size", -1);
  visibility.right = l.node.getInt("right_window_size", -1);
  visibility.past = l.index(l.has(4) ? l.in(4).shape[2] : Extent(0));
  if (l.has(6))
    visibility.lengths = l.in(6);
  return visibility;
}

/// Softmax over the last dimension, in which a row that sees no key is zero.
Lowered maskedSoftmax(NodeLowering &l, const Lowered &scores) {
  int64_t last = scores.rank() - 1;
  auto keepLast = [&](const Lowered &x) {
    return l.reshape(x, l.kept(scores.shape, {last}));
  };
  Lowered peaks = keepLast(
      l.reduce(scores, {last}, -INFINITY,
               [](Scalars &s, ValueRange v) { return s.max(v[1], v[0]); }));
  Lowered powers = l.elementwise(
      {scores, peaks}, scores.shape, scores.kind, [](Scalars &s, ValueRange v) {
        Value empty = s.compare(Order::Equal, v[1], s.constant(-INFINITY));
        return s.exp(s.sub(v[0], s.select(empty, s.constant(0), v[1])));
      });
  Lowered sums =
      keepLast(l.reduce(powers, {last}, 0, [](Scalars &s, ValueRange v) {
        return s.add(v[1], v[0]);
      }));
  return l.elementwise(
      {powers, sums}, scores.shape, scores.kind, [](Scalars &s, ValueRange v) {
        Value empty = s.compare(Order::Equal, v[1], s.constant(0));
        return s.div(v[0], s.select(empty, s.constant(1), v[1]));
      });
}

/// a [B, G, R, S, X] and b [B, G, ...]: sums of products over the last loop of
/// (b, g, r, s, y, x); `byRow` says whether b is [.., y, x] or [.., x, y].
Lowered headProduct(NodeLowering &l, const Lowered &a, const Lowered &b,
                    bool byRow, Extents shape) {
  MLIRContext *context = l.b.getContext();
  auto map = [&](ArrayRef<unsigned> dims) {
    return AffineMap::getMultiDimMapWithTargets(6, dims, context);
  };
  Loops loops;
  loops.inputMaps = {map({0, 1, 2, 3, 5}),
                     byRow ? map({0, 1, 4, 5}) : map({0, 1, 5, 4})};
  loops.outputMap = map({0, 1, 2, 3, 4});
  loops.iterators.assign(5, utils::IteratorType::parallel);
  loops.iterators.push_back(utils::IteratorType::reduction);
  Lowered zeros = l.filled(shape, accumulatorKind(a.kind), 0.0);
  return l.generic({a, b}, loops, zeros, [](Scalars &s, ValueRange v) {
    return s.add(v[2], s.mul(v[0], v[1]));
  });
}

LogicalResult attention(NodeLowering &l) {
  int64_t heads = l.node.getInt("q_num_heads", 0);
  int64_t keyHeads = l.node.getInt("kv_num_heads", 0);
  if (!hasHeads(l.in(0), heads) || !hasHeads(l.in(1), keyHeads) ||
      !hasHeads(l.in(2), keyHeads))
    return l.fail("expected operands of fixed numbers of heads");
  for (unsigned past : {4, 5})
    if (l.has(past) && l.in(past).rank() != 4)
      return l.fail("expected past keys and values of rank 4");
  if (l.has(3) && (l.in(3).rank() < 1 || l.in(3).rank() > 4))
    return l.fail("expected a mask of rank 1 to 4");
  Lowered q = splitHeads(l, l.in(0), heads);
  Lowered k = splitHeads(l, l.in(1), keyHeads);
  Lowered v = splitHeads(l, l.in(2), keyHeads);
  if (l.has(4))
    k = append(l, l.in(4), k);
  if (l.has(5))
    v = append(l, l.in(5), v);
  if (!q.shape[1].isConstant() || !k.shape[1].isConstant() ||
      !q.shape[3].isConstant() || k.shape[1].constant < 1 ||
      q.shape[1].constant % k.shape[1].constant)
    return l.fail("expected fixed numbers of heads that divide each other");
  int64_t repeats = q.shape[1].constant / k.shape[1].constant;
  l.set(1, k.value);
  l.set(2, v.value);

  Extents queries{q.shape[0], k.shape[1], repeats, q.shape[2], q.shape[3]};
  Extents scoreShape = queries;
  scoreShape[4] = k.shape[2];
  Lowered raw = headProduct(l, l.reshape(q, queries), k, true, scoreShape);
  double scale = l.node.getFloat(
      "scale", 1 / std::sqrt(static_cast<double>(q.shape[3].constant)));
  double cap = l.node.getFloat("softcap", 0);
  Lowered scaled =
      l.elementwise({raw}, scoreShape, raw.kind, [&](Scalars &s, ValueRange x) {
        Value y = s.mul(x[0], s.constant(scale));
        if (cap > 0)
          y = s.mul(s.tanh(s.div(y, s.constant(cap))), s.constant(cap));
        return y;
      });
  Visibility visibility = visibilityOf(l);
  Value rows = l.index(q.shape[2]);
  SmallVector<Lowered> inputs{scaled};
  if (l.has(3))
    inputs.push_back(shapeMask(l, l.in(3), scoreShape));
  Lowered biased = l.elementwise(
      inputs, scoreShape, raw.kind, [&](Scalars &s, ValueRange x) {
        Value hidden = s.constant(-INFINITY), y = x[0];
        if (l.has(3) && l.in(3).kind == ElementKind::Bool)
          y = s.select(x[1], y, hidden);
        else if (l.has(3))
          y = s.add(y, x[1]);
        return s.select(visibility.of(s, rows), y, hidden);
      });
  Lowered weights = maskedSoftmax(l, biased);

  Extents outShape = queries;
  outShape[4] = v.shape[3];
  Lowered out = l.cast(headProduct(l, weights, v, false, outShape), q.kind);
  Extents joined{q.shape[0], q.shape[1], q.shape[2], v.shape[3]};
  out = l.reshape(out, joined);
  if (l.in(0).rank() == 3)
    out = l.reshape(l.transpose(out, {0, 2, 1, 3}), l.out().shape);
  l.set(0, out.value);
  if (l.results.size() > 3 && isFloat(l.results[3].kind)) {
    int64_t mode = l.node.getInt("qk_matmul_output_mode", 0);
    const Lowered &shown = mode == 3 ? weights : mode == 2 ? biased : scaled;
    l.set(3, l.reshape(l.cast(shown, q.kind), l.out(3).shape).value);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// RotaryEmbedding
//===----------------------------------------------------------------------===//

/// Where the operands of the two operators of this name are.
struct RotaryOperands {
  Lowered cos, sin, positions;
};

/// One element of the rotated tensor. `x` is [B, S, H, D] or, if heads come
/// before rows, [B, H, S, D].
struct Rotation {
  Lowered x;
  RotaryOperands with;
  bool headsFirst, interleaved;
  /// Rotated elements of a head.
  int64_t rotated;

  Value compute(Scalars &s, ValueRange at) const;
  Value rowOf(Scalars &s, Value batch, Value row) const;
};

/// The row of the tables for a row of the input; null where the tables have
/// rows of their own for each batch.
Value Rotation::rowOf(Scalars &s, Value batch, Value row) const {
  const Lowered &ids = with.positions;
  if (!ids.value)
    return {};
  auto load = [&](ValueRange indices) -> Value {
    Value raw = tensor::ExtractOp::create(s.b, ids.value, indices);
    return arith::IndexCastOp::create(s.b, s.b.getIndexType(), raw);
  };
  // One number is the position of the first row.
  Value zero = arith::ConstantIndexOp::create(s.b, 0);
  Value position = ids.rank() == 1
                       ? Value(arith::AddIOp::create(s.b, load({zero}), row))
                       : load({ids.shape[0].is(1) ? zero : batch, row});
  Value one = arith::ConstantIndexOp::create(s.b, 1);
  Value length = tensor::DimOp::create(s.b, with.cos.value, 0);
  position = arith::MaxSIOp::create(s.b, position, zero);
  return arith::MinSIOp::create(s.b, position,
                                arith::SubIOp::create(s.b, length, one));
}

Value Rotation::compute(Scalars &s, ValueRange at) const {
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(s.b, value);
  };
  Value d = at[3], half = constant(rotated / 2);
  Value isRotated = s.compare(Order::Less, d, constant(rotated));
  // Elements that are not rotated read what they then do not use.
  Value inside = s.select(isRotated, d, constant(0));
  Value pair, isSecond, partner;
  if (interleaved) {
    Value two = constant(2);
    pair = arith::DivUIOp::create(s.b, inside, two);
    isSecond = s.compare(Order::Equal, arith::RemUIOp::create(s.b, inside, two),
                         constant(1));
    Value step = s.select(isSecond, constant(-1), constant(1));
    partner = arith::AddIOp::create(s.b, inside, step);
  } else {
    isSecond = s.compare(Order::GreaterOrEqual, inside, half);
    pair = s.select(isSecond, arith::SubIOp::create(s.b, inside, half), inside);
    partner =
        s.select(isSecond, pair, arith::AddIOp::create(s.b, inside, half));
  }
  Value row = headsFirst ? at[2] : at[1];
  Value tableRow = rowOf(s, at[0], row);
  auto table = [&](const Lowered &tensor) {
    SmallVector<Value> indices = tableRow
                                     ? SmallVector<Value>{tableRow, pair}
                                     : SmallVector<Value>{at[0], row, pair};
    return s.widen(tensor::ExtractOp::create(s.b, tensor.value, indices),
                   tensor.kind);
  };
  auto element = [&](Value last) {
    SmallVector<Value> indices{at[0], at[1], at[2], last};
    return s.widen(tensor::ExtractOp::create(s.b, x.value, indices), x.kind);
  };
  // first cos - second sin, second cos + first sin.
  Value own = element(d), other = s.mul(element(partner), table(with.sin));
  Value turned = s.mul(own, table(with.cos));
  turned = s.select(isSecond, s.add(turned, other), s.sub(turned, other));
  return s.select(isRotated, turned, own);
}

/// Why the operands are none of a rotary embedding; empty if they are.
StringRef whyNotRotary(const Lowered &x, const RotaryOperands &with) {
  if ((x.rank() != 3 && x.rank() != 4) || !x.shape.back().isConstant())
    return "expected an input of rank 3 or 4 with rows of a fixed size";
  bool byPosition = with.positions.value != nullptr;
  int64_t rank = byPosition ? 2 : 3;
  if (with.cos.rank() != rank || with.sin.rank() != rank ||
      with.sin.shape.back() != with.cos.shape.back() ||
      !with.cos.shape.back().isConstant() || with.cos.shape.back().constant < 1)
    return "expected two tables of one fixed width, with a row for each "
           "position";
  if (byPosition && (with.positions.rank() < 1 || with.positions.rank() > 2 ||
                     !isInteger(with.positions.kind)))
    return "expected positions that are a vector or a matrix of integers";
  return {};
}

LogicalResult rotate(NodeLowering &l, RotaryOperands with) {
  const Lowered &x = l.in(0);
  if (StringRef reason = whyNotRotary(x, with); !reason.empty())
    return l.fail(reason);
  int64_t heads = l.node.getInt("num_heads", 0);
  int64_t half = with.cos.shape.back().constant;
  Lowered split = x;
  if (x.rank() == 3) {
    int64_t columns = x.shape[2].constant;
    if (heads < 1)
      heads = columns / (2 * half);
    if (heads < 1 || columns % heads != 0)
      return l.fail("expected heads that divide the rows of the input");
    split = l.reshape(x, {x.shape[0], x.shape[1], heads, columns / heads});
  }
  int64_t rotated = l.node.getInt("rotary_embedding_dim", 0);
  if (rotated == 0)
    rotated = split.shape[3].constant;
  Rotation rotation{split, with, x.rank() == 4,
                    l.node.getInt("interleaved", 0) != 0, rotated};
  if (half * 2 != rotated || rotated > split.shape[3].constant)
    return l.fail("expected tables of half the rotated size");
  Lowered result =
      l.fromIndices(split.shape, x.kind, [&](Scalars &s, ValueRange at) {
        return rotation.compute(s, at);
      });
  l.set(0, l.reshape(result, x.shape).value);
  return success();
}

LogicalResult rotaryEmbedding(NodeLowering &l) {
  return rotate(l, {l.in(1), l.in(2), l.has(3) ? l.in(3) : Lowered()});
}

/// com.microsoft: x, positions, cos, sin.
LogicalResult rotaryEmbeddingMicrosoft(NodeLowering &l) {
  if (l.node.getInt("is_packed_batching", 0))
    return l.fail("packed batches have no lowering");
  return rotate(l, {l.in(2), l.in(3), l.in(1)});
}

} // namespace

void addAttentionLowerings(LoweringTable &table) {
  table["Attention"] = {attention, 3};
  table["RotaryEmbedding"] = {rotaryEmbedding, 3};
  table["com.microsoft.RotaryEmbedding"] = {rotaryEmbeddingMicrosoft, 4};
}

} // namespace lq::general
