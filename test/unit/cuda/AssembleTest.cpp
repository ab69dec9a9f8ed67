//===- AssembleTest.cpp - every kernel assembles for every chip -----------===//

#include "lowering/cuda/codegen/Codegen.h"
#include "lowering/cuda/kernels/Kernels.h"
#include "mlir/IR/Verifier.h"
#include "test/unit/kernels/Formats.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace lq;
using namespace lq::cuda;

namespace {

/// A regime of rows: how many a kernel takes.
struct Rows {
  std::string name;
  int64_t rows, most;
};

using Parameters = std::tuple<Chip, Rows>;

class Assembly : public testing::TestWithParam<Parameters> {};

/// PTX of the linear kernels of all formats.
std::string compileLinears(const Chip &chip, const Rows &rows) {
  DialectRegistry registry;
  registerKernelDialects(registry);
  registerCodegenDialects(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  auto kernels =
      gpu::GPUModuleOp::create(builder, UnknownLoc::get(&context), "device");
  std::vector<FormatDescription> formats = cpu::test::variedFormats();
  for (auto [i, format] : llvm::enumerate(formats)) {
    LinearSpec spec;
    spec.format = format;
    spec.outputs = 72;
    spec.inputs = 768;
    spec.rows = rows.rows;
    spec.maxRows = rows.most;
    spec.residual = true;
    emitLinear(kernels, "linear_" + std::to_string(i), spec, chip);
  }
  if (failed(verify(*module)) || failed(lowerToNvvm(*module)))
    return {};
  auto ptx = compileToPtx(kernels, chip);
  EXPECT_TRUE(bool(ptx)) << llvm::toString(ptx.takeError());
  return ptx ? *ptx : std::string();
}

TEST_P(Assembly, Linears) {
  auto [chip, rows] = GetParam();
  std::string ptx = compileLinears(chip, rows);
  ASSERT_FALSE(ptx.empty());
  // What the regimes are made of, whatever the format.
  StringRef text(ptx);
  bool isMatrix = rows.rows == kDynamic;
  EXPECT_EQ(text.contains("mma.sync"), isMatrix);
  EXPECT_EQ(text.contains("dp4a"), !isMatrix);
  EXPECT_EQ(text.contains("cp.async"), isMatrix && chip.asyncCopies);
  EXPECT_FALSE(text.contains("ld.global.b8")) << "a load of single bytes";
  std::string assembler = findAssembler();
  if (assembler.empty())
    GTEST_SKIP() << "no ptxas: install NVIDIA's CUDA toolkit";
  auto cubin = assemble(assembler, ptx, chip);
  ASSERT_TRUE(bool(cubin)) << llvm::toString(cubin.takeError());
  EXPECT_FALSE(cubin->kernels.empty());
  for (const KernelResources &kernel : cubin->kernels) {
    EXPECT_EQ(kernel.spillBytes, 0) << kernel.name;
    EXPECT_EQ(kernel.stackBytes, 0) << kernel.name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Chips, Assembly,
    testing::Combine(testing::ValuesIn(Chip::all()),
                     testing::Values(Rows{"decode", 1, 1},
                                     Rows{"few", kDynamic, 8},
                                     Rows{"some", kDynamic, 64},
                                     Rows{"many", kDynamic, 512})),
    [](auto &info) {
      return std::get<0>(info.param).name + "_" + std::get<1>(info.param).name;
    });

} // namespace
