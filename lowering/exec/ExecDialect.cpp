//===- ExecDialect.cpp - the exec dialect ---------------------------------===//

#include "lowering/exec/ExecDialect.h"

#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace lq::exec;

/// Prints a number without its type.
static void printNumber(OpAsmPrinter &printer, Operation *,
                        IntegerAttr number) {
  printer << number.getInt();
}

static ParseResult parseNumber(OpAsmParser &parser, IntegerAttr &number) {
  int64_t value = 0;
  if (parser.parseInteger(value))
    return failure();
  number = parser.getBuilder().getI64IntegerAttr(value);
  return success();
}

#include "lowering/exec/ExecDialect.cpp.inc"

#define GET_OP_CLASSES
#include "lowering/exec/ExecOps.cpp.inc"

void ExecDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "lowering/exec/ExecOps.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// exec.launch
//===----------------------------------------------------------------------===//

void LaunchOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  auto add = [&](OpOperand &operand, MemoryEffects::Effect *effect) {
    if (isa<MemRefType>(operand.get().getType()))
      effects.emplace_back(effect, &operand,
                           SideEffects::DefaultResource::get());
  };
  for (OpOperand &operand : getInputsMutable())
    add(operand, MemoryEffects::Read::get());
  for (OpOperand &operand : getUpdatesMutable()) {
    add(operand, MemoryEffects::Read::get());
    add(operand, MemoryEffects::Write::get());
  }
  for (OpOperand &operand : getOutputsMutable())
    add(operand, MemoryEffects::Write::get());
}

LogicalResult LaunchOp::verify() {
  size_t tensors = llvm::count_if(
      getOutputs(), [](Value v) { return isa<RankedTensorType>(v.getType()); });
  if (tensors != getNumResults())
    return emitOpError() << "expected a result for each of the " << tensors
                         << " tensors in outs, got " << getNumResults();
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto kernel =
      symbols.lookupNearestSymbolFrom<func::FuncOp>(*this, getKernelAttr());
  if (!kernel)
    return emitOpError() << "expected @" << getKernel()
                         << " to be a kernel function";
  // Operands, scratch, thread, threads.
  size_t expected = getNumOperands() + 3;
  if (kernel.getNumArguments() != expected) {
    auto error = emitOpError()
                 << "expected a kernel with " << expected << " arguments, got "
                 << kernel.getNumArguments();
    error.attachNote(kernel.getLoc()) << "the kernel is here";
    return error;
  }
  return success();
}

namespace {

struct LaunchBufferization
    : bufferization::DstBufferizableOpInterfaceExternalModel<
          LaunchBufferization, LaunchOp> {
  // A kernel overwrites its outputs without reading them.
  bool bufferizesToMemoryRead(Operation *op, OpOperand &operand,
                              const bufferization::AnalysisState &) const {
    return !cast<LaunchOp>(op).isDpsInit(&operand);
  }

  // Kernels may read an input after writing an output, so neither may alias.
  bool bufferizesToElementwiseAccess(Operation *,
                                     const bufferization::AnalysisState &,
                                     ArrayRef<OpOperand *>) const {
    return false;
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const bufferization::BufferizationOptions &options,
                          bufferization::BufferizationState &state) const {
    auto launch = cast<LaunchOp>(op);
    rewriter.setInsertionPoint(op);
    auto buffers = [&](OperandRange operands) -> FailureOr<SmallVector<Value>> {
      SmallVector<Value> values;
      for (Value operand : operands) {
        if (!isa<TensorType>(operand.getType())) {
          values.push_back(operand);
          continue;
        }
        FailureOr<Value> buffer =
            bufferization::getBuffer(rewriter, operand, options, state);
        if (failed(buffer))
          return failure();
        values.push_back(*buffer);
      }
      return values;
    };
    FailureOr<SmallVector<Value>> inputs = buffers(launch.getInputs());
    FailureOr<SmallVector<Value>> outputs = buffers(launch.getOutputs());
    if (failed(inputs) || failed(outputs))
      return failure();
    LaunchOp::create(rewriter, op->getLoc(), TypeRange(),
                     launch.getKernelAttr(), *inputs, launch.getUpdates(),
                     *outputs, launch.getScratchBytesAttr());
    SmallVector<Value> replacements;
    for (auto [value, buffer] : llvm::zip(launch.getOutputs(), *outputs))
      if (isa<TensorType>(value.getType()))
        replacements.push_back(buffer);
    bufferization::replaceOpWithBufferizedValues(rewriter, op, replacements);
    return success();
  }
};

} // namespace

void lq::exec::registerBufferization(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, ExecDialect *) {
    LaunchOp::attachInterface<LaunchBufferization>(*context);
  });
}
