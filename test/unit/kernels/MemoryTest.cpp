//===- MemoryTest.cpp - copies and fills that LLVM makes calls of ---------===//

#include "lowering/cpu/kernels/KernelBuilder.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "test/unit/kernels/Harness.h"
#include "llvm/ADT/StringRef.h"

using namespace lq;
using namespace lq::cpu;
using namespace lq::cpu::test;

namespace {

constexpr int64_t distance = 3;

/// What is done to memrefs x and y of bytes.
enum class Action { Copy, Fill, MoveDown, MoveUp };

mlir::func::FuncOp emit(mlir::ModuleOp module, const CpuLevel &level,
                        Action action) {
  auto *context = module.getContext();
  mlir::Type bytes =
      mlir::MemRefType::get({kDynamic}, mlir::IntegerType::get(context, 8));
  KernelBuilder k(module, "act", level, {bytes}, {bytes});
  Val x = k.argument(0), y = k.argument(1), count = k.size(x, 0);
  Val last = count - (distance + 1);
  switch (action) {
  case Action::Copy:
    mlir::memref::CopyOp::create(k.builder(), x, y);
    break;
  case Action::Fill:
    k.forLoop(k.index(0), count, 1,
              [&](Val i) { k.store(k.constant(k.i8(), 0x5a), y, {i}); });
    break;
  case Action::MoveDown:
    k.forLoop(k.index(0), count - distance, 1,
              [&](Val i) { k.store(k.load(y, {i + distance}), y, {i}); });
    break;
  case Action::MoveUp:
    k.forLoop(k.index(0), count - distance, 1, [&](Val i) {
      k.store(k.load(y, {last - i}), y, {last - i + distance});
    });
    break;
  }
  return k.finish();
}

class MemoryTest : public LevelTest {
protected:
  /// Runs an action on buffers of several sizes and compares byte for byte.
  void check(Action action, const char *function) {
    auto make = [&](mlir::ModuleOp module, const CpuLevel &level) {
      return emit(module, level, action);
    };
    // The call is there: this tests what it means to.
    EXPECT_NE(getAssembly(make, level()).find(function), std::string::npos);
    Kernel kernel(make, level());
    for (int64_t count : {3, 4, 15, 16, 17, 18, 19, 20, 33, 64, 1000}) {
      Array<int8_t> x({count}), y({count});
      for (int64_t i = 0; i < count; ++i) {
        x[i] = static_cast<int8_t>(random.integer(-128, 127));
        y[i] = static_cast<int8_t>(random.integer(-128, 127));
      }
      std::vector<int8_t> expected(y.data(), y.data() + count);
      act(action, x, expected);
      kernel({x, y});
      for (int64_t i = 0; i < count; ++i)
        ASSERT_EQ(y[i], expected[i]) << i << " of " << count;
    }
  }

private:
  static void act(Action action, const Array<int8_t> &x,
                  std::vector<int8_t> &y) {
    switch (action) {
    case Action::Copy:
      std::copy_n(x.data(), y.size(), y.begin());
      break;
    case Action::Fill:
      std::fill(y.begin(), y.end(), 0x5a);
      break;
    case Action::MoveDown:
      std::copy(y.begin() + distance, y.end(), y.begin());
      break;
    case Action::MoveUp:
      std::copy_backward(y.begin(), y.end() - distance, y.end());
      break;
    }
  }
};

TEST_P(MemoryTest, Copy) { check(Action::Copy, "\tmemcpy\n"); }
TEST_P(MemoryTest, Fill) { check(Action::Fill, "\tmemset\n"); }
TEST_P(MemoryTest, MoveDown) { check(Action::MoveDown, "\tmemmove\n"); }
TEST_P(MemoryTest, MoveUp) { check(Action::MoveUp, "\tmemmove\n"); }

LQ_FOR_EVERY_LEVEL(MemoryTest);

} // namespace
