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

/// Memory that an operation touches: bytes of the arena, or a whole argument or
/// state. Weights are never written and need no place.
struct Place {
  Operation *owner; // null: the arena
  int64_t begin, end;

  bool overlaps(const Place &other) const {
    return owner == other.owner && begin < other.end && other.begin < end;
  }
};

bool overlapsAny(const Place &place, ArrayRef<Place> places) {
  return llvm::any_of(places, [&](const Place &other) { return place.overlaps(other); });
}

class BarrierInserter {
public:
  LogicalResult run(func::FuncOp entry) {
    for (Operation &op : llvm::make_early_inc_range(entry.getBody().front())) {
      SmallVector<Place> reads, writes;
      if (failed(collect(op, reads, writes)))
        return failure();
      bool conflict =
          llvm::any_of(reads, [&](const Place &p) { return overlapsAny(p, written); }) ||
          llvm::any_of(writes, [&](const Place &p) {
            return overlapsAny(p, written) || overlapsAny(p, read);
          });
      if (conflict) {
        OpBuilder builder(&op);
        BarrierOp::create(builder, op.getLoc());
        read.clear();
        written.clear();
      }
      read.append(reads);
      written.append(writes);
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
      return op.emitError() << "expected an operation with known effects in an entry point";
    for (const MemoryEffects::EffectInstance &effect : *effects) {
      FailureOr<std::optional<Place>> place = locate(op, effect.getValue());
      if (failed(place))
        return failure();
      if (!*place)
        continue;
      if (isa<MemoryEffects::Read>(effect.getEffect()))
        reads.push_back(**place);
      if (isa<MemoryEffects::Write>(effect.getEffect()))
        writes.push_back(**place);
    }
    return success();
  }

  FailureOr<std::optional<Place>> locate(Operation &op, Value value) {
    if (!value)
      return op.emitError() << "expected effects on known buffers in an entry point";
    while (auto view = value.getDefiningOp<ViewLikeOpInterface>())
      value = view.getViewSource();
    Operation *source = value.getDefiningOp();
    if (isa_and_nonnull<WeightOp>(source))
      return std::optional<Place>();
    if (auto arena = dyn_cast_or_null<ArenaOp>(source)) {
      int64_t offset = arena.getOffset();
      return std::optional(Place{nullptr, offset, offset + static_cast<int64_t>(arena.getBytes())});
    }
    if (isa_and_nonnull<ArgumentOp, StateOp>(source))
      return std::optional(Place{canonical(source), 0, INT64_MAX});
    return op.emitError() << "expected buffers to be planned before barriers are placed";
  }

  /// The first operation that names the same argument or state.
  Operation *canonical(Operation *source) {
    Attribute key = source->getDiscardableAttrDictionary();
    if (auto argument = dyn_cast<ArgumentOp>(source))
      key = argument.getIndexAttr();
    if (auto state = dyn_cast<StateOp>(source))
      key = state.getCacheAttr();
    return owners.try_emplace(key, source).first->second;
  }

  SmallVector<Place> read, written;
  DenseMap<Attribute, Operation *> owners;
};

struct InsertBarriersPass : lq::exec::impl::InsertBarriersBase<InsertBarriersPass> {
  void runOnOperation() override {
    for (func::FuncOp entry : getEntries(getOperation()))
      if (failed(BarrierInserter().run(entry)))
        return signalPassFailure();
  }
};

} // namespace
