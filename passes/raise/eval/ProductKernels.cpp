//===- ProductKernels.cpp - Products and sums of products -----------------===//

#include "passes/raise/eval/Einsum.h"
#include "passes/raise/eval/Kernels.h"

using namespace mlir;

namespace lq::eval {
namespace {

/// Sums of products longer than this in total are not worth a constant.
constexpr int64_t kMaxMultiplications = int64_t(1) << 26;

/// out[i] = sum over `inner` of a * b, each walked by its strides.
void contract(HostTensor &out, const HostTensor &a, const HostTensor &b,
              const Shape &outer, ArrayRef<Shape> outerStrides,
              const Shape &inner, ArrayRef<Shape> innerStrides) {
  Walk walk(outer, outerStrides);
  int64_t count = *elementCount(inner);
  for (int64_t i = 0, n = out.size(); i < n; ++i, walk.next()) {
    double sum = 0;
    int64_t integers = 0;
    Walk step(inner, innerStrides);
    for (int64_t k = 0; k < count; ++k, step.next()) {
      int64_t j = walk.offset(0) + step.offset(0);
      int64_t l = walk.offset(1) + step.offset(1);
      if (out.isFloat())
        sum += a.number(j) * b.number(l);
      else
        integers =
            uint64_t(integers) + uint64_t(a.ints[j]) * uint64_t(b.ints[l]);
    }
    if (out.isFloat())
      out.setNumber(i, sum);
    else
      out.setInteger(i, integers);
  }
}

bool matmul(NodeEvaluation &e) {
  const HostTensor &a = e.in(0), &b = e.in(1);
  if (a.rank() < 1 || b.rank() < 1 || a.isFloat() != b.isFloat())
    return false;
  // numpy: a vector is a row on the left, a column on the right.
  Shape left = a.shape, right = b.shape;
  if (a.rank() == 1)
    left.insert(left.begin(), 1);
  if (b.rank() == 1)
    right.push_back(1);
  int64_t inner = left.back();
  if (inner != right[right.size() - 2])
    return false;
  auto batch = broadcastShapes(ArrayRef(left).drop_back(2),
                               ArrayRef(right).drop_back(2));
  if (!batch)
    return false;
  Shape full = *batch, leftStrides, rightStrides;
  full.push_back(left[left.size() - 2]);
  full.push_back(right.back());
  Shape shape = *batch;
  if (a.rank() > 1)
    shape.push_back(full[full.size() - 2]);
  if (b.rank() > 1)
    shape.push_back(full.back());
  std::optional<int64_t> count = elementCount(shape);
  bool small =
      count && *count <= kMaxMultiplications / std::max<int64_t>(1, inner);
  if (!e.make(0, a.kind, shape, e.allData() && small))
    return true;
  // Along rows the right operand stands still, along columns the left one.
  Shape aStrides = stridesOf(left), bStrides = stridesOf(right);
  int64_t rowStep = aStrides[left.size() - 2], columnStep = bStrides.back();
  int64_t aStep = aStrides.back(), bStep = bStrides[right.size() - 2];
  auto batchStrides = [&](const Shape &own, const Shape &strides) {
    Shape result(batch->size(), 0);
    size_t lead = batch->size() - (own.size() - 2);
    for (size_t d = 0; d + 2 < own.size(); ++d)
      if (own[d] != 1)
        result[lead + d] = strides[d];
    return result;
  };
  leftStrides = batchStrides(left, aStrides);
  leftStrides.append({rowStep, 0});
  rightStrides = batchStrides(right, bStrides);
  rightStrides.append({0, columnStep});
  contract(e.out(), a, b, full, {leftStrides, rightStrides}, {inner},
           {Shape{aStep}, Shape{bStep}});
  return true;
}

bool gemm(NodeEvaluation &e) {
  const HostTensor &a = e.in(0), &b = e.in(1);
  if (a.rank() != 2 || b.rank() != 2 || !a.isFloat() || !b.isFloat() ||
      (e.has(2) && !e.in(2).isFloat()))
    return false;
  bool transA = e.node.getInt("transA", 0), transB = e.node.getInt("transB", 0);
  int64_t m = a.shape[transA], k = a.shape[!transA];
  int64_t n = b.shape[!transB];
  if (b.shape[transB] != k)
    return false;
  Shape shape{m, n};
  if (e.has(2) && broadcastShapes(e.in(2).shape, shape) != shape)
    return false;
  bool small = m * n <= kMaxMultiplications / std::max<int64_t>(1, k);
  if (!e.make(0, a.kind, shape, e.allData() && small))
    return true;
  double alpha = e.node.getFloat("alpha", 1), beta = e.node.getFloat("beta", 1);
  Shape bias = e.has(2) ? broadcastStrides(e.in(2).shape, shape) : Shape{0, 0};
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t l = 0; l < k; ++l)
        sum += a.floats[transA ? l * m + i : i * k + l] *
               b.floats[transB ? j * k + l : l * n + j];
      sum *= alpha;
      if (e.has(2))
        sum += beta * e.in(2).floats[i * bias[0] + j * bias[1]];
      e.out().setNumber(i * n + j, sum);
    }
  return true;
}

bool einsum(NodeEvaluation &e) {
  SmallVector<int64_t> ranks;
  for (const HostTensor *input : e.inputs) {
    if (!input || !input->isFloat())
      return false;
    ranks.push_back(input->rank());
  }
  std::optional<EinsumForm> form =
      EinsumForm::parse(e.node.getString("equation", ""), ranks);
  if (!form)
    return false;
  Shape extents(form->indices, 1);
  for (auto [input, letters] : llvm::zip(e.inputs, form->operands))
    for (auto [dim, letter] : llvm::zip(input->shape, letters)) {
      if (extents[letter] == 1)
        extents[letter] = dim;
      else if (dim != 1 && dim != extents[letter])
        return false;
    }
  Shape shape;
  for (int64_t letter : form->result)
    shape.push_back(extents[letter]);
  std::optional<int64_t> steps = elementCount(extents);
  bool small = steps && *steps <= kMaxMultiplications;
  if (!e.make(0, e.in(0).kind, shape, e.allData() && small))
    return true;
  // One walk over all indices; the result stands still along summed ones.
  SmallVector<Shape> strides;
  auto addStrides = [&](ArrayRef<int64_t> own, ArrayRef<int64_t> letters) {
    Shape all(form->indices, 0), dense = stridesOf(own);
    for (size_t d = 0; d < own.size(); ++d)
      if (own[d] != 1)
        all[letters[d]] += dense[d];
    strides.push_back(all);
  };
  for (auto [input, letters] : llvm::zip(e.inputs, form->operands))
    addStrides(input->shape, letters);
  addStrides(shape, form->result);
  std::vector<double> sums(e.out().size(), 0);
  Walk walk(extents, strides);
  for (int64_t i = 0; i < *steps; ++i, walk.next()) {
    double product = 1;
    for (size_t k = 0; k < e.inputs.size(); ++k)
      product *= e.in(k).floats[walk.offset(k)];
    sums[walk.offset(e.inputs.size())] += product;
  }
  for (size_t i = 0; i < sums.size(); ++i)
    e.out().setNumber(i, sums[i]);
  return true;
}

} // namespace

void addProductKernels(KernelTable &table) {
  table["MatMul"] = {matmul, 2};
  table["Gemm"] = {gemm, 2};
  table["Einsum"] = einsum;
}

} // namespace lq::eval
