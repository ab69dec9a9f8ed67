//===- Modules.h - small modules with weights, for tests --------*- C++ -*-===//

#ifndef LQ_TEST_UNIT_CALIBRATE_MODULES_H
#define LQ_TEST_UNIT_CALIBRATE_MODULES_H

#include "Files.h"
#include "dialects/lq/LqOps.h"
#include "lowering/execute/Execute.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"

namespace lq {

/// A test with a context and modules whose weights lie in a file of its folder.
class ModuleTest : public FileTest {
protected:
  void SetUp() override {
    FileTest::SetUp();
    mlir::DialectRegistry registry;
    registry.insert<LqDialect, mlir::arith::ArithDialect,
                    mlir::func::FuncDialect>();
    hostExecutors().registerDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  void writeWeights(const std::vector<float> &values) {
    write(path("w"), {reinterpret_cast<const char *>(values.data()),
                      values.size() * sizeof(float)});
  }
  mlir::OwningOpRef<mlir::ModuleOp> parse(const std::string &body) {
    return mlir::parseSourceString<mlir::ModuleOp>(
        "module attributes {lq.model = {kind = \"tensors\"}, "
        "lq.weight_folder = \"" +
            folder.string() + "\"} {\n" + body + "\n}\n",
        &context);
  }

  mlir::MLIRContext context;
};

} // namespace lq

#endif // LQ_TEST_UNIT_CALIBRATE_MODULES_H
