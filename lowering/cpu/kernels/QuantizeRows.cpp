//===- QuantizeRows.cpp - activations as int8 in groups -------------------===//

#include "lowering/cpu/kernels/RowSource.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

namespace {

/// Quantizes groups of a row, some together: what is found across the lanes of
/// a group is found for all of them at once.
class GroupsQuantizer {
public:
  GroupsQuantizer(KernelBuilder &k, const QuantizeRowsSpec &spec,
                  RowSource &source, int64_t firstOutput)
      : k(k), group(spec.group), source(source), codes(k.argument(firstOutput)),
        scales(k.argument(firstOutput + 1)), sums(k.argument(firstOutput + 2)) {
    lanes = std::min<int64_t>(k.lanes(), (group / 2) & -(group / 2));
  }

  /// Quantizes `count` groups from `first` on.
  void emit(Val row, Val first, int64_t count) {
    SmallVector<Vals> groups;
    Vals magnitudes;
    for (int64_t i = 0; i < count; ++i) {
      groups.push_back(load(row, (first + i) * group));
      magnitudes.push_back(findLargest(groups.back()));
    }
    Val largest =
        reduceLanes(magnitudes, [](Val a, Val b) { return a.max(b); });
    Val zero = largest.like(0);
    // A group of zeros has scale 0 and codes 0.
    Val inverse = (largest.like(127) / largest).where(zero < largest, zero);
    k.store(largest / largest.like(127), scales, {row, first});
    Vals halves;
    for (int64_t i = 0; i < count; ++i)
      writeCodes(groups[i], inverse.lane(i), row, (first + i) * group, halves);
    Val sum = reduceLanes(halves, [](Val a, Val b) { return a + b; });
    // Each of the numbers in a sum has the bits of `shift` too.
    uint32_t shifts = llvm::bit_cast<uint32_t>(shift) * (group / 2);
    k.store(sum - static_cast<int32_t>(shifts), sums, {row, first * 2});
  }

private:
  /// Sums with it have integers of up to 22 bits and their sign in their last
  /// bits, rounded to nearest, ties to even.
  static constexpr float shift = 0x1.8p23f;

  KernelBuilder &k;
  int64_t group, lanes;
  RowSource &source;
  Val codes, scales, sums;

  /// A group, in vectors.
  Vals load(Val row, Val column) {
    Vals vectors;
    for (int64_t first = 0; first < group; first += lanes)
      vectors.push_back(source.load(row, column + first, lanes));
    return vectors;
  }

  Val findLargest(ArrayRef<Val> vectors) {
    Val largest = k.abs(vectors.front());
    for (Val vector : vectors.drop_front())
      largest = largest.max(k.abs(vector));
    return largest;
  }

  /// Writes the codes of a group; adds the sums of its halves' numbers, in
  /// lanes, to `halves`.
  void writeCodes(ArrayRef<Val> vectors, Val inverse, Val row, Val column,
                  Vals &halves) {
    Val all;
    for (auto [i, vector] : llvm::enumerate(vectors)) {
      Val number =
          (vector * inverse.broadcast(vector.type()) + vector.like(shift))
              .bitcast(k.vector(lanes, k.i32()));
      if (i % (vectors.size() / 2) == 0)
        halves.push_back(number);
      else
        halves.back() = halves.back() + number;
      all = all ? all.append(number) : number;
    }
    k.store(all.convert(k.i8()), codes, {row, column});
  }
};

} // namespace

func::FuncOp lq::cpu::emitQuantizeRows(ModuleOp module, StringRef name,
                                       const QuantizeRowsSpec &spec,
                                       const CpuLevel &level) {
  MLIRContext *context = module.getContext();
  Type f32 = Float32Type::get(context), i32 = IntegerType::get(context, 32);
  int64_t groups = spec.columns / spec.group;
  SmallVector<Type> inputs = getRowTypes(context, spec);
  if (spec.ordered)
    inputs.push_back(MemRefType::get({spec.columns}, i32));
  Type codes =
      MemRefType::get({spec.rows, spec.columns}, IntegerType::get(context, 8));
  Type scales = MemRefType::get({spec.rows, groups}, f32);
  Type sums = MemRefType::get({spec.rows, 2 * groups}, i32);
  KernelBuilder k(module, name, level, inputs, {codes, scales, sums});
  std::unique_ptr<RowSource> source = makeRowSource(k, spec);
  GroupsQuantizer quantizer(k, spec, *source, inputs.size());
  // Groups are divided, so that a single row too is work for all threads; each
  // enters the row.
  auto [first, last] = k.share(k.size(k.argument(0), 0) * groups);
  k.forLoop(first / groups, (last + (groups - 1)) / groups, 1,
            [&, first = first, last = last](Val row) {
              source->enter(row);
              Val start = row * groups;
              Val begin = first.max(start) - start;
              Val end = last.min(start + groups) - start;
              forRowBlocks(k, begin, end - begin, {level.registers / 4, 1},
                           [&](Val group, int64_t count) {
                             quantizer.emit(row, group, count);
                           });
            });
  return k.finish();
}

func::FuncOp lq::cpu::emitPermute(ModuleOp module, StringRef name,
                                  const PermuteSpec &spec,
                                  const CpuLevel &level) {
  MLIRContext *context = module.getContext();
  Type x =
      MemRefType::get({spec.rows, spec.columns}, Float32Type::get(context));
  Type order = MemRefType::get({spec.columns}, IntegerType::get(context, 32));
  KernelBuilder k(module, name, level, {x, order}, {x});
  Val rows = k.size(k.argument(0), 0);
  auto [first, last] = k.share(rows * spec.columns);
  k.forLoop(first, last, 1, [&](Val item) {
    Val row = item / spec.columns, column = item % spec.columns;
    Val from = k.load(k.argument(1), {column}).toIndex();
    k.store(k.load(k.argument(0), {row, from}), k.argument(2), {row, column});
  });
  return k.finish();
}
