//===- OutlineLoops.cpp - linalg on buffers as launches of loops ----------===//

#include "lowering/cpu/Passes.h"
#include "lowering/cpu/codegen/Codegen.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;

namespace lq::cpu {
#define GEN_PASS_DEF_OUTLINELOOPS
#include "lowering/cpu/Passes.h.inc"
} // namespace lq::cpu

using namespace lq;
using exec::LaunchOp;

namespace {

/// Elements that a thread's share of an innermost loop is a multiple of: a
/// cache line of f32.
constexpr int64_t innermostGrain = 16;

/// Kernel functions of a module, one for each different body.
class LoopKernels {
public:
  explicit LoopKernels(ModuleOp module) : module(module) {}

  /// A function (memrefs and scalars `types`..., scratch, thread, threads) that
  /// runs `op` on its arguments; `op` has operands of these types.
  FailureOr<FlatSymbolRefAttr> get(linalg::LinalgOp op, ValueRange operands) {
    func::FuncOp function = clone(op, operands);
    std::string text;
    llvm::raw_string_ostream(text) << function;
    auto [known, isNew] = byText.try_emplace(text);
    if (!isNew) {
      function.erase();
      return known->second;
    }
    function.setName("loops_" + std::to_string(byText.size() - 1));
    if (failed(lowerToLoops(function)))
      return failure();
    return known->second = FlatSymbolRefAttr::get(function.getSymNameAttr());
  }

private:
  func::FuncOp clone(linalg::LinalgOp op, ValueRange operands) {
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    Type index = builder.getIndexType();
    SmallVector<Type> types(operands.getTypes());
    types.append({MemRefType::get({ShapedType::kDynamic}, builder.getI8Type()),
                  index, index});
    // The location is left out, so that equal layers have equal text.
    Location loc = builder.getUnknownLoc();
    auto function = func::FuncOp::create(builder, loc, "loops",
                                         builder.getFunctionType(types, {}));
    function.setPrivate();
    Block *body = function.addEntryBlock();
    builder.setInsertionPointToStart(body);
    IRMapping mapping;
    for (auto [operand, argument] : llvm::zip(operands, body->getArguments()))
      mapping.map(operand, argument);
    for (Value captured : captures(op))
      if (!mapping.contains(captured))
        mapping.map(
            captured,
            builder.clone(*captured.getDefiningOp(), mapping)->getResult(0));
    builder.clone(*op, mapping);
    func::ReturnOp::create(builder, loc);
    return function;
  }

public:
  /// Values from outside that the op's body uses.
  static SetVector<Value> captures(Operation *op) {
    SetVector<Value> values;
    getUsedValuesDefinedAbove(op->getRegions(), values);
    return values;
  }

private:
  static LogicalResult lowerToLoops(func::FuncOp function) {
    auto op = *function.getOps<linalg::LinalgOp>().begin();
    SmallVector<utils::IteratorType> iterators = op.getIteratorTypesArray();
    IRRewriter rewriter(function.getContext());
    rewriter.setInsertionPoint(op);
    FailureOr<linalg::LinalgLoops> loops =
        linalg::linalgOpToLoops(rewriter, op);
    if (failed(loops))
      return op.emitError() << "no loops for this operation";
    rewriter.eraseOp(op);
    divideAmongThreads(rewriter, function, *loops, iterators);
    allowReassociation(function);
    cpu::setScalarLoops(function);
    return success();
  }

  /// Restricts the outermost parallel loop of more than one turn to the share
  /// of the thread. Without one, the first thread does all.
  static void divideAmongThreads(IRRewriter &rewriter, func::FuncOp function,
                                 ArrayRef<Operation *> loops,
                                 ArrayRef<utils::IteratorType> iterators) {
    Value thread = function.getArgument(function.getNumArguments() - 2);
    Value threads = function.getArgument(function.getNumArguments() - 1);
    scf::ForOp chosen;
    for (auto [loop, iterator] : llvm::zip(loops, iterators)) {
      auto candidate = cast<scf::ForOp>(loop);
      std::optional<int64_t> turns =
          getConstantIntValue(candidate.getUpperBound());
      if (iterator == utils::IteratorType::parallel && (!turns || *turns > 1)) {
        chosen = candidate;
        break;
      }
    }
    Location loc = function.getLoc();
    if (!chosen) {
      Operation *outer = loops.empty() ? nullptr : loops.front();
      runOnFirstThread(rewriter, function, outer, thread);
      return;
    }
    rewriter.setInsertionPoint(chosen);
    int64_t grain = chosen == loops.back() ? innermostGrain : 1;
    Value turns = chosen.getUpperBound();
    auto index = [&](int64_t value) {
      return arith::ConstantIndexOp::create(rewriter, loc, value);
    };
    // share = ceil(turns / (threads grain)) grain; [thread share, (thread + 1)
    // share)
    Value share = arith::CeilDivUIOp::create(
        rewriter, loc, turns,
        arith::MulIOp::create(rewriter, loc, threads, index(grain)));
    share = arith::MulIOp::create(rewriter, loc, share, index(grain));
    Value first = arith::MulIOp::create(rewriter, loc, thread, share);
    Value last = arith::AddIOp::create(rewriter, loc, first, share);
    rewriter.modifyOpInPlace(chosen, [&] {
      chosen.setLowerBound(arith::MinUIOp::create(rewriter, loc, first, turns));
      chosen.setUpperBound(arith::MinUIOp::create(rewriter, loc, last, turns));
    });
  }

  static void runOnFirstThread(IRRewriter &rewriter, func::FuncOp function,
                               Operation *outer, Value thread) {
    Location loc = function.getLoc();
    Block &body = function.getBody().front();
    rewriter.setInsertionPointToStart(&body);
    Value zero = arith::ConstantIndexOp::create(rewriter, loc, 0);
    Value isFirst = arith::CmpIOp::create(
        rewriter, loc, arith::CmpIPredicate::eq, thread, zero);
    auto branch =
        scf::IfOp::create(rewriter, loc, isFirst, /*withElseRegion=*/false);
    for (Operation &op : llvm::make_early_inc_range(body))
      if (branch->isBeforeInBlock(&op) && !op.hasTrait<OpTrait::IsTerminator>())
        op.moveBefore(branch.thenBlock()->getTerminator());
  }

  /// Sums may be taken in any order, so that LLVM can vectorize them.
  static void allowReassociation(func::FuncOp function) {
    auto flags = arith::FastMathFlags::reassoc | arith::FastMathFlags::contract;
    function.walk([&](Operation *op) {
      if (auto add = dyn_cast<arith::AddFOp>(op))
        add.setFastmath(flags);
      else if (auto multiply = dyn_cast<arith::MulFOp>(op))
        multiply.setFastmath(flags);
    });
  }

  ModuleOp module;
  llvm::StringMap<FlatSymbolRefAttr> byText;
};

/// Rewrites one bufferized entry point.
class EntryRewriter {
public:
  EntryRewriter(func::FuncOp entry, LoopKernels &kernels)
      : entry(entry), kernels(kernels), rewriter(entry.getContext()) {}

  LogicalResult run() {
    // linalg.generic has one form for what copies, fills and named ops do.
    entry.walk([&](memref::CopyOp copy) {
      rewriter.setInsertionPoint(copy);
      linalg::CopyOp::create(rewriter, copy.getLoc(), copy.getSource(),
                             copy.getTarget());
      rewriter.eraseOp(copy);
    });
    WalkResult result = entry.walk([&](LaunchOp launch) {
      return failed(matchLayouts(launch)) ? WalkResult::interrupt()
                                          : WalkResult::advance();
    });
    if (result.wasInterrupted())
      return failure();
    SmallVector<linalg::LinalgOp> loops;
    entry.walk([&](linalg::LinalgOp op) { loops.push_back(op); });
    for (linalg::LinalgOp op : loops)
      if (failed(outline(op)))
        return failure();
    return success();
  }

private:
  /// Gives a derived kernel the contiguous buffers that its signature names.
  LogicalResult matchLayouts(LaunchOp launch) {
    auto kernel = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
        launch, launch.getKernelAttr());
    for (OpOperand &operand : launch->getOpOperands()) {
      auto actual = dyn_cast<MemRefType>(operand.get().getType());
      auto expected = dyn_cast<MemRefType>(
          kernel.getArgument(operand.getOperandNumber()).getType());
      if (!actual || !expected || actual == expected)
        continue;
      bool isInput = operand.getOperandNumber() < launch.getInputs().size();
      rewriter.setInsertionPoint(launch);
      Value buffer = isContiguous(actual)
                         ? operand.get()
                         : copyOf(launch, operand.get(), isInput);
      auto type = cast<MemRefType>(buffer.getType());
      if (type != expected) {
        if (!memref::CastOp::areCastCompatible(type, expected))
          return launch.emitError()
                 << "operand " << operand.getOperandNumber() << " is a "
                 << actual << ", the kernel expects " << expected;
        buffer =
            memref::CastOp::create(rewriter, launch.getLoc(), expected, buffer);
      }
      operand.set(buffer);
    }
    return success();
  }

  static bool isContiguous(MemRefType type) {
    return type.getLayout().isIdentity();
  }

  /// A contiguous buffer with the contents of `view`; where the kernel writes
  /// it, the contents are put back after the launch.
  Value copyOf(LaunchOp launch, Value view, bool isInput) {
    Location loc = launch.getLoc();
    auto type = cast<MemRefType>(view.getType());
    SmallVector<Value> sizes;
    for (int64_t dim = 0; dim < type.getRank(); ++dim)
      if (type.isDynamicDim(dim))
        sizes.push_back(memref::DimOp::create(rewriter, loc, view, dim));
    auto contiguous = MemRefType::get(type.getShape(), type.getElementType());
    Value buffer = memref::AllocOp::create(rewriter, loc, contiguous, sizes);
    if (isInput) {
      linalg::CopyOp::create(rewriter, loc, view, buffer);
      return buffer;
    }
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointAfter(launch);
    linalg::CopyOp::create(rewriter, loc, buffer, view);
    return buffer;
  }

  LogicalResult outline(linalg::LinalgOp op) {
    SmallVector<Value> inputs, updates, outputs;
    for (OpOperand *operand : op.getDpsInputOperands())
      inputs.push_back(operand->get());
    for (Value captured : LoopKernels::captures(op))
      if (!captured.getDefiningOp() ||
          !captured.getDefiningOp()->hasTrait<OpTrait::ConstantLike>())
        inputs.push_back(captured);
    for (OpOperand &operand : op.getDpsInitsMutable())
      (op.payloadUsesValueFromOperand(&operand) ? updates : outputs)
          .push_back(operand.get());
    SmallVector<Value> operands(inputs);
    llvm::append_range(operands, updates);
    llvm::append_range(operands, outputs);
    FailureOr<FlatSymbolRefAttr> kernel = kernels.get(op, operands);
    if (failed(kernel))
      return failure();
    rewriter.setInsertionPoint(op);
    LaunchOp::create(rewriter, op.getLoc(), TypeRange(), *kernel, inputs,
                     updates, outputs, rewriter.getI64IntegerAttr(0));
    rewriter.eraseOp(op);
    return success();
  }

  func::FuncOp entry;
  LoopKernels &kernels;
  IRRewriter rewriter;
};

struct OutlineLoopsPass : cpu::impl::OutlineLoopsBase<OutlineLoopsPass> {
  void runOnOperation() override {
    LoopKernels kernels(getOperation());
    for (func::FuncOp entry : exec::getEntries(getOperation()))
      if (failed(EntryRewriter(entry, kernels).run()))
        return signalPassFailure();
  }
};

} // namespace
