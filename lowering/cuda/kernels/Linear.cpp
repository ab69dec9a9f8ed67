//===- Linear.cpp - matrix products with encoded weights ------------------===//

#include "lowering/cuda/kernels/Linear.h"

using namespace mlir;
using namespace lq;
using namespace lq::cuda;

FragmentReader::FragmentReader(KernelBuilder &k, const TileRun &run, Val weight,
                               Val base, const LanePlace &place)
    : k(k), run(run), weight(weight), place(place), tiles(k, run, weight, base),
      table(getByteLevels(run.format).table) {}

/// The words of two rows.
Val FragmentReader::loadPair(Val offset) {
  return k.loadBytes(weight, offset + place.g * 8, k.vector(2, k.i32()),
                     /*alignment=*/8);
}

/// The codes of a step in the words of a vector, of which the lane's two steps
/// are fields side by side.
Val FragmentReader::fieldOf(Val pair, int64_t width, int64_t step) {
  int64_t mask = ((int64_t(1) << width) - 1) * 0x01010101;
  Val from = (place.c % (4 / width) * (2 * width) + step * width)
                 .toInteger(k.i32())
                 .broadcast(pair.type());
  return (pair >> from) & mask;
}

FragmentReader::Words FragmentReader::loadCodes(const ColumnBlock &block) {
  constexpr int64_t vectorBytes = tileRows * 4;
  Val slice = tiles.spanStart(block) + run.codes + block.block * run.codeBytes;
  Words words;
  int64_t shift = 0;
  for (int64_t width : getSlices(run.format.bits)) {
    Val both;
    if (width < 8)
      both = loadPair(slice + place.c / (4 / width) * vectorBytes);
    for (int64_t step : {0, 1}) {
      Val field = both ? fieldOf(both, width, step)
                       : loadPair(slice + (place.c * 2 + step) * vectorBytes);
      if (shift)
        field = field << shift;
      for (int64_t row : {0, 1}) {
        Val &word = words[step][row], bits = field.lane(row);
        word = word ? word | bits : bits;
      }
    }
    shift += width;
    slice = slice + width * vectorBytes;
  }
  if (!table.empty())
    for (auto &rows : words)
      for (Val &word : rows)
        word = k.lookup(table, word);
  return words;
}

SmallVector<Type> lq::cuda::linearTypes(MLIRContext *context,
                                        const LinearSpec &spec) {
  Builder b(context);
  auto matrix = [&](int64_t columns, Type element) -> Type {
    return MemRefType::get({spec.rows, columns}, element);
  };
  SmallVector<Type> types;
  if (takesInt8(spec))
    types = {matrix(spec.inputs, b.getI8Type()),
             matrix(spec.inputs / tileColumns, b.getF32Type()),
             matrix(2 * spec.inputs / tileColumns, b.getI32Type())};
  else
    types = {matrix(spec.inputs, b.getF16Type())};
  types.push_back(MemRefType::get({kDynamic}, b.getI8Type()));
  if (spec.bias)
    types.push_back(MemRefType::get({spec.outputs}, b.getF32Type()));
  if (spec.residual)
    types.push_back(matrix(spec.outputs, b.getF32Type()));
  types.push_back(matrix(spec.outputs, b.getF32Type()));
  return types;
}

LinearKernel::LinearKernel(KernelBuilder &k, const LinearSpec &spec)
    : k(k), spec(spec),
      layout(getTileLayout(spec.format, spec.outputs, spec.inputs)) {
  int64_t next = takesInt8(spec) ? 3 : 1;
  for (int64_t i = 0; i < next; ++i)
    x.push_back(k.argument(i));
  weight = k.argument(next++);
  if (spec.bias)
    bias = k.argument(next++);
  if (spec.residual)
    residual = k.argument(next++);
  out = k.argument(next);
}

void LinearKernel::store(Val sum, Val row, Val output) {
  auto write = [&] {
    Val total = sum;
    if (bias)
      total = total + k.load(bias, {output});
    if (residual)
      total = total + k.load(residual, {row, output});
    k.store(total, out, {row, output});
  };
  if (spec.outputs % tileRows == 0)
    return write();
  k.ifThen(output < spec.outputs, write);
}

gpu::GPUFuncOp lq::cuda::emitLinear(gpu::GPUModuleOp module, StringRef name,
                                    const LinearSpec &spec, const Chip &chip) {
  return takesInt8(spec) ? emitFewRows(module, name, spec, chip)
                         : emitMatrix(module, name, spec, chip);
}
