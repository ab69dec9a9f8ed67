//===- Linear.cpp - products of activations with a packed matrix ----------===//
//
// A thread works on its share of the row blocks. Rows of activations are the
// inner loop: a row block stays in the first-level cache while all rows pass
// it, so memory is read once whatever M is. Activations that do not fit the
// second-level cache are taken in panels.
//
//===----------------------------------------------------------------------===//

#include "lowering/cpu/kernels/Linear.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

/// Activations that a panel may take, of a second-level cache of 1 MB or more.
static constexpr int64_t panelBytes = 384 << 10;

LinearKernel::LinearKernel(KernelBuilder &k, const LinearSpec &spec)
    : k(k), spec(spec),
      layout(getTileLayout(spec.format, spec.outputs, spec.inputs)) {
  int64_t next = spec.format.hasCodes() ? 3 : 1;
  weight = k.argument(next++);
  if (spec.bias)
    bias = k.argument(next++);
  if (spec.residual)
    residual = k.argument(next++);
  out = k.argument(next);
}

SmallVector<int64_t> lq::cpu::getRowSizes(const LinearSpec &spec,
                                          const CpuLevel &level) {
  // As many rows as leave registers for a group's codes (or the elements), a
  // scale and temporaries.
  bool wide = level.registers >= 32;
  int64_t largest = spec.format.hasCodes() ? (wide ? 16 : 4) : (wide ? 24 : 6);
  if (spec.rows != kDynamic && spec.rows <= largest)
    return {spec.rows};
  SmallVector<int64_t> sizes = {largest};
  for (int64_t size : {8, 4, 2, 1})
    if (size < largest)
      sizes.push_back(size);
  return sizes;
}

/// Adds bias and residual and stores [count][parts] sums of a row block; the
/// last block may stand for fewer outputs than it has rows.
static void storeBlock(LinearKernel &kernel, Val block, Val row, int64_t count,
                       ArrayRef<Val> sums) {
  KernelBuilder &k = kernel.k;
  int64_t lanes = k.lanes(), parts = kernel.parts();
  bool partial = kernel.spec.outputs % tileRows != 0;
  for (int64_t part = 0; part < parts; ++part) {
    Val column = block * tileRows + part * lanes;
    Val left = k.index(kernel.spec.outputs) - column;
    auto load = [&](Val memref, ArrayRef<Val> indices) {
      return partial ? k.loadPart(memref, indices, lanes, left)
                     : k.load(memref, indices, lanes);
    };
    Val bias = kernel.bias ? load(kernel.bias, {column}) : Val();
    for (int64_t i = 0; i < count; ++i) {
      Val sum = sums[i * parts + part];
      if (bias)
        sum = sum + bias;
      if (kernel.residual)
        sum = sum + load(kernel.residual, {row + i, column});
      if (partial)
        k.storePart(sum, kernel.out, {row + i, column}, left);
      else
        k.store(sum, kernel.out, {row + i, column});
    }
  }
}

static void emitRowBlocks(LinearKernel &kernel, Val firstRow, Val rows) {
  KernelBuilder &k = kernel.k;
  SmallVector<int64_t> sizes = getRowSizes(kernel.spec, k.level());
  auto [first, last] = k.share(k.index(kernel.layout.rowBlocks));
  k.forLoop(first, last, 1, [&](Val block) {
    Val base = block * kernel.layout.rowBlockBytes;
    forRowBlocks(k, firstRow, rows, sizes, [&](Val row, int64_t count) {
      Vals sums = kernel.spec.format.hasCodes()
                      ? emitIntegerProduct(kernel, base, row, count)
                      : emitElementProduct(kernel, base, row, count);
      storeBlock(kernel, block, row, count, sums);
    });
  });
}

/// Rows of activations in a panel, a multiple of the rows that work together.
static int64_t getPanelRows(const LinearSpec &spec, const CpuLevel &level) {
  int64_t rowBytes = spec.inputs * (spec.format.hasCodes() ? 1 : 4);
  int64_t largest = getRowSizes(spec, level).front();
  return std::max<int64_t>(1, panelBytes / rowBytes / largest) * largest;
}

static SmallVector<Type> getInputTypes(const LinearSpec &spec,
                                       MLIRContext *context) {
  Type f32 = Float32Type::get(context);
  Type i32 = IntegerType::get(context, 32), i8 = IntegerType::get(context, 8);
  SmallVector<Type> types;
  if (spec.format.hasCodes()) {
    int64_t groups = spec.inputs / spec.format.group;
    types = {MemRefType::get({spec.rows, spec.inputs}, i8),
             MemRefType::get({spec.rows, groups}, f32),
             MemRefType::get({spec.rows, groups}, i32)};
  } else {
    types = {MemRefType::get({spec.rows, spec.inputs}, f32)};
  }
  types.push_back(MemRefType::get({kDynamic}, i8));
  if (spec.bias)
    types.push_back(MemRefType::get({spec.outputs}, f32));
  if (spec.residual)
    types.push_back(MemRefType::get({spec.rows, spec.outputs}, f32));
  return types;
}

func::FuncOp lq::cpu::emitLinear(ModuleOp module, StringRef name,
                                 const LinearSpec &spec,
                                 const CpuLevel &level) {
  MLIRContext *context = module.getContext();
  Type out =
      MemRefType::get({spec.rows, spec.outputs}, Float32Type::get(context));
  KernelBuilder k(module, name, level, getInputTypes(spec, context), out);
  LinearKernel kernel(k, spec);
  int64_t panelRows = getPanelRows(spec, level);
  if (spec.maxRows <= panelRows) {
    emitRowBlocks(kernel, k.index(0), kernel.rows());
    return k.finish();
  }
  k.forLoop(k.index(0), kernel.rows(), panelRows, [&](Val first) {
    Val left = kernel.rows() - first;
    emitRowBlocks(kernel, first, left.min(k.index(panelRows)));
  });
  return k.finish();
}

int64_t lq::cpu::scratchBytes(const LinearSpec &spec, const CpuLevel &level) {
  return 0;
}
