//===- Linear.cpp - products of activations with a packed matrix ----------===//

#include "lowering/cpu/kernels/Linear.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

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

void lq::cpu::storeBlock(LinearKernel &kernel, Val block, Val row,
                         int64_t count, ArrayRef<Val> sums) {
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

/// A kernel for any number of rows chooses when it is called.
static void emitIntegers(LinearKernel &kernel) {
  if (mostRows(kernel.spec) <= fewRows)
    return emitFewRows(kernel);
  if (kernel.spec.rows != kDynamic)
    return emitManyRows(kernel);
  KernelBuilder &k = kernel.k;
  k.ifElse(
      kernel.rows() < fewRows + 1,
      [&] {
        emitFewRows(kernel);
        return Vals();
      },
      [&] {
        emitManyRows(kernel);
        return Vals();
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
  if (!spec.format.hasCodes())
    emitElements(kernel);
  else
    emitIntegers(kernel);
  return k.finish();
}

int64_t lq::cpu::scratchBytes(const LinearSpec &spec, const CpuLevel &level) {
  if (!spec.format.hasCodes())
    return elementsScratch(spec, level);
  int64_t few = fewRowsScratch(spec);
  return mostRows(spec) <= fewRows
             ? few
             : std::max(few, manyRowsScratch(spec, level));
}
