//===- Jit.cpp - Run a function on tensors in this process ----------------===//

#include "Jit.h"
#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/ConvertToLLVM/ToLLVMPass.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MathToLibm/MathToLibm.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/FuncBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Linalg/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/SubsetInsertionOpInterfaceImpl.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/TargetSelect.h"

using namespace mlir;

namespace lq::test {
namespace {

/// The ABI of mlir's memref.copy between buffers that are not contiguous.
struct Unranked {
  int64_t rank;
  int64_t *descriptor;
};

char *dataOf(const int64_t *descriptor, int64_t elementSize) {
  return reinterpret_cast<char *>(descriptor[1]) + descriptor[2] * elementSize;
}

void copyStrided(int64_t elementSize, Unranked *source, Unranked *target) {
  int64_t rank = source->rank;
  const int64_t *sizes = source->descriptor + 3;
  const int64_t *from = sizes + rank, *to = target->descriptor + 3 + rank;
  SmallVector<int64_t> index(rank, 0);
  if (llvm::is_contained(ArrayRef(sizes, rank), 0))
    return;
  for (;;) {
    int64_t read = 0, write = 0;
    for (int64_t d = 0; d < rank; ++d) {
      read += index[d] * from[d];
      write += index[d] * to[d];
    }
    std::memcpy(dataOf(target->descriptor, elementSize) + write * elementSize,
                dataOf(source->descriptor, elementSize) + read * elementSize,
                elementSize);
    int64_t d = rank - 1;
    while (d >= 0 && ++index[d] == sizes[d])
      index[d--] = 0;
    if (d < 0)
      return;
  }
}

LogicalResult lowerToLlvm(ModuleOp module) {
  PassManager pm(module.getContext());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addNestedPass<func::FuncOp>(createLinalgElementwiseOpFusionPass());
  bufferization::OneShotBufferizePassOptions options;
  options.bufferizeFunctionBoundaries = true;
  options.functionBoundaryTypeConversion =
      bufferization::LayoutMapOption::IdentityLayoutMap;
  pm.addPass(bufferization::createOneShotBufferizePass(options));
  pm.addNestedPass<func::FuncOp>(createConvertLinalgToLoopsPass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(arith::createArithExpandOpsPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertMathToLibmPass());
  pm.addPass(createConvertToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  return pm.run(module);
}

/// A function `call(ptr)` that loads the arguments of `target` from an array
/// of words: they are pointers or 64-bit integers.
void addCall(llvm::Module &module, llvm::Function &target) {
  llvm::IRBuilder<> b(module.getContext());
  auto *type = llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy()}, false);
  auto *function = llvm::Function::Create(type, llvm::Function::ExternalLinkage,
                                          "call", module);
  b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "", function));
  SmallVector<llvm::Value *> arguments;
  for (llvm::Argument &argument : target.args()) {
    llvm::Value *slot = b.CreateConstGEP1_64(
        b.getInt64Ty(), function->getArg(0), argument.getArgNo());
    arguments.push_back(b.CreateLoad(argument.getType(), slot));
  }
  b.CreateCall(&target, arguments);
  b.CreateRetVoid();
}

/// The words of a ranked memref descriptor for contiguous data.
SmallVector<int64_t> describe(ArrayRef<int64_t> shape, void *data) {
  SmallVector<int64_t> words{reinterpret_cast<int64_t>(data),
                             reinterpret_cast<int64_t>(data), 0};
  llvm::append_range(words, shape);
  llvm::append_range(words, stridesOf(shape));
  return words;
}

llvm::Expected<std::unique_ptr<llvm::orc::LLJIT>>
compile(std::unique_ptr<llvm::Module> module,
        std::unique_ptr<llvm::LLVMContext> context) {
  auto jit = llvm::orc::LLJITBuilder().create();
  if (!jit)
    return jit.takeError();
  auto generator =
      llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
          (*jit)->getDataLayout().getGlobalPrefix());
  if (!generator)
    return generator.takeError();
  (*jit)->getMainJITDylib().addGenerator(std::move(*generator));
  llvm::orc::SymbolMap symbols;
  symbols[(*jit)->mangleAndIntern("memrefCopy")] = {
      llvm::orc::ExecutorAddr::fromPtr(&copyStrided),
      llvm::JITSymbolFlags::Exported};
  if (llvm::Error error = (*jit)->getMainJITDylib().define(
          llvm::orc::absoluteSymbols(std::move(symbols))))
    return error;
  if (llvm::Error error = (*jit)->addIRModule(
          llvm::orc::ThreadSafeModule(std::move(module), std::move(context))))
    return error;
  return std::move(*jit);
}

/// The tensor of a result's descriptor.
llvm::Expected<HostTensor> readResult(const int64_t *words, int64_t rank,
                                      ElementKind kind) {
  ArrayRef<int64_t> shape(words + 3, rank);
  int64_t width = byteWidth(kind), count = *elementCount(shape);
  std::vector<char> bytes(count * width);
  SmallVector<int64_t> target = describe(shape, bytes.data());
  SmallVector<int64_t> source(words, words + 3 + 2 * rank);
  Unranked from{rank, source.data()}, to{rank, target.data()};
  copyStrided(width, &from, &to);
  auto tensor = HostTensor::fromBytes(kind, shape, bytes);
  if (!tensor)
    return llvm::createStringError("a result of a type that is not supported");
  return std::move(*tensor);
}

} // namespace

void registerJit(DialectRegistry &registry) {
  registry
      .insert<affine::AffineDialect, arith::ArithDialect,
              bufferization::BufferizationDialect, func::FuncDialect,
              linalg::LinalgDialect, LLVM::LLVMDialect, math::MathDialect,
              memref::MemRefDialect, tensor::TensorDialect, ub::UBDialect>();
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  bufferization::func_ext::registerBufferizableOpInterfaceExternalModels(
      registry);
  linalg::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerSubsetOpInterfaceExternalModels(registry);
  arith::registerConvertArithToLLVMInterface(registry);
  cf::registerConvertControlFlowToLLVMInterface(registry);
  index::registerConvertIndexToLLVMInterface(registry);
  registerConvertFuncToLLVMInterface(registry);
  registerConvertMathToLLVMInterface(registry);
  registerConvertMemRefToLLVMInterface(registry);
  ub::registerConvertUBToLLVMInterface(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
}

llvm::Expected<std::vector<HostTensor>>
compileAndRun(ModuleOp module, ArrayRef<int64_t> indices,
              ArrayRef<HostTensor> inputs, ArrayRef<ElementKind> kinds) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  main->setAttr(LLVM::LLVMDialect::getEmitCWrapperAttrName(),
                UnitAttr::get(module.getContext()));
  SmallVector<int64_t> ranks;
  for (Type type : main.getResultTypes())
    ranks.push_back(cast<RankedTensorType>(type).getRank());
  if (failed(lowerToLlvm(module)))
    return llvm::createStringError("MLIR's passes could not lower it");
  auto context = std::make_unique<llvm::LLVMContext>();
  std::unique_ptr<llvm::Module> code =
      translateModuleToLLVMIR(module, *context);
  if (!code)
    return llvm::createStringError("translation to LLVM IR failed");
  addCall(*code, *code->getFunction("_mlir_ciface_main"));
  auto jit = compile(std::move(code), std::move(context));
  if (!jit)
    return jit.takeError();
  auto call = (*jit)->lookup("call");
  if (!call)
    return call.takeError();

  std::vector<std::vector<char>> buffers;
  std::vector<SmallVector<int64_t>> descriptors;
  for (const HostTensor &input : inputs) {
    buffers.push_back(input.toBytes());
    // An empty tensor still needs an address.
    buffers.back().reserve(1);
    descriptors.push_back(describe(input.shape, buffers.back().data()));
  }
  int64_t resultWords = 0;
  for (int64_t rank : ranks)
    resultWords += 3 + 2 * rank;
  std::vector<int64_t> results(resultWords);
  std::vector<int64_t> arguments;
  if (!ranks.empty())
    arguments.push_back(reinterpret_cast<int64_t>(results.data()));
  llvm::append_range(arguments, indices);
  for (const SmallVector<int64_t> &descriptor : descriptors)
    arguments.push_back(reinterpret_cast<int64_t>(descriptor.data()));
  call->toPtr<void(void *)>()(arguments.data());

  std::vector<HostTensor> tensors;
  const int64_t *words = results.data();
  for (auto [rank, kind] : llvm::zip(ranks, kinds)) {
    auto tensor = readResult(words, rank, kind);
    if (!tensor)
      return tensor.takeError();
    tensors.push_back(std::move(*tensor));
    words += 3 + 2 * rank;
  }
  return tensors;
}

} // namespace lq::test
