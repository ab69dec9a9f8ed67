//===- lq-opt.cpp - Run passes over readable IR ---------------------------===//

#include "tools/lq-opt/RegisterAll.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  lq::registerAllDialects(registry);
  lq::registerAllPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "lq's passes over IR\n", registry));
}
