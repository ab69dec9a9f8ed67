//===- Norm.cpp - normalisation of rows -----------------------------------===//

#include "lowering/cpu/kernels/RowSource.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

SmallVector<Type> lq::cpu::getInputTypes(MLIRContext *context,
                                         const NormSpec &spec) {
  Type f32 = Float32Type::get(context);
  Type columns = MemRefType::get({spec.columns}, f32);
  SmallVector<Type> types = {MemRefType::get({spec.rows, spec.columns}, f32),
                             columns};
  if (spec.beta)
    types.push_back(columns);
  return types;
}

NormedRows::NormedRows(KernelBuilder &k, const NormSpec &spec, Val order)
    : RowSource(k, order), spec(spec), x(k.argument(0)), gamma(k.argument(1)) {
  if (spec.beta)
    beta = k.argument(2);
}

void NormedRows::enter(Val row) {
  mean = Val();
  if (spec.centred)
    mean = average(row, [](Val value) { return value; });
  Val square = average(row, [&](Val value) {
    Val centred = centre(value);
    return centred * centred;
  });
  Val deviation = k.sqrt(square + square.like(spec.epsilon));
  inverse = deviation.like(1) / deviation;
}

Val NormedRows::load(Val row, Val column, int64_t lanes) {
  return normalise(read(x, {row}, column, lanes),
                   read(gamma, {}, column, lanes),
                   beta ? read(beta, {}, column, lanes) : Val());
}

Val NormedRows::load(Val row, const Chunk &chunk) {
  return normalise(chunk.load(k, x, {row}), chunk.load(k, gamma),
                   beta ? chunk.load(k, beta) : Val());
}

Val NormedRows::normalise(Val value, Val gamma, Val beta) {
  Val scaled = centre(value) * inverse.broadcast(value.type()) * gamma;
  return beta ? scaled + beta : scaled;
}

Val NormedRows::centre(Val value) {
  return mean ? value - mean.broadcast(value.type()) : value;
}

/// Lanes behind a row's end as 0: f of them may be something else.
static Val firstLanes(KernelBuilder &k, Val v, int64_t count) {
  SmallVector<bool> inside(k.lanes());
  std::fill_n(inside.begin(), count, true);
  auto type = VectorType::get({k.lanes()}, k.builder().getI1Type());
  Val mask(k.builder(), arith::ConstantOp::create(
                            k.builder(), DenseElementsAttr::get(type, inside)));
  return v.where(mask, v.like(0));
}

/// The mean of f(x) along a row.
Val NormedRows::average(Val row, llvm::function_ref<Val(Val)> f) {
  // Sums take turns, which hides the latency of an addition.
  Vals sums = forChunks(k, spec.columns, Vals(4, k.zeros(k.floats())),
                        [&](const Chunk &chunk, ArrayRef<Val> sums) -> Vals {
                          Val v = f(chunk.load(k, x, {row}));
                          if (chunk.count)
                            v = firstLanes(k, v, *chunk.count);
                          return {sums[1], sums[2], sums[3], sums[0] + v};
                        });
  Val total = (sums[0] + sums[1] + (sums[2] + sums[3])).reduceAdd();
  return total * total.like(1.0 / spec.columns);
}

func::FuncOp lq::cpu::emitNorm(ModuleOp module, StringRef name,
                               const NormSpec &spec, const CpuLevel &level) {
  SmallVector<Type> inputs = getInputTypes(module.getContext(), spec);
  KernelBuilder k(module, name, level, inputs, {inputs.front()});
  NormedRows rows(k, spec);
  Val out = k.argument(static_cast<int64_t>(inputs.size()));
  auto [first, last] = k.share(k.size(k.argument(0), 0));
  k.forLoop(first, last, 1, [&](Val row) {
    rows.enter(row);
    forChunks(k, spec.columns, [&](const Chunk &chunk) {
      chunk.store(k, rows.load(row, chunk), out, {row});
    });
  });
  return k.finish();
}
