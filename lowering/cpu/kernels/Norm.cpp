//===- Norm.cpp - normalisation of rows -----------------------------------===//

#include "lowering/cpu/kernels/Kernels.h"
#include "lowering/cpu/kernels/RowKernel.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

namespace {

/// One normalisation kernel: x, gamma, [beta] -> out.
class Norm {
public:
  Norm(ModuleOp module, StringRef name, const NormSpec &spec,
       const CpuLevel &level)
      : spec(spec),
        k(module, name, level, inputTypes(module.getContext(), spec),
          {rowsType(module.getContext(), spec)}),
        x(k.argument(0)), gamma(k.argument(1)),
        out(k.argument(spec.beta ? 3 : 2)) {
    if (spec.beta)
      beta = k.argument(2);
  }

  func::FuncOp emit(bool centred) {
    auto [first, last] = k.share(k.size(x, 0));
    k.forLoop(first, last, 1, [&](Val row) {
      Val mean = centred ? average(row, [](Val v) { return v; }) : Val();
      auto centre = [&](Val v) {
        return mean ? v - mean.broadcast(v.type()) : v;
      };
      Val square = average(row, [&](Val v) {
        Val centredValue = centre(v);
        return centredValue * centredValue;
      });
      Val deviation = k.sqrt(square + square.like(spec.epsilon));
      Val inverse = deviation.like(1) / deviation;
      forChunks(k, spec.columns, [&](const Chunk &chunk) {
        Val v = centre(chunk.load(k, x, {row}));
        Val scaled = v * inverse.broadcast(v.type()) * chunk.load(k, gamma);
        if (beta)
          scaled = scaled + chunk.load(k, beta);
        chunk.store(k, scaled, out, {row});
      });
    });
    return k.finish();
  }

private:
  const NormSpec &spec;
  KernelBuilder k;
  Val x, gamma, beta, out;

  static Type rowsType(MLIRContext *context, const NormSpec &spec) {
    return MemRefType::get({spec.rows, spec.columns},
                           Float32Type::get(context));
  }
  static SmallVector<Type> inputTypes(MLIRContext *context,
                                      const NormSpec &spec) {
    Type columns = MemRefType::get({spec.columns}, Float32Type::get(context));
    SmallVector<Type> types = {rowsType(context, spec), columns};
    if (spec.beta)
      types.push_back(columns);
    return types;
  }

  /// The mean of f(x) along a row.
  Val average(Val row, llvm::function_ref<Val(Val)> f) {
    Vals sum = forChunks(k, spec.columns, {k.zeros(k.floats())},
                         [&](const Chunk &chunk, ArrayRef<Val> sum) -> Vals {
                           Val v = f(chunk.load(k, x, {row}));
                           if (chunk.count)
                             v = firstLanes(v, *chunk.count);
                           return {sum[0] + v};
                         });
    Val total = sum[0].reduceAdd();
    return total * total.like(1.0 / spec.columns);
  }

  /// Lanes behind a row's end as 0: f of them may be something else.
  Val firstLanes(Val v, int64_t count) {
    SmallVector<bool> inside(k.lanes());
    std::fill_n(inside.begin(), count, true);
    auto type = VectorType::get({k.lanes()}, k.builder().getI1Type());
    Val mask(k.builder(),
             arith::ConstantOp::create(k.builder(),
                                       DenseElementsAttr::get(type, inside)));
    return v.where(mask, v.like(0));
  }
};

} // namespace

func::FuncOp lq::cpu::emitRmsNorm(ModuleOp module, StringRef name,
                                  const NormSpec &spec, const CpuLevel &level) {
  return Norm(module, name, spec, level).emit(/*centred=*/false);
}

func::FuncOp lq::cpu::emitLayerNorm(ModuleOp module, StringRef name,
                                    const NormSpec &spec,
                                    const CpuLevel &level) {
  return Norm(module, name, spec, level).emit(/*centred=*/true);
}
