//===- Harness.h - compile a kernel, load it, call it -----------*- C++ -*-===//

#ifndef LQ_TEST_UNIT_KERNELS_HARNESS_H
#define LQ_TEST_UNIT_KERNELS_HARNESS_H

#include "lowering/cpu/kernels/Kernels.h"
#include "test/unit/kernels/Emulator.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace lq::cpu::test {

/// Memory that ends at a page nobody may touch, so that reading or writing
/// behind it is a crash, not luck.
class GuardedBuffer {
public:
  explicit GuardedBuffer(size_t bytes);
  ~GuardedBuffer();
  GuardedBuffer(GuardedBuffer &&other);
  GuardedBuffer(const GuardedBuffer &) = delete;
  void *data() const { return start; }
  size_t size() const { return bytes; }

private:
  void *mapping = nullptr, *start = nullptr;
  size_t mapped = 0, bytes = 0;
};

/// A dense array that kernels take as a memref.
template <typename T> class Array {
public:
  explicit Array(std::vector<int64_t> shape)
      : shape(std::move(shape)), buffer(count() * sizeof(T)) {
    std::memset(buffer.data(), 0, buffer.size());
  }
  int64_t count() const {
    int64_t product = 1;
    for (int64_t size : shape)
      product *= size;
    return product;
  }
  T *data() const { return static_cast<T *>(buffer.data()); }
  T &operator[](int64_t i) { return data()[i]; }
  const T &operator[](int64_t i) const { return data()[i]; }
  const std::vector<int64_t> &getShape() const { return shape; }

private:
  std::vector<int64_t> shape;
  GuardedBuffer buffer;
};

/// An argument of a kernel: a memref descriptor, or an index.
class Argument {
public:
  template <typename T>
  Argument(const Array<T> &array) : bytes(array.count() * sizeof(T)) {
    words = {reinterpret_cast<intptr_t>(array.data()),
             reinterpret_cast<intptr_t>(array.data()), 0};
    const std::vector<int64_t> &shape = array.getShape();
    words.insert(words.end(), shape.begin(), shape.end());
    int64_t stride = array.count();
    for (int64_t size : shape)
      words.push_back(stride = size ? stride / size : 0);
  }
  Argument(int64_t index) : words{index}, isIndex(true) {}
  /// A memref of bytes inside some other array.
  static Argument view(const char *bytes, int64_t count) {
    Argument argument(0);
    intptr_t address = reinterpret_cast<intptr_t>(bytes);
    argument.words = {address, address, 0, count, 1};
    argument.isIndex = false;
    argument.bytes = static_cast<size_t>(count);
    return argument;
  }
  intptr_t get() {
    return isIndex ? words[0] : reinterpret_cast<intptr_t>(words.data());
  }
  /// The same in a call that is emulated; adds the memory to its buffers.
  Emulator::Word emulate(std::vector<Emulator::Buffer> &buffers);

private:
  std::vector<int64_t> words;
  bool isIndex = false;
  size_t bytes = 0;
};

using Emit =
    llvm::function_ref<mlir::func::FuncOp(mlir::ModuleOp, const CpuLevel &)>;

/// A kernel compiled for one level and loaded into this process, or into an
/// emulator of the level's architecture.
class Kernel {
public:
  /// Compiles the function that `emit` adds to a module.
  Kernel(Emit emit, const CpuLevel &level, int64_t scratchBytes = 0);
  ~Kernel();
  Kernel(const Kernel &) = delete;

  /// A call's arguments, ready for every thread. Only of kernels in this
  /// process.
  class Call {
  public:
    void operator()(int64_t thread);

  private:
    friend class Kernel;
    void *function = nullptr;
    std::vector<Argument> arguments;
    std::vector<Array<char>> scratch;
    int64_t threads = 1;
  };
  Call prepare(std::vector<Argument> arguments, int64_t threads);

  /// Calls it for each of `threads` thread numbers, one after the other.
  void operator()(std::vector<Argument> arguments, int64_t threads = 1);

private:
  void *library = nullptr, *function = nullptr;
  int64_t emulated = 0;
  int64_t scratchBytes;
  void emulate(std::vector<Argument> arguments, int64_t threads);
};

/// Assembly text of the function that `emit` makes.
std::string getAssembly(Emit emit, const CpuLevel &level);

/// All levels, and those that this machine can run.
std::vector<const CpuLevel *> listLevels();
std::vector<const CpuLevel *> availableLevels();

/// Why no code of a level can run here, not even under an emulator; empty if
/// it can.
std::string whyNotRun(const CpuLevel &level);

/// Random numbers that are the same in every run.
class Random {
public:
  float normal() { return gauss(engine); }
  int64_t integer(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine);
  }

private:
  std::mt19937 engine{20240607};
  std::normal_distribution<float> gauss;
};

/// A test that runs for every level: natively, or under an emulator if there is
/// one, else it is skipped.
class LevelTest : public ::testing::TestWithParam<const CpuLevel *> {
protected:
  Random random;

  const CpuLevel &level() const { return *GetParam(); }
  /// Whether to take a few cases instead of many: an emulator is slow.
  bool isEmulated() const { return !level().availableOnHost(); }

  void SetUp() override {
    std::string reason = whyNotRun(level());
    if (!reason.empty())
      GTEST_SKIP() << "code for " << level().name << " is not run: " << reason;
  }

  Array<float> normal(std::vector<int64_t> shape) {
    Array<float> array(std::move(shape));
    for (int64_t i = 0; i < array.count(); ++i)
      array[i] = random.normal();
    return array;
  }
};

/// Instantiates a test class for all levels.
#define LQ_FOR_EVERY_LEVEL(testClass)                                          \
  INSTANTIATE_TEST_SUITE_P(Levels, testClass,                                  \
                           ::testing::ValuesIn(::lq::cpu::test::listLevels()), \
                           [](const auto &info) {                              \
                             std::string name = info.param->name;              \
                             std::replace(name.begin(), name.end(), '-', '_'); \
                             return name;                                      \
                           })

} // namespace lq::cpu::test

#endif // LQ_TEST_UNIT_KERNELS_HARNESS_H
