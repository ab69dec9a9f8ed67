//===- CodegenTest.cpp - what the machine code looks like -----------------===//

#include "lowering/cpu/codegen/Codegen.h"
#include "mlir/Parser/Parser.h"
#include "test/unit/kernels/Formats.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include <gtest/gtest.h>

using namespace lq;
using namespace lq::cpu;
using namespace lq::cpu::test;

namespace {

std::string getLinearAssembly(const FormatDescription &format, int64_t rows,
                              const CpuLevel &level) {
  LinearSpec spec{format, 64, 256, rows, 64, false, false};
  return getAssembly(
      [&](mlir::ModuleOp module, const CpuLevel &level) {
        return emitLinear(module, "linear", spec, level);
      },
      level);
}

/// Instructions of a name, and of operands that begin like that if a space
/// follows the name.
int64_t countUses(llvm::StringRef assembly, llvm::StringRef instruction) {
  auto [name, operands] = instruction.split(' ');
  std::string text = ("\t" + name + "\t" + operands).str();
  return static_cast<int64_t>(assembly.count(text));
}

int64_t countAll(llvm::StringRef assembly,
                 llvm::ArrayRef<const char *> instructions) {
  int64_t count = 0;
  for (const char *instruction : instructions)
    count += countUses(assembly, instruction);
  return count;
}

/// What the assembly of a level is expected to be made of.
struct Instructions {
  /// Products of codes with one row of activations, and with several.
  const char *product, *rowsProduct;
  /// f32 products added to sums, and products that are not.
  std::vector<const char *> fused, multiply;
  /// Part of the text of a whole vector register.
  const char *vector;
  /// Sixteen bytes of a table; f16 numbers that become f32.
  const char *lookup, *widen;
  /// Single f32 numbers added and multiplied: once a row, if anywhere.
  std::vector<const char *> singles;
  /// What a compiler writes where vectors were taken apart; calls.
  std::vector<const char *> scalar;

  static Instructions of(const CpuLevel &level) {
    if (level.name == "aarch64-dotprod")
      return aarch64("sdot", "sdot");
    if (level.name == "aarch64-i8mm")
      return aarch64("usdot", "usmmla");
    bool isWide = level.name == "x86-64-avx512vnni";
    const char *product = isWide ? "vpdpbusd" : "vpmaddubsw";
    return {product,
            product,
            {"vfmadd132ps", "vfmadd213ps", "vfmadd231ps"},
            {"vmulps"},
            isWide ? "%zmm" : "%ymm",
            "vpshufb",
            "vcvtph2ps",
            {"vaddss", "vmulss"},
            {"vfmadd213ss", "vfmadd231ss", "vfmadd132ss", "vpextrb", "vpextrw",
             "vpinsrb", "callq"}};
  }

private:
  static Instructions aarch64(const char *product, const char *rowsProduct) {
    return {product,
            rowsProduct,
            {"fmla v"},
            {"fmul v"},
            ".16b",
            "tbl",
            "fcvtl",
            {"fadd s", "fmul s"},
            {"fmadd", "umov", "smov", "fcvt s", "mul w", "bl"}};
  }
};

void expectVectors(llvm::StringRef assembly, const Instructions &expected) {
  for (const char *name : expected.scalar)
    EXPECT_EQ(countUses(assembly, name), 0) << name;
}

TEST(CodegenTest, IntegerProductsUseTheirInstruction) {
  for (const CpuLevel &level : CpuLevel::all())
    for (const FormatDescription &format :
         {integers(4, 8, 32), integers(8, 128, 32)})
      for (int64_t rows : {int64_t(1), kDynamic}) {
        SCOPED_TRACE(level.name + ", " + std::to_string(format.bits) +
                     " bits, rows " + std::to_string(rows));
        Instructions expected = Instructions::of(level);
        std::string assembly = getLinearAssembly(format, rows, level);
        // Two steps of four columns are written out at least, for each part of
        // a row block.
        int64_t least = 8 / format.bits * tileRows / level.lanes();
        EXPECT_GE(countUses(assembly, rows == 1 ? expected.product
                                                : expected.rowsProduct),
                  least);
        EXPECT_NE(assembly.find(expected.vector), std::string::npos);
        EXPECT_EQ(countAll(assembly, expected.singles), 0);
        expectVectors(assembly, expected);
      }
}

TEST(CodegenTest, ElementProductsAreFused) {
  for (const CpuLevel &level : CpuLevel::all())
    for (Scalar scalar : {Scalar::F32, Scalar::F16, Scalar::BF16})
      for (int64_t rows : {int64_t(1), kDynamic}) {
        SCOPED_TRACE(level.name);
        std::string assembly = getLinearAssembly(elements(scalar), rows, level);
        Instructions expected = Instructions::of(level);
        EXPECT_GE(countAll(assembly, expected.fused), 4);
        EXPECT_EQ(countAll(assembly, expected.multiply), 0);
        EXPECT_EQ(countAll(assembly, expected.singles), 0);
        expectVectors(assembly, expected);
      }
}

TEST(CodegenTest, LevelsAreLookedUp) {
  for (const CpuLevel &level : CpuLevel::all()) {
    SCOPED_TRACE(level.name);
    Instructions expected = Instructions::of(level);
    std::string assembly =
        getLinearAssembly(levels(4, 32, directNumber(Scalar::F16)), 1, level);
    EXPECT_GE(countUses(assembly, expected.lookup), tileRows / level.lanes());
    expectVectors(assembly, expected);
  }
}

TEST(CodegenTest, AttentionWidensItsCacheInVectors) {
  for (const CpuLevel &level : CpuLevel::all())
    for (int64_t rows : {int64_t(1), kDynamic}) {
      SCOPED_TRACE(level.name + ", rows " + std::to_string(rows));
      AttentionSpec spec{1, rows, 8, 2, 64, 64, Scalar::F16, 0.3f, true, {}};
      std::string assembly = getAssembly(
          [&](mlir::ModuleOp module, const CpuLevel &level) {
            return emitAttention(module, "attention", spec, level);
          },
          level);
      Instructions expected = Instructions::of(level);
      EXPECT_GE(countUses(assembly, expected.widen), 4);
      EXPECT_GE(countAll(assembly, expected.fused), 8);
      expectVectors(assembly, expected);
    }
}

/// A module with one public function, from its text.
struct Module {
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;

  explicit Module(llvm::StringRef text)
      : context(registry(), mlir::MLIRContext::Threading::DISABLED) {
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  }

  static mlir::DialectRegistry registry() {
    mlir::DialectRegistry registry;
    registerKernelDialects(registry);
    registerCodegenDialects(registry);
    return registry;
  }

  llvm::SmallVector<char, 0> compile(const CodegenOptions &options = {}) {
    EXPECT_TRUE(mlir::succeeded(lowerToLlvm(*module)));
    auto object = compileToObject(*module, CpuLevel::all().front(), options);
    EXPECT_TRUE(bool(object));
    return std::move(*object);
  }
};

TEST(CodegenTest, AnUndefinedSymbolIsNamed) {
  Module module("func.func private @absent()\n"
                "func.func @f() {\n  call @absent() : () -> ()\n  return\n}");
  auto library = linkSharedObject(module.compile());
  ASSERT_FALSE(bool(library));
  std::string message = llvm::toString(library.takeError());
  EXPECT_NE(message.find("undefined symbol: absent"), std::string::npos)
      << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

TEST(CodegenTest, AnUnwritableOutputIsAnError) {
  Module module("func.func @f() {\n  return\n}");
  llvm::Error error =
      linkSharedObject(module.compile(), "/proc/no-such-folder/code.so");
  ASSERT_TRUE(bool(error));
  std::string message = llvm::toString(std::move(error));
  EXPECT_NE(message.find("/proc/no-such-folder/code.so"), std::string::npos);
}

TEST(CodegenTest, TheSameModuleGivesTheSameBytes) {
  const char *text = R"(func.func @f(%x: memref<?xf32>, %n: index) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    scf.for %i = %c0 to %n step %c1 {
      %v = memref.load %x[%i] : memref<?xf32>
      %e = math.exp %v : f32
      memref.store %e, %x[%i] : memref<?xf32>
    }
    return
  })";
  auto first = linkSharedObject(Module(text).compile());
  auto second = linkSharedObject(Module(text).compile());
  ASSERT_TRUE(bool(first) && bool(second));
  EXPECT_EQ(*first, *second);
}

/// Only loops that are said to be scalar become vector code: a kernel's are as
/// they should be.
TEST(CodegenTest, ScalarLoopsAreVectorised) {
  constexpr llvm::StringLiteral text =
      R"(func.func @f(%x: memref<4096xf32>, %y: memref<4096xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %n = arith.constant 4096 : index
    scf.for %i = %c0 to %n step %c1 {
      %a = memref.load %x[%i] : memref<4096xf32>
      %b = arith.mulf %a, %a : f32
      memref.store %b, %y[%i] : memref<4096xf32>
    }
    return
  })";
  for (bool isScalar : {false, true}) {
    Module module(text);
    if (isScalar)
      setScalarLoops(&*module.module->getBody()->begin());
    auto assembly = module.compile({.assembly = true});
    llvm::StringRef code(assembly.data(), assembly.size());
    EXPECT_EQ(countUses(code, "vmulps %zmm") > 0, isScalar);
  }
}

TEST(CodegenTest, CopiesNeedNoLibrary) {
  // A copy that LLVM makes a call of memcpy or memmove, and a fill.
  Module module(R"(func.func @f(%x: memref<4096xf32>, %y: memref<4096xf32>) {
    memref.copy %x, %y : memref<4096xf32> to memref<4096xf32>
    %zero = arith.constant 0.0 : f32
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %n = arith.constant 4096 : index
    scf.for %i = %c0 to %n step %c1 {
      memref.store %zero, %x[%i] : memref<4096xf32>
    }
    return
  })");
  auto library = linkSharedObject(module.compile());
  EXPECT_TRUE(bool(library)) << llvm::toString(library.takeError());
}

} // namespace
