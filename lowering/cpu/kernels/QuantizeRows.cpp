//===- QuantizeRows.cpp - activations as int8 in groups -------------------===//

#include "lowering/cpu/kernels/KernelBuilder.h"
#include "lowering/cpu/kernels/Kernels.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

namespace {

/// Reads a group and writes its codes, scale and sums.
class GroupQuantizer {
public:
  GroupQuantizer(KernelBuilder &k, const QuantizeRowsSpec &spec, Val row,
                 Val index)
      : k(k), spec(spec), group(spec.group), firstOutput(spec.ordered ? 2 : 1),
        row(row), index(index) {
    lanes = std::min<int64_t>(k.lanes(), (group / 2) & -(group / 2));
  }

  void emit() {
    for (int64_t first = 0; first < group; first += lanes)
      x.push_back(loadX(first));
    Val largest = findLargest();
    Val zero = largest.like(0);
    // A group of zeros has scale 0 and codes 0.
    Val inverse = (largest.like(127) / largest).where(zero < largest, zero);
    k.store(largest / largest.like(127), output(1), {row, index});
    for (int64_t half : {0, 1})
      k.store(writeCodes(inverse, half), output(2), {row, index * 2 + half});
  }

private:
  KernelBuilder &k;
  const QuantizeRowsSpec &spec;
  int64_t group, firstOutput, lanes;
  Val row, index;
  /// The group, in vectors.
  Vals x;

  Val output(int64_t i) { return k.argument(firstOutput + i); }

  Val loadX(int64_t first) {
    Val column = index * group + first;
    if (!spec.ordered)
      return k.load(k.argument(0), {row, column}, lanes);
    Val columns = k.load(k.argument(1), {column}, lanes);
    return k.gather(k.argument(0), {row, k.index(0)}, columns);
  }

  Val findLargest() {
    Val largest = k.abs(x.front());
    for (Val vector : ArrayRef(x).drop_front())
      largest = largest.max(k.abs(vector));
    return largest.reduceMax();
  }

  /// Writes half a group; returns the sum of its codes.
  Val writeCodes(Val inverse, int64_t half) {
    Val sum;
    int64_t first = half * group / 2;
    for (Val vector : ArrayRef(x).slice(first / lanes, group / 2 / lanes)) {
      Val code = k.roundEven(vector * inverse.broadcast(vector.type()))
                     .convert(k.i32());
      k.store(code.convert(k.i8()), output(0), {row, index * group + first});
      first += lanes;
      sum = sum ? sum + code : code;
    }
    return sum.reduceAdd();
  }
};

} // namespace

func::FuncOp lq::cpu::emitQuantizeRows(ModuleOp module, StringRef name,
                                       const QuantizeRowsSpec &spec,
                                       const CpuLevel &level) {
  MLIRContext *context = module.getContext();
  Type f32 = Float32Type::get(context), i32 = IntegerType::get(context, 32);
  int64_t groups = spec.columns / spec.group;
  SmallVector<Type> inputs = {MemRefType::get({spec.rows, spec.columns}, f32)};
  if (spec.ordered)
    inputs.push_back(MemRefType::get({spec.columns}, i32));
  Type codes =
      MemRefType::get({spec.rows, spec.columns}, IntegerType::get(context, 8));
  Type scales = MemRefType::get({spec.rows, groups}, f32);
  Type sums = MemRefType::get({spec.rows, 2 * groups}, i32);
  KernelBuilder k(module, name, level, inputs, {codes, scales, sums});
  Val rows = k.size(k.argument(0), 0);
  // Groups are independent: a single row too is divided among the threads.
  auto [first, last] = k.share(rows * groups);
  k.forLoop(first, last, 1, [&](Val item) {
    GroupQuantizer(k, spec, item / groups, item % groups).emit();
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
