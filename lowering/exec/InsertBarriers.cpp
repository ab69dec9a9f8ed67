//===- InsertBarriers.cpp - where the threads of a team meet --------------===//

#include "lowering/exec/Passes.h"

#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;

namespace lq::exec {
#define GEN_PASS_DEF_INSERTBARRIERS
#include "lowering/exec/Passes.h.inc"
} // namespace lq::exec

using namespace lq::exec;

namespace {

/// Memory that an operation touches, by the operation that first names it. What
/// is never written (weights, constants) needs no place.
using Place = Operation *;

class BarrierInserter {
public:
  LogicalResult run(func::FuncOp entry) {
    for (Operation &op : llvm::make_early_inc_range(entry.getBody().front())) {
      SmallVector<Place> reads, writes;
      if (failed(collect(op, reads, writes)))
        return failure();
      bool conflict =
          llvm::any_of(reads,
                       [&](Place place) { return written.contains(place); }) ||
          llvm::any_of(writes, [&](Place place) {
            return written.contains(place) || read.contains(place);
          });
      if (conflict) {
        OpBuilder builder(&op);
        BarrierOp::create(builder, op.getLoc());
        read.clear();
        written.clear();
      }
      read.insert_range(reads);
      written.insert_range(writes);
    }
    return success();
  }

private:
  LogicalResult collect(Operation &op, SmallVectorImpl<Place> &reads,
                        SmallVectorImpl<Place> &writes) {
    if (isMemoryEffectFree(&op) || op.hasTrait<OpTrait::IsTerminator>())
      return success();
    auto effects = getEffectsRecursively(&op);
    if (!effects)
      return op.emitError()
             << "expected an operation with known effects in an entry point";
    for (const MemoryEffects::EffectInstance &effect : *effects) {
      if (isa<MemoryEffects::Allocate>(effect.getEffect()))
        continue;
      FailureOr<Place> place = locate(op, effect.getValue());
      if (failed(place))
        return failure();
      if (*place && isa<MemoryEffects::Read>(effect.getEffect()))
        reads.push_back(*place);
      if (*place && isa<MemoryEffects::Write>(effect.getEffect()))
        writes.push_back(*place);
    }
    return success();
  }

  FailureOr<Place> locate(Operation &op, Value value) {
    if (!value)
      return op.emitError()
             << "expected effects on known buffers in an entry point";
    while (auto view = value.getDefiningOp<ViewLikeOpInterface>())
      value = view.getViewSource();
    Operation *source = value.getDefiningOp();
    if (isa_and_nonnull<WeightOp, memref::GetGlobalOp>(source))
      return Place();
    if (isa_and_nonnull<memref::AllocOp, ArgumentOp, StateOp>(source))
      return canonical(source);
    return op.emitError() << "expected a buffer that the entry point names";
  }

  /// The first operation that names the same argument or state.
  Operation *canonical(Operation *source) {
    Attribute key;
    if (auto argument = dyn_cast<ArgumentOp>(source))
      key = argument.getIndexAttr();
    if (auto state = dyn_cast<StateOp>(source))
      key = state.getCacheAttr();
    return key ? owners.try_emplace(key, source).first->second : source;
  }

  DenseSet<Place> read, written;
  DenseMap<Attribute, Operation *> owners;
};

struct InsertBarriersPass
    : lq::exec::impl::InsertBarriersBase<InsertBarriersPass> {
  void runOnOperation() override {
    for (func::FuncOp entry : getEntries(getOperation()))
      if (failed(BarrierInserter().run(entry)))
        return signalPassFailure();
  }
};

} // namespace
