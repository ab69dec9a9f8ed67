//===- lq-scale-inputs.cpp - random scales of linears' inputs, for tests --===//
//
//     lq-scale-inputs MODEL.mlir ARCHIVE
//
// Scales every input of a raised model's linears that can be scaled by random
// numbers, writes the weights to the archive, and prints the model. It computes
// what it did before. Says on stderr of each input what its scale was divided out
// of, or why it was not scaled.
//
//===----------------------------------------------------------------------===//

#include "dialects/common/ModuleWeights.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "passes/awq/ScaledWeights.h"

#include <cmath>
#include <random>

using namespace mlir;
using namespace lq;

static int fail(llvm::Error error) {
  llvm::errs() << "lq-scale-inputs: error: " << llvm::toString(std::move(error))
               << "\n";
  return 1;
}

static StringRef nameOf(Value weight) {
  auto get = weight.getDefiningOp<GetOp>();
  return get ? get.getWeight() : "?";
}

static void describe(ScalableInput &input) {
  llvm::errs() << "input of @" << nameOf(input.linears.front().getWeight())
               << ": ";
  if (!input.obstacle.empty()) {
    llvm::errs() << "not scaled: " << input.obstacle << "\n";
    return;
  }
  llvm::errs() << input.classes.size() << " columns, " << input.classCount
               << " scales, out of";
  for (const ScaleFold &fold : input.folds)
    llvm::errs() << " @" << nameOf(fold.use->get());
  llvm::errs() << "\n";
}

int main(int argc, char **argv) {
  if (argc != 3)
    return fail(llvm::createStringError("expected MODEL.mlir ARCHIVE"));
  DialectRegistry registry;
  registry.insert<LqDialect, arith::ArithDialect, func::FuncDialect,
                  linalg::LinalgDialect, math::MathDialect,
                  tensor::TensorDialect>();
  MLIRContext context(registry);
  auto module = parseSourceFile<ModuleOp>(argv[1], &context);
  if (!module)
    return 1;
  auto files = openWeightFiles(*module);
  if (!files)
    return fail(files.takeError());
  auto inputs = findScalableInputs(*module, **files);
  if (failed(inputs))
    return 1;
  std::mt19937 random(1);
  ScaledWeights weights;
  for (ScalableInput &input : *inputs) {
    describe(input);
    if (!input.obstacle.empty())
      continue;
    std::vector<float> ofClass(input.classCount), scale;
    for (float &value : ofClass)
      value = std::exp2(static_cast<float>(random() % 4096) / 1024 - 2);
    for (int32_t id : input.classes)
      scale.push_back(id < 0 ? 1 : ofClass[id]);
    weights.scale(input, scale);
  }
  Progress progress("scale", 0, {});
  if (failed(weights.write(*module, argv[2], **files, progress,
                           [](WeightOp, const WeightScale &,
                              std::vector<float> &) { return success(); })))
    return 1;
  llvm::outs() << *module << "\n";
  return 0;
}
