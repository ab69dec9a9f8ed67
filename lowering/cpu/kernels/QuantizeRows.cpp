//===- QuantizeRows.cpp - activations as int8 in groups -------------------===//

#include "lowering/cpu/kernels/KernelBuilder.h"
#include "lowering/cpu/kernels/Kernels.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

namespace {

/// Reads a group, vector after vector, and writes its codes, scale and sum.
class GroupQuantizer {
public:
  GroupQuantizer(KernelBuilder &k, int64_t group, Val row, Val index)
      : k(k), group(group), row(row), index(index) {
    lanes = std::min<int64_t>(k.lanes(), (group / 2) & -(group / 2));
  }

  void emit() {
    Val largest = findLargest();
    Val zero = largest.like(0);
    // A group of zeros has scale 0 and codes 0.
    Val inverse = (largest.like(127) / largest).where(zero < largest, zero);
    k.store(largest / largest.like(127), k.argument(2), {row, index});
    for (int64_t half : {0, 1})
      k.store(writeCodes(inverse, half * group / 2), k.argument(3),
              {row, index * 2 + half});
  }

private:
  KernelBuilder &k;
  int64_t group, lanes;
  Val row, index;

  Val loadX(int64_t first) {
    return k.load(k.argument(0), {row, index * group + first}, lanes);
  }

  Val findLargest() {
    Val largest = k.abs(loadX(0));
    for (int64_t first = lanes; first < group; first += lanes)
      largest = largest.max(k.abs(loadX(first)));
    return largest.reduceMax();
  }

  /// Writes half a group from column `begin` on; returns the sum of its codes.
  Val writeCodes(Val inverse, int64_t begin) {
    Val sum;
    for (int64_t first = begin; first < begin + group / 2; first += lanes) {
      Val x = loadX(first);
      Val code = k.roundEven(x * inverse.broadcast(x.type())).convert(k.i32());
      k.store(code.convert(k.i8()), k.argument(1),
              {row, index * group + first});
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
  Type f32 = Float32Type::get(context);
  int64_t groups = spec.columns / spec.group;
  Type x = MemRefType::get({spec.rows, spec.columns}, f32);
  Type codes =
      MemRefType::get({spec.rows, spec.columns}, IntegerType::get(context, 8));
  Type scales = MemRefType::get({spec.rows, groups}, f32);
  Type sums =
      MemRefType::get({spec.rows, 2 * groups}, IntegerType::get(context, 32));
  KernelBuilder k(module, name, level, {x}, {codes, scales, sums});
  Val rows = k.size(k.argument(0), 0);
  // Groups are independent: a single row too is divided among the threads.
  auto [first, last] = k.share(rows * groups);
  k.forLoop(first, last, 1, [&](Val item) {
    GroupQuantizer(k, spec.group, item / groups, item % groups).emit();
  });
  return k.finish();
}
