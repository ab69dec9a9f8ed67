//===- IntegerProduct.cpp - sums of codes times int8 activations ----------===//

#include "lowering/cpu/kernels/IntegerProduct.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

/// Steps that a turn of a loop over steps takes.
static constexpr int64_t stepsPerTurn = 2;

/// Where integer sums have that of row i and a part: those of rows that a
/// product takes together stand side by side.
int64_t IntegerProduct::cellOf(int64_t i, int64_t part) const {
  int64_t rows = dot.rows();
  return (i / rows * parts + part) * rows + i % rows;
}

/// Adds partial sums to the sums.
void IntegerProduct::flush(MutableArrayRef<Val> sums, ArrayRef<Val> partials) {
  int64_t rows = dot.rows();
  if (dot.hasPartial())
    for (int64_t cell = 0; cell < count * parts; cell += rows)
      dot.flush(sums.slice(cell, rows), partials.slice(cell, rows));
}

/// The integer sums before the first column of a group.
Vals IntegerProduct::startSums(Val number, int64_t column) {
  Type type = k.vector(k.lanes(), k.i32());
  Vals sums(count * parts);
  for (int64_t i = 0; i < count; ++i) {
    Val correction = activations.correction(i, number, column);
    Val start = correction ? correction.broadcast(type) : k.zeros(type);
    for (int64_t part = 0; part < parts; ++part)
      sums[cellOf(i, part)] = start;
  }
  for (int64_t cell = 0; cell < count * parts; cell += dot.rows())
    dot.enter(MutableArrayRef(sums).slice(cell, dot.rows()));
  return sums;
}

/// Adds `steps` steps from `first` on, as many as a partial sum may take.
void IntegerProduct::addSteps(Val number, Val first, int64_t steps,
                              LoadCodes codes, MutableArrayRef<Val> sums,
                              MutableArrayRef<Val> partials) {
  int64_t rows = dot.rows();
  for (int64_t step = 0; step < steps; step += dot.steps()) {
    SmallVector<IntegerDot::Codes> ofParts;
    for (int64_t part = 0; part < parts; ++part)
      ofParts.push_back(codes(first, step, part));
    for (int64_t i = 0; i < count; i += rows) {
      Vals x = dot.spread(activations.codes(i, number, first + step));
      for (int64_t part = 0; part < parts; ++part)
        dot.add(ofParts[part], x, sums.slice(cellOf(i, part), rows),
                partials.slice(cellOf(i, part), rows));
    }
  }
}

/// The integer sums of some columns of a block, in the order of cellOf.
Vals IntegerProduct::sumCodes(Val number, int64_t column, int64_t columns,
                              LoadCodes codes) {
  Vals sums = startSums(number, column);
  Val first = k.index(column / 4), last = k.index((column + columns) / 4);
  int64_t steps = columns / 4;
  int64_t piece = static_cast<int64_t>(llvm::bit_floor(
      static_cast<uint64_t>(std::min(steps, dot.stepsPerFlush()))));
  Vals zeros(count * parts, dot.zeroPartial());
  auto addPiece = [&](Val from, MutableArrayRef<Val> sums) {
    Vals partials(zeros);
    addSteps(number, from, piece, codes, sums, partials);
    flush(sums, partials);
  };
  if (!rolls) {
    for (int64_t step = 0; step < steps; step += piece)
      addPiece(first + step, sums);
  } else if (piece < steps) {
    sums = k.rolledLoop(first, last, piece, sums,
                        [&](Val step, ArrayRef<Val> before) {
                          Vals next(before);
                          addPiece(step, next);
                          return next;
                        });
  } else {
    Vals partials(zeros), &carried = dot.hasPartial() ? partials : sums;
    carried =
        k.rolledLoop(first, last, stepsPerTurn, carried,
                     [&](Val step, ArrayRef<Val> before) {
                       Vals next(before);
                       addSteps(number, step, stepsPerTurn, codes, next, next);
                       return next;
                     });
    flush(sums, partials);
  }
  for (int64_t cell = 0; cell < count * parts; cell += dot.rows())
    dot.leave(MutableArrayRef(sums).slice(cell, dot.rows()));
  return sums;
}

void IntegerProduct::addBlock(Val number, LoadCodes codes, LoadScale scale,
                              int64_t scaleColumns, MutableArrayRef<Val> sums) {
  // In units of the activations' scale, of the columns before the last group.
  Vals before(count * parts);
  for (int64_t column = 0; column < tileColumns; column += scaleColumns) {
    Vals integers = sumCodes(number, column, scaleColumns, codes);
    Vals scales(parts);
    for (int64_t part = 0; scale && part < parts; ++part)
      scales[part] = scale(column, part);
    bool isFirst = column == 0, isLast = column + scaleColumns == tileColumns;
    for (int64_t i = 0; i < count; ++i) {
      Val x;
      if (isLast)
        x = activations.scale(i, number).broadcast(k.floats());
      for (int64_t part = 0; part < parts; ++part) {
        Val integer = integers[cellOf(i, part)].convert(k.f32());
        Val &value = before[i * parts + part], &sum = sums[i * parts + part];
        if (isFirst && isLast)
          sum = integer.fma(scale ? scales[part] * x : x, sum);
        else if (isFirst)
          value = integer * scales[part];
        else
          value = integer.fma(scales[part], value);
        if (!isFirst && isLast)
          sum = value.fma(x, sum);
      }
    }
  }
}

void IntegerProduct::addOffsets(Val group, ArrayRef<Val> offsets,
                                MutableArrayRef<Val> sums) {
  for (int64_t i = 0; i < count; ++i) {
    Val total = activations.total(i, group).broadcast(k.floats());
    for (int64_t part = 0; part < parts; ++part) {
      Val &sum = sums[i * parts + part];
      sum = total.fma(offsets[part], sum);
    }
  }
}
