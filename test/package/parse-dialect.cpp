//===- parse-dialect.cpp - Parse an operation of the lq dialect -----------===//

#include "dialects/lq/LqDialect.h"
#include "dialects/lq/LqOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/raw_ostream.h"

int main() {
  mlir::MLIRContext context;
  context.loadDialect<lq::LqDialect>();
  mlir::OwningOpRef<mlir::ModuleOp> module =
      mlir::parseSourceString<mlir::ModuleOp>(
          "lq.weight @w : tensor<2x32xf32, #lq.gguf<q8_0>> from \"w\" at 0",
          &context);
  if (!module)
    return 1;
  module->walk([](lq::WeightOp weight) {
    llvm::outs() << "parsed " << weight.getSymName() << "\n";
  });
  return 0;
}
