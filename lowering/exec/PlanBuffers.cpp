//===- PlanBuffers.cpp - a place in the arena for every buffer ------------===//

#include "lowering/exec/Passes.h"

#include "lowering/exec/Bounds.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "runtime/Abi.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace lq::exec {
#define GEN_PASS_DEF_PLANBUFFERS
#include "lowering/exec/Passes.h.inc"
} // namespace lq::exec

using namespace lq::exec;

namespace {

/// A buffer and the stretch of the program, counted in barriers, in which it
/// holds something.
struct Buffer {
  memref::AllocOp alloc;
  int64_t bytes;
  int64_t firstUse, lastUse;
  int64_t offset = 0;

  bool livesWith(const Buffer &other) const {
    return firstUse <= other.lastUse && other.firstUse <= lastUse;
  }
};

class Planner {
public:
  explicit Planner(func::FuncOp entry) : entry(entry) {
    int64_t barriers = 0;
    for (Operation &op : entry.getBody().front()) {
      barriers += isa<BarrierOp>(op);
      phases[&op] = barriers;
    }
  }

  LogicalResult plan() {
    if (failed(collect()))
      return failure();
    int64_t arenaBytes = place();
    for (Buffer &buffer : buffers)
      replace(buffer);
    OpBuilder builder(entry);
    entry->setAttr(arenaBytesAttr, builder.getI64IntegerAttr(arenaBytes));
    return success();
  }

private:
  LogicalResult collect() {
    WalkResult result = entry.walk([&](memref::AllocOp alloc) {
      if (alloc->getBlock() != &entry.getBody().front()) {
        alloc.emitError() << "expected every buffer of an entry point to be "
                             "made at its top level";
        return WalkResult::interrupt();
      }
      std::optional<int64_t> bytes = boundBytes(alloc);
      if (!bytes) {
        alloc.emitError()
            << "expected the size of this buffer to be bounded by the model's "
               "dimensions; it depends on data";
        return WalkResult::interrupt();
      }
      Buffer buffer{alloc, *bytes, /*firstUse=*/INT64_MAX, /*lastUse=*/-1};
      extendLife(buffer, alloc);
      if (buffer.lastUse >= 0)
        buffers.push_back(buffer);
      return WalkResult::advance();
    });
    return failure(result.wasInterrupted());
  }

  static std::optional<int64_t> boundBytes(memref::AllocOp alloc) {
    MemRefType type = alloc.getType();
    int64_t elements = 1;
    auto sizes = alloc.getDynamicSizes().begin();
    for (int64_t size : type.getShape()) {
      if (ShapedType::isDynamic(size)) {
        std::optional<Interval> bound = boundIndex(*sizes++);
        if (!bound)
          return std::nullopt;
        size = bound->most;
      }
      if (llvm::MulOverflow(elements, size, elements))
        return std::nullopt;
    }
    int64_t width = std::max<int64_t>(
        1, type.getElementType().isIndex()
               ? 8
               : llvm::divideCeil(type.getElementTypeBitWidth(), 8));
    return llvm::alignTo(std::max<int64_t>(elements * width, 1),
                         LQ_ABI_ALIGNMENT);
  }

  /// Follows the buffer through its views to all that use it.
  void extendLife(Buffer &buffer, Value value) {
    for (Operation *user : value.getUsers()) {
      if (auto view = dyn_cast<ViewLikeOpInterface>(user)) {
        extendLife(buffer, view->getResult(0));
        continue;
      }
      while (user->getBlock() != &entry.getBody().front())
        user = user->getParentOp();
      buffer.firstUse = std::min(buffer.firstUse, phases[user]);
      buffer.lastUse = std::max(buffer.lastUse, phases[user]);
    }
  }

  /// Largest first, each at the lowest place where no buffer alive at the same
  /// time lies. Returns the arena's size.
  int64_t place() {
    SmallVector<Buffer *> order;
    for (Buffer &buffer : buffers)
      order.push_back(&buffer);
    // Buffers lie in one array: equal sizes keep the order of the program.
    llvm::sort(order, [](Buffer *a, Buffer *b) {
      return std::pair(-a->bytes, a) < std::pair(-b->bytes, b);
    });
    SmallVector<Buffer *> placed; // by offset
    int64_t arenaBytes = 0;
    for (Buffer *buffer : order) {
      for (Buffer *other : placed)
        if (buffer->livesWith(*other) &&
            buffer->offset + buffer->bytes > other->offset)
          buffer->offset =
              std::max(buffer->offset, other->offset + other->bytes);
      placed.insert(llvm::upper_bound(placed, buffer,
                                      [](Buffer *a, Buffer *b) {
                                        return a->offset < b->offset;
                                      }),
                    buffer);
      arenaBytes = std::max(arenaBytes, buffer->offset + buffer->bytes);
    }
    return arenaBytes;
  }

  static void replace(Buffer &buffer) {
    OpBuilder builder(buffer.alloc);
    auto arena =
        ArenaOp::create(builder, buffer.alloc.getLoc(), buffer.alloc.getType(),
                        builder.getI64IntegerAttr(buffer.offset),
                        builder.getI64IntegerAttr(buffer.bytes),
                        buffer.alloc.getDynamicSizes());
    buffer.alloc.replaceAllUsesWith(arena.getResult());
    buffer.alloc.erase();
  }

  func::FuncOp entry;
  /// Barriers before each operation.
  DenseMap<Operation *, int64_t> phases;
  SmallVector<Buffer> buffers;
};

struct PlanBuffersPass : lq::exec::impl::PlanBuffersBase<PlanBuffersPass> {
  void runOnOperation() override {
    for (func::FuncOp entry : getEntries(getOperation()))
      if (failed(Planner(entry).plan()))
        return signalPassFailure();
  }
};

} // namespace
