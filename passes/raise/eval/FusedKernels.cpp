//===- FusedKernels.cpp - Shapes of operators that a model is made of -----===//
//
// Attention and the like work on activations, whose contents the compiler never
// knows: here are the shapes of their results. Shapes are written with B batch,
// S new positions, P past ones, H query heads, G key heads, D head size.
//
//===----------------------------------------------------------------------===//

#include "passes/raise/eval/Kernels.h"

using namespace mlir;

namespace lq::eval {
namespace {

/// Attention of ai.onnx: Q, K, V [B, S, heads * size] or [B, heads, S, size],
/// mask, past keys and values [B, G, P, size].
bool attention(NodeEvaluation &e) {
  const HostTensor &q = e.in(0), &k = e.in(1), &v = e.in(2);
  int64_t heads = e.node.getInt("q_num_heads", 0);
  int64_t keyHeads = e.node.getInt("kv_num_heads", 0);
  if (q.rank() != k.rank() || k.rank() != v.rank())
    return false;
  bool flat = q.rank() == 3;
  if (flat ? heads < 1 || keyHeads < 1 || k.shape[2] % keyHeads ||
                 v.shape[2] % keyHeads
           : q.rank() != 4)
    return false;
  if (!flat) {
    heads = q.shape[1];
    keyHeads = k.shape[1];
  }
  int64_t rows = q.shape[flat ? 1 : 2], total = k.shape[flat ? 1 : 2];
  int64_t keySize = flat ? k.shape[2] / keyHeads : k.shape[3];
  int64_t valueSize = flat ? v.shape[2] / keyHeads : v.shape[3];
  if (e.has(4)) {
    if (e.in(4).rank() != 4)
      return false;
    total += e.in(4).shape[2];
  }
  int64_t batch = q.shape[0];
  if (flat)
    e.make(0, q.kind, {batch, rows, heads * valueSize}, false);
  else
    e.make(0, q.kind, {batch, heads, rows, valueSize}, false);
  e.make(1, k.kind, {batch, keyHeads, total, keySize}, false);
  e.make(2, v.kind, {batch, keyHeads, total, valueSize}, false);
  e.make(3, q.kind, {batch, heads, rows, total}, false);
  return true;
}

/// com.microsoft: query [B, S, H * D] or packed [B, S, (H + 2 G) * D], key,
/// value, past key, past value [B, G, P, D], lengths, total length.
bool groupQueryAttention(NodeEvaluation &e) {
  const HostTensor &q = e.in(0);
  int64_t heads = e.node.getInt("num_heads", 0);
  int64_t keyHeads = e.node.getInt("kv_num_heads", 0);
  if (q.rank() != 3 || heads < 1 || keyHeads < 1)
    return false;
  int64_t groups = e.has(1) ? heads : heads + 2 * keyHeads;
  if (q.shape[2] % groups != 0)
    return false;
  int64_t size = q.shape[2] / groups, rows = q.shape[1];
  e.make(0, q.kind, {q.shape[0], rows, heads * size}, false);
  int64_t past = e.has(3) && e.in(3).rank() == 4 ? e.in(3).shape[2] : 0;
  int64_t total = past + rows;
  // With a shared buffer, past has the length of the buffer already.
  if (e.hasData(6) && e.isScalar(6))
    total = std::max(past, e.in(6).integer(0));
  ElementKind kind = e.has(3) ? e.in(3).kind : q.kind;
  for (unsigned i : {1, 2})
    e.make(i, kind, {q.shape[0], keyHeads, total, size}, false);
  return true;
}

/// com.microsoft: query [B, S, H * D], key [B, T, H * D], value [B, T, H * E];
/// or keys and values [B, H, T, D]; past keys and values are inputs 6 and 7.
bool multiHeadAttention(NodeEvaluation &e) {
  const HostTensor &q = e.in(0);
  int64_t heads = e.node.getInt("num_heads", 0);
  if (q.rank() != 3 || heads < 1 || !e.has(1) || !e.has(2) ||
      q.shape[2] % heads)
    return false;
  const HostTensor &k = e.in(1), &v = e.in(2);
  if ((k.rank() != 3 && k.rank() != 4) || v.rank() != k.rank())
    return false;
  bool flat = k.rank() == 3;
  int64_t total = k.shape[flat ? 1 : 2];
  int64_t valueSize = flat ? v.shape[2] / heads : v.shape[3];
  if (e.has(6) && e.in(6).rank() == 4)
    total += e.in(6).shape[2];
  int64_t batch = q.shape[0];
  e.make(0, q.kind, {batch, q.shape[1], heads * valueSize}, false);
  e.make(1, q.kind, {batch, heads, total, q.shape[2] / heads}, false);
  e.make(2, q.kind, {batch, heads, total, valueSize}, false);
  return true;
}

/// com.microsoft: x [B, S, I], weight [I, q + k + v], bias, mask, past
/// [2, B, H, P, D].
bool packedAttention(NodeEvaluation &e) {
  const HostTensor &x = e.in(0), &weight = e.in(1);
  int64_t heads = e.node.getInt("num_heads", 0);
  if (x.rank() != 3 || weight.rank() != 2 || heads < 1)
    return false;
  int64_t hidden = weight.shape[1] / 3;
  auto sizes = e.node.getInts("qkv_hidden_sizes");
  if (sizes && sizes->size() == 3)
    hidden = (*sizes)[2];
  int64_t past = e.has(4) && e.in(4).rank() == 5 ? e.in(4).shape[3] : 0;
  e.make(0, x.kind, {x.shape[0], x.shape[1], hidden}, false);
  e.make(1, x.kind, {2, x.shape[0], heads, past + x.shape[1], hidden / heads},
         false);
  return true;
}

/// com.microsoft: ids [B, S], segments, word table [V, C], ...
bool embedLayerNormalization(NodeEvaluation &e) {
  if (!e.has(2))
    return false;
  const HostTensor &ids = e.in(0), &words = e.in(2);
  if (ids.rank() != 2 || words.rank() != 2)
    return false;
  Shape shape{ids.shape[0], ids.shape[1], words.shape[1]};
  e.make(0, words.kind, shape, false);
  e.make(1, ElementKind::I32, {ids.shape[0]}, false);
  e.make(2, words.kind, shape, false);
  return true;
}

/// com.microsoft: a [..., K] times 2- to 8-bit weights [N, K].
bool matMulNBits(NodeEvaluation &e) {
  const HostTensor &a = e.in(0);
  int64_t n = e.node.getInt("N", 0);
  if (a.rank() < 1 || n < 1)
    return false;
  Shape shape = a.shape;
  shape.back() = n;
  e.make(0, a.kind, shape, false);
  return true;
}

/// com.microsoft: data [rows, K] in blocks, packed in bytes if unsigned 8-bit.
bool gatherBlockQuantized(NodeEvaluation &e) {
  const HostTensor &data = e.in(0), &indices = e.in(1);
  auto axis = e.axis(e.node.getInt("gather_axis", 0), data.rank());
  int64_t bits = e.node.getInt("bits", 4);
  if (!axis || (bits != 4 && bits != 8 && bits != 2))
    return false;
  Shape rows = data.shape;
  if (data.kind == ElementKind::U8)
    rows.back() *= 8 / bits;
  Shape shape(rows.begin(), rows.begin() + *axis);
  shape.append(indices.shape.begin(), indices.shape.end());
  shape.append(rows.begin() + *axis + 1, rows.end());
  e.make(0, e.in(2).kind, shape, false);
  return true;
}

/// com.microsoft: MatMul of operands that may be transposed.
bool fusedMatMul(NodeEvaluation &e) {
  Shape a = e.in(0).shape, b = e.in(1).shape;
  if (a.size() < 2 || b.size() < 2 || e.node.getInt("transBatchA", 0) ||
      e.node.getInt("transBatchB", 0))
    return false;
  if (e.node.getInt("transA", 0))
    std::swap(a[a.size() - 1], a[a.size() - 2]);
  if (e.node.getInt("transB", 0))
    std::swap(b[b.size() - 1], b[b.size() - 2]);
  auto shape =
      broadcastShapes(ArrayRef(a).drop_back(2), ArrayRef(b).drop_back(2));
  if (!shape || a.back() != b[b.size() - 2])
    return false;
  shape->append({a[a.size() - 2], b.back()});
  e.make(0, e.in(0).kind, *shape, false);
  return true;
}

/// The scale and zero point of element `i` of `x`: one for all, one for each
/// index along the axis, or one for each block of `block` along it.
int64_t scaleIndex(const HostTensor &x, const HostTensor &scale, int64_t axis,
                   int64_t block, int64_t i) {
  if (scale.size() == 1)
    return 0;
  AxisView view(x.shape, axis);
  int64_t along = i / view.inner % view.length;
  if (scale.rank() <= 1)
    return along;
  int64_t outer = i / view.inner / view.length;
  return (outer * scale.shape[axis] + along / block) * view.inner +
         i % view.inner;
}

bool dequantizeLinear(NodeEvaluation &e) {
  const HostTensor &x = e.in(0), &scale = e.in(1);
  int64_t block = e.node.getInt("block_size", 0);
  bool single = scale.size() == 1;
  auto axis = single ? std::optional<int64_t>(0) : e.axisAttribute(1, x.rank());
  if (!axis || !scale.isFloat() || block < 0 ||
      (e.has(2) && e.in(2).shape != scale.shape))
    return false;
  if (!single) {
    Shape expected = x.shape;
    if (block)
      expected[*axis] = llvm::divideCeil(x.shape[*axis], block);
    else
      expected = {x.shape[*axis]};
    if (scale.shape != expected)
      return false;
  }
  bool known = x.kind != ElementKind::Other && !x.isFloat();
  if (!e.make(0, scale.kind, x.shape, e.allData() && known))
    return true;
  for (int64_t i = 0, n = x.size(); i < n; ++i) {
    int64_t s = scaleIndex(x, scale, *axis, block, i);
    double zero = e.has(2) ? e.in(2).number(s) : 0;
    e.out().setNumber(i, (x.number(i) - zero) * scale.floats[s]);
  }
  return true;
}

bool quantizeLinear(NodeEvaluation &e) {
  ElementKind kind = ElementKind::U8;
  if (int64_t dataType = e.node.getInt("output_dtype", 0))
    kind = kindOfDataType(dataType);
  if (e.has(2))
    kind = e.in(2).kind;
  e.make(0, kind, e.in(0).shape, false);
  return true;
}

bool dynamicQuantizeLinear(NodeEvaluation &e) {
  e.make(0, ElementKind::U8, e.in(0).shape, false);
  e.make(1, ElementKind::F32, {}, false);
  e.make(2, ElementKind::U8, {}, false);
  return true;
}

} // namespace

void addFusedKernels(KernelTable &table) {
  table["Attention"] = {attention, 3};
  table["com.microsoft.GroupQueryAttention"] = groupQueryAttention;
  table["com.microsoft.MultiHeadAttention"] = multiHeadAttention;
  table["com.microsoft.Attention"] = {packedAttention, 2};
  table["com.microsoft.EmbedLayerNormalization"] = embedLayerNormalization;
  table["com.microsoft.MatMulNBits"] = matMulNBits;
  table["com.microsoft.GatherBlockQuantized"] = {gatherBlockQuantized, 3};
  table["com.microsoft.FusedMatMul"] = {fusedMatMul, 2};
  table["DequantizeLinear"] = {dequantizeLinear, 2};
  table["QuantizeLinear"] = {quantizeLinear, 2};
  table["DynamicQuantizeLinear"] = dynamicQuantizeLinear;
}

} // namespace lq::eval
