//===- Schedule.cpp - launches that can run together, together ------------===//

#include "lowering/exec/Passes.h"

using namespace mlir;

namespace lq::exec {
#define GEN_PASS_DEF_SCHEDULE
#include "lowering/exec/Passes.h.inc"
} // namespace lq::exec

using namespace lq::exec;

namespace {

/// The number of barriers that must come before each operation of an entry.
class Levels {
public:
  explicit Levels(Block &block) {
    for (Operation &op : block)
      compute(op);
  }

  int64_t operator[](Operation *op) const { return levels.lookup(op); }

private:
  void compute(Operation &op) {
    int64_t level = 0;
    // A launch can start when those before it are through; what is not a launch
    // is a view or index arithmetic, done by each thread on its own.
    auto waitFor = [&](Operation *other) {
      level = std::max(level, levels.lookup(other) + isa<LaunchOp>(other));
    };
    op.walk([&](Operation *nested) {
      for (Value operand : nested->getOperands())
        if (Operation *definition = operand.getDefiningOp();
            definition && definition->getBlock() == op.getBlock())
          waitFor(definition);
    });
    if (auto launch = dyn_cast<LaunchOp>(op)) {
      for (Value operand : launch->getOperands())
        if (auto state = operand.getDefiningOp<StateOp>())
          for (Operation *writer : writers[state.getCacheAttr()])
            waitFor(writer);
      for (Value update : launch.getUpdates())
        if (auto state = update.getDefiningOp<StateOp>())
          writers[state.getCacheAttr()].push_back(&op);
    }
    levels[&op] = level;
  }

  DenseMap<Operation *, int64_t> levels;
  /// Launches that update a state.
  DenseMap<Attribute, SmallVector<Operation *>> writers;
};

struct SchedulePass : lq::exec::impl::ScheduleBase<SchedulePass> {
  void runOnOperation() override {
    for (func::FuncOp entry : getEntries(getOperation())) {
      Block &block = entry.getBody().front();
      Levels levels(block);
      // (level, place in the block): operations of one level keep their order.
      SmallVector<std::tuple<int64_t, size_t, Operation *>> order;
      for (Operation &op : block.without_terminator())
        order.emplace_back(levels[&op], order.size(), &op);
      llvm::sort(order);
      for (auto [level, place, op] : order)
        op->moveBefore(block.getTerminator());
    }
  }
};

} // namespace
