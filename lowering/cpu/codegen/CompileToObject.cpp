//===- CompileToObject.cpp - the LLVM dialect to machine code -------------===//

#include "lowering/cpu/codegen/Codegen.h"

#include "lowering/codegen/Optimise.h"
#include "lowering/cpu/codegen/MemoryFunctions.h"
#include "mlir/IR/Builders.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/LoopUtils.h"

using namespace lq;
using namespace lq::cpu;

/// Of functions in LLVM IR.
static constexpr llvm::StringLiteral scalarLoopsName = "lq-scalar-loops";

void lq::cpu::setScalarLoops(mlir::Operation *function) {
  mlir::Builder builder(function->getContext());
  function->setAttr("passthrough", builder.getStrArrayAttr({scalarLoopsName}));
}

namespace {

llvm::Error makeError(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
createTargetMachine(const CpuLevel &level) {
  static const bool initialised = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    return true;
  }();
  (void)initialised;
  llvm::Triple triple(level.triple());
  std::string message;
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, message);
  if (!target)
    return makeError(message);
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      triple, level.llvmCpu, level.featureString(), llvm::TargetOptions(),
      llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  if (!machine)
    return makeError("LLVM has no code generator for '" + level.name + "'");
  return machine;
}

/// Lets every function use the level's instructions and whole registers.
void setTargetAttributes(llvm::Module &module, const CpuLevel &level) {
  std::string width = std::to_string(level.vectorBits);
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", level.llvmCpu);
    function.addFnAttr("tune-cpu", level.tuneCpu);
    function.addFnAttr("target-features", level.featureString());
    function.addFnAttr("prefer-vector-width", width);
    function.addFnAttr("min-legal-vector-width", width);
    function.addFnAttr(llvm::Attribute::NoUnwind);
  }
}

/// Keeps the loops of kernels as they are. These are vector code already; the
/// vectoriser would only add remainder loops to what is left.
void keepKernelLoops(llvm::Module &module) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration() || function.hasFnAttribute(scalarLoopsName))
      continue;
    llvm::DominatorTree dominators(function);
    llvm::LoopInfo loops(dominators);
    for (llvm::Loop *loop : loops.getLoopsInPreorder())
      llvm::addStringMetadataToLoop(loop, "llvm.loop.vectorize.enable", 0);
  }
}

} // namespace

llvm::Expected<llvm::SmallVector<char, 0>>
lq::cpu::compileToObject(mlir::ModuleOp module, const CpuLevel &level,
                         const CodegenOptions &options) {
  auto machine = createTargetMachine(level);
  if (!machine)
    return machine.takeError();
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code =
      mlir::translateModuleToLLVMIR(module, context, "lq");
  if (!code)
    return makeError("cannot translate the module to LLVM IR");
  code->setTargetTriple((*machine)->getTargetTriple());
  code->setDataLayout((*machine)->createDataLayout());
  setTargetAttributes(*code, level);
  addMemoryFunctions(*code);
  keepKernelLoops(*code);
  optimise(*code, **machine, /*vectorisesLoops=*/true);

  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager emit;
  auto kind = options.assembly ? llvm::CodeGenFileType::AssemblyFile
                               : llvm::CodeGenFileType::ObjectFile;
  if ((*machine)->addPassesToEmitFile(emit, stream, nullptr, kind))
    return makeError("LLVM cannot write an object for '" + level.name + "'");
  emit.run(*code);
  return bytes;
}
