//===- Product.cpp - Lowerings of products --------------------------------===//

#include "passes/raise/eval/Einsum.h"
#include "passes/raise/general/NodeLowering.h"

using namespace mlir;

namespace lq::general {
namespace {

/// Sums the product of all inputs over the loops that `outputMap` leaves out,
/// and narrows the sums to `kind`.
Lowered contract(NodeLowering &l, ArrayRef<Lowered> inputs, Loops loops,
                 ArrayRef<Extent> shape, ElementKind kind) {
  unsigned count = loops.outputMap.getNumDims();
  loops.iterators.assign(count, utils::IteratorType::reduction);
  for (AffineExpr expr : loops.outputMap.getResults())
    loops.iterators[cast<AffineDimExpr>(expr).getPosition()] =
        utils::IteratorType::parallel;
  auto body = [](Scalars &s, ValueRange v) {
    Value product = v[0];
    for (Value x : v.drop_front().drop_back())
      product = s.mul(product, x);
    return s.add(v.back(), product);
  };
  // Without a reduction the last element is not the accumulator.
  if (loops.outputMap.getNumResults() == count) {
    auto multiply = [](Scalars &s, ValueRange v) {
      Value product = v[0];
      for (Value x : v.drop_front())
        product = s.mul(product, x);
      return product;
    };
    return l.generic(inputs, loops, l.empty(shape, kind), multiply);
  }
  Lowered zeros = l.filled(shape, accumulatorKind(kind), 0.0);
  return l.cast(l.generic(inputs, loops, zeros, body), kind);
}

/// numpy's matmul: a vector is a row on the left and a column on the right;
/// leading dimensions broadcast.
LogicalResult matmul(NodeLowering &l) {
  const Lowered &a = l.in(0), &b = l.in(1);
  if (a.rank() < 1 || b.rank() < 1 || a.kind != b.kind)
    return l.fail("expected two operands of one element type, not scalars");
  int64_t batch = std::max(a.rank(), b.rank()) - 2;
  batch = std::max<int64_t>(batch, 0);
  bool hasRows = a.rank() > 1, hasColumns = b.rank() > 1;
  // Loops: the batch, rows, columns, then the summed dimension.
  unsigned row = batch, column = row + hasRows, inner = column + hasColumns;
  unsigned count = inner + 1;
  MLIRContext *context = l.b.getContext();
  auto batchExprs = [&](const Lowered &x, SmallVector<AffineExpr> &exprs) {
    int64_t own = x.rank() - 2, lead = batch - own;
    for (int64_t d = 0; d < own; ++d)
      exprs.push_back(x.shape[d].is(1) && !l.out().shape[lead + d].is(1)
                          ? l.b.getAffineConstantExpr(0)
                          : l.b.getAffineDimExpr(lead + d));
  };
  SmallVector<AffineExpr> left, right, result;
  batchExprs(a, left);
  batchExprs(b, right);
  if (hasRows)
    left.push_back(l.b.getAffineDimExpr(row));
  left.push_back(l.b.getAffineDimExpr(inner));
  right.push_back(l.b.getAffineDimExpr(inner));
  if (hasColumns)
    right.push_back(l.b.getAffineDimExpr(column));
  for (unsigned d = 0; d < inner; ++d)
    result.push_back(l.b.getAffineDimExpr(d));
  Loops loops;
  loops.inputMaps = {AffineMap::get(count, 0, left, context),
                     AffineMap::get(count, 0, right, context)};
  loops.outputMap = AffineMap::get(count, 0, result, context);
  l.set(0, contract(l, {a, b}, loops, l.out().shape, l.out().kind).value);
  return success();
}

/// A matrix product a b whose operands' dimensions may be swapped.
Lowered product(NodeLowering &l, const Lowered &a, const Lowered &b,
                bool transA, bool transB, ArrayRef<Extent> shape,
                ElementKind kind) {
  MLIRContext *context = l.b.getContext();
  AffineExpr m, n, k;
  bindDims(context, m, n, k);
  Loops loops;
  loops.inputMaps = {
      AffineMap::get(3, 0, transA ? ArrayRef{k, m} : ArrayRef{m, k}, context),
      AffineMap::get(3, 0, transB ? ArrayRef{n, k} : ArrayRef{k, n}, context)};
  loops.outputMap = AffineMap::get(3, 0, {m, n}, context);
  return contract(l, {a, b}, loops, shape, kind);
}

LogicalResult gemm(NodeLowering &l) {
  const Lowered &a = l.in(0), &b = l.in(1);
  if (a.rank() != 2 || b.rank() != 2 || a.kind != b.kind)
    return l.fail("expected two matrices of one element type");
  double alpha = l.node.getFloat("alpha", 1), beta = l.node.getFloat("beta", 1);
  Lowered sums =
      product(l, a, b, l.node.getInt("transA", 0), l.node.getInt("transB", 0),
              l.out().shape, accumulatorKind(a.kind));
  SmallVector<Lowered> inputs{sums};
  if (l.has(2) && beta != 0)
    inputs.push_back(l.in(2));
  if (inputs.size() == 1 && alpha == 1) {
    l.set(0, l.cast(sums, a.kind).value);
    return success();
  }
  auto scale = [](Scalars &s, Value x, double factor) {
    return factor == 1 ? x : s.mul(x, s.constant(factor));
  };
  l.set(0, l.elementwise(inputs, l.out().shape, a.kind,
                         [&](Scalars &s, ValueRange v) {
                           Value y = scale(s, v[0], alpha);
                           return v.size() == 1
                                      ? y
                                      : s.add(y, scale(s, v[1], beta));
                         })
               .value);
  return success();
}

/// com.microsoft: MatMul of operands whose last two dimensions may be swapped.
LogicalResult fusedMatMul(NodeLowering &l) {
  if (l.node.getInt("transBatchA", 0) || l.node.getInt("transBatchB", 0))
    return l.fail("transposed batches have no lowering");
  for (auto [i, name] : {std::pair(0, "transA"), std::pair(1, "transB")}) {
    if (!l.node.getInt(name, 0) || l.in(i).rank() < 2)
      continue;
    SmallVector<int64_t> order =
        llvm::to_vector(llvm::seq<int64_t>(0, l.in(i).rank()));
    std::swap(order[order.size() - 1], order[order.size() - 2]);
    l.operands[i] = l.transpose(l.in(i), order);
  }
  if (failed(matmul(l)))
    return failure();
  double alpha = l.node.getFloat("alpha", 1);
  if (alpha != 1)
    l.set(0, l.elementwise({l.out()}, l.out().shape, l.out().kind,
                           [&](Scalars &s, ValueRange v) {
                             return s.mul(v[0], s.constant(alpha));
                           })
                 .value);
  return success();
}

LogicalResult einsum(NodeLowering &l) {
  SmallVector<int64_t> ranks;
  for (const Lowered &operand : l.operands) {
    if (!operand.value || operand.kind != l.in(0).kind)
      return l.fail("expected operands of one element type");
    ranks.push_back(operand.rank());
  }
  StringRef equation = l.node.getString("equation", "");
  std::optional<EinsumForm> form = EinsumForm::parse(equation, ranks);
  if (!form)
    return l.fail("the equation \"" + equation +
                  "\" does not match the operands");
  // An index is 1 only if all operands have 1 there.
  SmallVector<bool> isOne(form->indices, true);
  for (auto [operand, letters] : llvm::zip(l.operands, form->operands))
    for (auto [dim, letter] : llvm::zip(operand.shape, letters))
      isOne[letter] &= dim.is(1);
  MLIRContext *context = l.b.getContext();
  Loops loops;
  for (auto [operand, letters] : llvm::zip(l.operands, form->operands)) {
    SmallVector<AffineExpr> exprs;
    for (auto [dim, letter] : llvm::zip(operand.shape, letters))
      exprs.push_back(dim.is(1) && !isOne[letter]
                          ? l.b.getAffineConstantExpr(0)
                          : l.b.getAffineDimExpr(letter));
    loops.inputMaps.push_back(AffineMap::get(form->indices, 0, exprs, context));
  }
  SmallVector<AffineExpr> exprs;
  for (int64_t letter : form->result)
    exprs.push_back(l.b.getAffineDimExpr(letter));
  loops.outputMap = AffineMap::get(form->indices, 0, exprs, context);
  l.set(0, contract(l, l.operands, loops, l.out().shape, l.out().kind).value);
  return success();
}

} // namespace

void addProductLowerings(LoweringTable &table) {
  table["MatMul"] = {matmul, 2};
  table["Gemm"] = {gemm, 2};
  table["com.microsoft.FusedMatMul"] = {fusedMatMul, 2};
  table["Einsum"] = einsum;
}

} // namespace lq::general
