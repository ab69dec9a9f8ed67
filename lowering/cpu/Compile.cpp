//===- Compile.cpp - a code object for a CPU level ------------------------===//

#include "lowering/cpu/Compile.h"

#include "lowering/cpu/Passes.h"
#include "lowering/cpu/Pipeline.h"
#include "lowering/cpu/codegen/Codegen.h"
#include "lowering/cpu/kernels/Kernels.h"

using namespace mlir;
using namespace lq;

/// What the entries' attributes say, read before they are lowered away.
static void describeEntries(ModuleOp module, TargetCode &code) {
  for (func::FuncOp entry : exec::getEntries(module)) {
    auto number = [&](StringRef name) {
      return entry->getAttrOfType<IntegerAttr>(name).getInt();
    };
    auto rows = entry->getAttrOfType<ArrayAttr>(exec::rowsAttr);
    code.entries.push_back(
        {entry->getAttrOfType<StringAttr>(exec::entryAttr).str(),
         cast<IntegerAttr>(rows[0]).getInt(),
         cast<IntegerAttr>(rows[1]).getInt(), number(exec::arenaBytesAttr),
         number(exec::scratchBytesAttr)});
    code.inputs = entry->getAttrOfType<ArrayAttr>(exec::inputsAttr);
    code.outputs = entry->getAttrOfType<ArrayAttr>(exec::outputsAttr);
  }
}

FailureOr<TargetCode> lq::cpu::compile(ModuleOp packed, const CpuLevel &level) {
  OwningOpRef<ModuleOp> module = packed.clone();
  PassManager entries(packed.getContext()), llvm(packed.getContext());
  buildEntryPipeline(entries, level);
  if (failed(entries.run(*module)))
    return failure();
  llvm.addPass(exec::createConvertExecToLLVM());
  if (failed(llvm.run(*module)))
    return failure();
  TargetCode code;
  code.target = level.name;
  code.features = level.features;
  code.positionMultiple = cacheBlock;
  describeEntries(*module, code);
  if (failed(lowerToLlvm(*module)))
    return failure();
  auto object = compileToObject(*module, level);
  if (!object)
    return packed.emitError() << llvm::toString(object.takeError()), failure();
  auto shared = linkSharedObject(*object);
  if (!shared)
    return packed.emitError() << llvm::toString(shared.takeError()), failure();
  code.bytes = std::move(*shared);
  return code;
}
