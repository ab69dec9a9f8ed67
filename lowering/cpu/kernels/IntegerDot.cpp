//===- IntegerDot.cpp - dot products of codes with int8 -------------------===//

#include "lowering/cpu/kernels/IntegerDot.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

Vals IntegerDot::spread(Val activations) {
  int64_t count = cast<VectorType>(activations.type()).getNumElements() / 4;
  Val words = activations.bitcast(k.vector(count, k.i32()));
  Vals spread;
  for (int64_t step = 0; step < count; ++step)
    spread.push_back(
        words.lane(step).broadcast(sumType()).bitcast(bytesType()));
  return spread;
}

namespace {

/// code - 128, of a vector of bytes: two's complement makes it code + 128
/// modulo 256.
Val centre(Val bytes) { return bytes + bytes.like(-128); }

/// One instruction a step adds to the sum (vpdpbusd, usdot, sdot).
class DirectDot : public IntegerDot {
public:
  DirectDot(KernelBuilder &k, unsigned bits)
      : IntegerDot(k), instructions(k.level().products),
        isCentred(!instructions.unsignedCodes && bits == 8) {}

  int64_t steps() const override { return instructions.steps; }
  int zeroShift() const override { return isCentred ? -128 : 0; }

  Codes prepare(ArrayRef<Val> bytes) override {
    Codes codes = IntegerDot::prepare(bytes);
    if (isCentred)
      for (Val &code : codes)
        code = centre(code);
    return codes;
  }

  void add(const Codes &codes, ArrayRef<Val> activations,
           MutableArrayRef<Val> sums, MutableArrayRef<Val>) override {
    for (auto [code, four] : llvm::zip_equal(codes, activations))
      sums[0] =
          k.intrinsic(instructions.dot, sums[0].type(), {sums[0], code, four});
  }

private:
  const ProductInstructions &instructions;
  /// Signed bytes hold codes of 8 bits only with the middle taken off.
  bool isCentred;
};

/// vpmaddubsw adds two products u8 x s8 into an int16 and saturates. Codes of
/// few bits leave room for several steps in a partial sum of int16.
class PairDot : public IntegerDot {
public:
  PairDot(KernelBuilder &k, unsigned bits)
      : IntegerDot(k), flushSteps(countSteps(bits)) {}

  static int64_t countSteps(unsigned bits) {
    int64_t largestPair = 2 * 127 * ((int64_t(1) << bits) - 1);
    return std::numeric_limits<int16_t>::max() / largestPair;
  }

  Type partialType() override { return pairsType(); }
  int64_t stepsPerFlush() const override { return flushSteps; }

  void add(const Codes &codes, ArrayRef<Val> activations, MutableArrayRef<Val>,
           MutableArrayRef<Val> partials) override {
    partials[0] = partials[0] + multiply(codes[0], activations[0]);
  }
  void flush(MutableArrayRef<Val> sums, ArrayRef<Val> partials) override {
    addPairs(sums[0], partials[0]);
  }

protected:
  Type pairsType() { return k.vector(2 * k.lanes(), k.builder().getI16Type()); }
  Val multiply(Val codes, Val activations) {
    return k.intrinsic("llvm.x86.avx2.pmadd.ub.sw", pairsType(),
                       {codes, activations});
  }
  void addPairs(Val &sum, Val pairs) {
    sum = sum + k.intrinsic("llvm.x86.avx2.pmadd.wd", sum.type(),
                            {pairs, pairs.like(1)});
  }

private:
  int64_t flushSteps;
};

/// Codes of 8 bits do not fit a pair as they are, but do as sign and magnitude:
/// 2 * 128 * 127. The sign goes to the activations.
class SignedPairDot final : public PairDot {
public:
  using PairDot::PairDot;

  int zeroShift() const override { return -128; }
  Type partialType() override { return {}; }
  int64_t stepsPerFlush() const override { return IntegerDot::stepsPerFlush(); }

  /// Centred codes, and their magnitudes.
  Codes prepare(ArrayRef<Val> bytes) override {
    Val centred = centre(bytes[0]), zero = centred.like(0);
    return {centred, (zero - centred).where(centred < zero, centred)};
  }

  void add(const Codes &codes, ArrayRef<Val> activations,
           MutableArrayRef<Val> sums, MutableArrayRef<Val>) override {
    Val withSign = k.intrinsic("llvm.x86.avx2.psign.b", activations[0].type(),
                               {activations[0], codes[0]});
    addPairs(sums[0], multiply(codes[1], withSign));
  }
};

/// Products of matrices 2 x 8 and 8 x 2 (usmmla): two rows of codes and two of
/// activations, two steps long. A sum of activation rows x and y holds rows r
/// and r + 1 of codes as [rx, ry, (r+1)x, (r+1)y]; the sum of x has the first
/// half of a vector's rows, that of y the second.
class MatrixDot final : public IntegerDot {
public:
  explicit MatrixDot(KernelBuilder &k) : IntegerDot(k) {}

  int64_t steps() const override { return 2; }
  int64_t rows() const override { return 2; }

  void enter(MutableArrayRef<Val> sums) override {
    interleave(sums[0], sums[1]);
  }
  void leave(MutableArrayRef<Val> sums) override {
    Val first = sums[0], second = sums[1];
    sums[0] = shuffle(first, second, {0, 2, 4, 6});
    sums[1] = shuffle(first, second, {1, 3, 5, 7});
  }

  /// Rows of eight columns.
  Codes prepare(ArrayRef<Val> bytes) override {
    Val first = bytes[0].bitcast(sumType()),
        second = bytes[1].bitcast(sumType());
    interleave(first, second);
    return {first.bitcast(bytesType()), second.bitcast(bytesType())};
  }
  Vals spread(Val activations) override { return {activations}; }

  void add(const Codes &codes, ArrayRef<Val> activations,
           MutableArrayRef<Val> sums, MutableArrayRef<Val>) override {
    for (auto [code, sum] : llvm::zip_equal(codes, sums))
      sum = k.intrinsic(k.level().products.matrix, sum.type(),
                        {sum, code, activations[0]});
  }

private:
  void interleave(Val &first, Val &second) {
    Val low = shuffle(first, second, {0, 4, 1, 5});
    second = shuffle(first, second, {2, 6, 3, 7});
    first = low;
  }
  Val shuffle(Val first, Val second, ArrayRef<int64_t> lanes) {
    return Val(k.builder(), vector::ShuffleOp::create(k.builder(), Value(first),
                                                      Value(second), lanes));
  }
};

} // namespace

std::unique_ptr<IntegerDot> IntegerDot::create(KernelBuilder &k, unsigned bits,
                                               int64_t count) {
  const ProductInstructions &instructions = k.level().products;
  if (!instructions.matrix.empty() && count % 2 == 0)
    return std::make_unique<MatrixDot>(k);
  if (!instructions.dot.empty())
    return std::make_unique<DirectDot>(k, bits);
  if (PairDot::countSteps(bits) > 0)
    return std::make_unique<PairDot>(k, bits);
  return std::make_unique<SignedPairDot>(k, bits);
}

int64_t IntegerDot::countVectors(const CpuLevel &level, unsigned bits) {
  return level.products.dot.empty() && PairDot::countSteps(bits) == 0 ? 2 : 1;
}
