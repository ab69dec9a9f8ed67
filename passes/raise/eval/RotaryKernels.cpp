//===- RotaryKernels.cpp - Rotary position embeddings as one operator -----===//
//
// Its contents are evaluated, unlike those of other fused operators: raising
// finds out what a rotation does by running it.
//
//===----------------------------------------------------------------------===//

#include "passes/raise/eval/Kernels.h"

using namespace mlir;

namespace lq::eval {
namespace {

/// The operands of either domain's operator.
struct Rotary {
  const HostTensor *x, *cos, *sin;
  /// Rows of cos and sin, [batch, rows] or one number to count from; null where
  /// cos and sin are [batch, rows, pairs] themselves.
  const HostTensor *positions;
  bool interleaved;
  /// Elements of a head that are turned; 0 for all.
  int64_t turned;
  int64_t batch, heads, rows, size;
  bool headsFirst;

  bool describe(int64_t headsAttribute);
  int64_t at(int64_t b, int64_t h, int64_t r, int64_t i) const {
    return headsFirst ? ((b * heads + h) * rows + r) * size + i
                      : ((b * rows + r) * heads + h) * size + i;
  }
  /// The row of cos and sin, or -1 if it is out of range.
  int64_t tableRow(int64_t b, int64_t r) const;
};

bool Rotary::describe(int64_t headsAttribute) {
  if (x->rank() != 3 && x->rank() != 4)
    return false;
  headsFirst = x->rank() == 4;
  batch = x->shape[0];
  rows = x->shape[headsFirst ? 2 : 1];
  int64_t pairs = cos->rank() > 0 ? cos->shape.back() : 0;
  if (headsFirst) {
    heads = x->shape[1];
    size = x->shape[3];
  } else {
    int64_t known = headsAttribute ? x->shape[2] / headsAttribute : 2 * pairs;
    if (known == 0 || x->shape[2] % known != 0)
      return false;
    size = known;
    heads = x->shape[2] / size;
  }
  turned = turned ? turned : size;
  return turned % 2 == 0 && turned <= size && pairs == turned / 2 &&
         cos->shape == sin->shape && cos->rank() == (positions ? 2 : 3);
}

int64_t Rotary::tableRow(int64_t b, int64_t r) const {
  if (!positions)
    return cos->shape[1] == rows ? (cos->shape[0] == 1 ? 0 : b) * rows + r : -1;
  int64_t row =
      positions->size() == 1 && rows * batch != 1 ? positions->integer(0) + r
      : positions->size() == batch * rows ? positions->integer(b * rows + r)
                                          : -1;
  return row < cos->shape[0] ? row : -1;
}

bool evaluate(NodeEvaluation &e, Rotary rotary) {
  HostTensor &y = e.out();
  y.floats = rotary.x->floats;
  int64_t pairs = rotary.turned / 2;
  for (int64_t b = 0; b < rotary.batch; ++b)
    for (int64_t r = 0; r < rotary.rows; ++r) {
      int64_t row = rotary.tableRow(b, r);
      if (row < 0)
        return false;
      for (int64_t h = 0; h < rotary.heads; ++h)
        for (int64_t p = 0; p < pairs; ++p) {
          double cos = rotary.cos->number(row * pairs + p);
          double sin = rotary.sin->number(row * pairs + p);
          int64_t i = rotary.at(b, h, r, rotary.interleaved ? 2 * p : p);
          int64_t j =
              rotary.at(b, h, r, rotary.interleaved ? 2 * p + 1 : p + pairs);
          double first = rotary.x->number(i), second = rotary.x->number(j);
          y.setNumber(i, first * cos - second * sin);
          y.setNumber(j, second * cos + first * sin);
        }
    }
  return true;
}

bool rotate(NodeEvaluation &e, unsigned cos, unsigned positions) {
  if (!e.has(cos) || !e.has(cos + 1) || !e.in(0).isFloat())
    return false;
  Rotary rotary{};
  rotary.x = e.inputs[0];
  rotary.cos = e.inputs[cos];
  rotary.sin = e.inputs[cos + 1];
  rotary.positions = e.has(positions) ? e.inputs[positions] : nullptr;
  rotary.interleaved = e.node.getInt("interleaved", 0) != 0;
  rotary.turned = e.node.getInt("rotary_embedding_dim", 0);
  if (!e.make(0, e.in(0).kind, e.in(0).shape))
    return true;
  return rotary.describe(e.node.getInt("num_heads", 0)) && evaluate(e, rotary);
}

/// ai.onnx: X, cos, sin, positions.
bool rotaryEmbedding(NodeEvaluation &e) { return rotate(e, 1, 3); }
/// com.microsoft: input, positions, cos, sin.
bool microsoftRotaryEmbedding(NodeEvaluation &e) { return rotate(e, 2, 1); }

} // namespace

void addRotaryKernels(KernelTable &table) {
  table["RotaryEmbedding"] = {rotaryEmbedding, 3};
  table["com.microsoft.RotaryEmbedding"] = {microsoftRotaryEmbedding, 4};
}

} // namespace lq::eval
