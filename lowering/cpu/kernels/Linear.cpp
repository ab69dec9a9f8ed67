//===- Linear.cpp - products of activations with a packed matrix ----------===//
//
// A thread works on its share of the row blocks. Rows of activations are the
// inner loop: a row block stays in the first-level cache while all rows pass
// it, so memory is read once whatever M is. Activations of more than a few rows
// are taken in panels that fit the second-level cache, and copied first: rows
// of a power of two of bytes would push each other out of the first-level
// cache.
//
//===----------------------------------------------------------------------===//

#include "lowering/cpu/kernels/Linear.h"
#include "llvm/Support/MathExtras.h"

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
  // Sums take half the registers, so that a group's codes, a scale and
  // temporaries have the others; with elements, three quarters.
  int64_t sums = level.registers * (spec.format.hasCodes() ? 2 : 3) / 4;
  int64_t largest = sums * level.lanes() / tileRows;
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

/// Whether activations are copied to scratch: a few rows do no harm as they
/// lie.
static bool packs(const LinearSpec &spec) {
  return spec.rows == kDynamic || spec.rows > 8;
}

/// Rows of activations in a panel, a multiple of the rows that work together.
static int64_t getPanelRows(const LinearSpec &spec, const CpuLevel &level) {
  int64_t largest = getRowSizes(spec, level).front();
  int64_t rows =
      std::max<int64_t>(1, panelBytes / getPackedRowBytes(spec) / largest) *
      largest;
  return std::min(rows, std::max(spec.maxRows, largest));
}

/// Multiplies rows [first, first + rows).
static void emitPanel(LinearKernel &kernel, Val first, Val rows) {
  KernelBuilder &k = kernel.k;
  bool hasCodes = kernel.spec.format.hasCodes();
  auto forRowGroups = [&](llvm::function_ref<void(const RowGroup &)> body) {
    forRowBlocks(k, first, rows, getRowSizes(kernel.spec, k.level()),
                 [&](Val row, int64_t count) {
                   Val packed;
                   if (packs(kernel.spec))
                     packed = (row - first) * getPackedRowBytes(kernel.spec);
                   body({row, count, packed});
                 });
  };
  if (packs(kernel.spec))
    forRowGroups([&](const RowGroup &group) {
      hasCodes ? packIntegers(kernel, group) : packElements(kernel, group);
    });
  auto [firstBlock, lastBlock] = k.share(k.index(kernel.layout.rowBlocks));
  k.forLoop(firstBlock, lastBlock, 1, [&](Val block) {
    Val base = block * kernel.layout.rowBlockBytes;
    forRowGroups([&](const RowGroup &group) {
      Vals sums = hasCodes ? emitIntegerProduct(kernel, base, group)
                           : emitElementProduct(kernel, base, group);
      storeBlock(kernel, block, group.first, group.count, sums);
    });
  });
}

static SmallVector<Type> getInputTypes(const LinearSpec &spec,
                                       MLIRContext *context) {
  Type f32 = Float32Type::get(context);
  Type i32 = IntegerType::get(context, 32), i8 = IntegerType::get(context, 8);
  SmallVector<Type> types;
  if (spec.format.hasCodes()) {
    int64_t groups = spec.inputs / tileColumns;
    types = {MemRefType::get({spec.rows, spec.inputs}, i8),
             MemRefType::get({spec.rows, groups}, f32),
             MemRefType::get({spec.rows, 2 * groups}, i32)};
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
  if (!packs(spec) || spec.maxRows <= panelRows) {
    emitPanel(kernel, k.index(0), kernel.rows());
    return k.finish();
  }
  k.forLoop(k.index(0), kernel.rows(), panelRows, [&](Val first) {
    Val left = kernel.rows() - first;
    emitPanel(kernel, first, left.min(k.index(panelRows)));
  });
  return k.finish();
}

int64_t lq::cpu::scratchBytes(const LinearSpec &spec, const CpuLevel &level) {
  return packs(spec) ? getPanelRows(spec, level) * getPackedRowBytes(spec) : 0;
}

int64_t lq::cpu::getPackedBlockBytes(const FormatRun &run) {
  // Codes, a scale, and corrections and sums of each group of a column block.
  int64_t groups = run.groupColumns() < tileColumns ? 2 : 1;
  return tileColumns + 4 + 8 * groups;
}

int64_t lq::cpu::getPackedRowBytes(const LinearSpec &spec) {
  if (!spec.format.hasCodes())
    return llvm::alignTo(spec.inputs, 16) * 4;
  int64_t bytes = 0;
  for (const FormatRun &run : spec.format.splitColumns(spec.inputs))
    bytes += run.columns / tileColumns * getPackedBlockBytes(run);
  return bytes;
}
