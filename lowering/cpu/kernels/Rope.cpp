//===- Rope.cpp - rotary position embedding -------------------------------===//

#include "lowering/cpu/kernels/Kernels.h"
#include "lowering/cpu/kernels/RowKernel.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

namespace {

/// The rotation of one head at one position. All of a vector's pairs are read
/// before any is written, so that the output may be the input.
class HeadRotation {
public:
  HeadRotation(KernelBuilder &k, const RopeSpec &spec, Vals head, Val position)
      : k(k), spec(spec), head(std::move(head)), position(position),
        x(k.argument(0)), out(k.argument(4)) {}

  void emit() {
    if (spec.interleaved)
      forChunks(k, spec.pairs,
                [&](const Chunk &pairs) { rotateInterleaved(pairs); });
    else
      forChunks(k, spec.pairs,
                [&](const Chunk &pairs) { rotateHalves(pairs); });
    int64_t rotated = 2 * spec.pairs;
    forChunks(k, spec.headSize - rotated, [&](const Chunk &chunk) {
      Chunk rest{chunk.column + rotated, chunk.count};
      rest.store(k, rest.load(k, x, head), out, head);
    });
  }

private:
  KernelBuilder &k;
  const RopeSpec &spec;
  Vals head;
  Val position, x, out;

  struct Pair {
    Val a, b;
  };

  Pair rotate(Pair in, const Chunk &pairs) {
    Val cos = pairs.load(k, k.argument(1), {position});
    Val sin = pairs.load(k, k.argument(2), {position});
    return {in.a * cos - in.b * sin, in.b * cos + in.a * sin};
  }

  void rotateHalves(const Chunk &pairs) {
    Chunk second{pairs.column + spec.pairs, pairs.count};
    Pair in = {pairs.load(k, x, head), second.load(k, x, head)};
    Pair rotated = rotate(in, pairs);
    pairs.store(k, rotated.a, out, head);
    second.store(k, rotated.b, out, head);
  }

  void rotateInterleaved(const Chunk &pairs) {
    ImplicitLocOpBuilder &b = k.builder();
    int64_t lanes = 2 * k.lanes();
    Vals place(head);
    place.push_back(pairs.column * 2);
    Val count = k.index(2 * pairs.count.value_or(0));
    Val both = pairs.count ? k.loadPart(x, place, lanes, count)
                           : k.load(x, place, lanes);
    auto parts = vector::DeinterleaveOp::create(b, Value(both));
    Pair rotated =
        rotate({Val(b, parts.getRes1()), Val(b, parts.getRes2())}, pairs);
    Val joined(
        b, vector::InterleaveOp::create(b, Value(rotated.a), Value(rotated.b)));
    if (pairs.count)
      k.storePart(joined, out, place, count);
    else
      k.store(joined, out, place);
  }
};

} // namespace

func::FuncOp lq::cpu::emitRope(ModuleOp module, StringRef name,
                               const RopeSpec &spec, const CpuLevel &level) {
  MLIRContext *context = module.getContext();
  Type f32 = Float32Type::get(context);
  Type x =
      MemRefType::get({spec.batch, spec.rows, spec.heads, spec.headSize}, f32);
  Type table = MemRefType::get({spec.positions, spec.pairs}, f32);
  KernelBuilder k(module, name, level,
                  {x, table, table, IndexType::get(context)}, {x});
  Val rows = k.size(k.argument(0), 1), past = k.argument(3);
  auto [first, last] = k.share(k.size(k.argument(0), 0) * rows * spec.heads);
  k.forLoop(first, last, 1, [&](Val item) {
    Val head = item % spec.heads, token = item / spec.heads;
    Val row = token % rows, batch = token / rows;
    HeadRotation(k, spec, {batch, row, head}, past + row).emit();
  });
  return k.finish();
}
