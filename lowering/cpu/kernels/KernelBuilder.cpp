//===- KernelBuilder.cpp - writes kernels in vector, scf, arith -----------===//

#include "lowering/cpu/kernels/KernelBuilder.h"
#include "lowering/cpu/kernels/Kernels.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

void lq::cpu::registerKernelDialects(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect,
                  math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                  vector::VectorDialect>();
}

KernelBuilder::KernelBuilder(ModuleOp module, StringRef name,
                             const CpuLevel &level, ArrayRef<Type> inputs,
                             ArrayRef<Type> outputs)
    : CodeBuilder(module.getContext()), target(level) {
  SmallVector<Type> arguments(inputs);
  arguments.append(outputs.begin(), outputs.end());
  arguments.push_back(MemRefType::get({ShapedType::kDynamic}, i8()));
  arguments.append(2, b.getIndexType());
  b.setInsertionPointToEnd(module.getBody());
  function = func::FuncOp::create(b, name, b.getFunctionType(arguments, {}));
  function.setPrivate();
  // A kernel is called once a layer; copies of it in the entry point would only
  // cost time to compile.
  function.setNoInline(true);
  b.setInsertionPointToStart(function.addEntryBlock());
}

func::FuncOp KernelBuilder::finish() {
  func::ReturnOp::create(b);
  return function;
}

Val KernelBuilder::argument(int64_t index) {
  return val(function.getArgument(index));
}
Val KernelBuilder::scratch() {
  return argument(function.getNumArguments() - 3);
}
Val KernelBuilder::thread() { return argument(function.getNumArguments() - 2); }
Val KernelBuilder::threads() {
  return argument(function.getNumArguments() - 1);
}

Val KernelBuilder::laneNumbers() {
  auto numbers = llvm::to_vector(llvm::seq<int32_t>(0, lanes()));
  return val(arith::ConstantOp::create(b, b.getI32VectorAttr(numbers)));
}
//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

static Value createMask(ImplicitLocOpBuilder &b, int64_t lanes, Val count) {
  auto type = VectorType::get({lanes}, b.getI1Type());
  return vector::CreateMaskOp::create(b, type, ValueRange{count});
}

/// Cuts `count` < `lanes` lanes into vectors of powers of two of lanes.
static void forPieces(int64_t lanes, int64_t count,
                      llvm::function_ref<void(int64_t, int64_t)> body) {
  int64_t first = 0;
  for (int64_t width = lanes / 2; width > 0; width /= 2)
    if (count & width) {
      body(first, width);
      first += width;
    }
}

static Vals advance(ArrayRef<Val> indices, int64_t distance) {
  Vals place(indices);
  place.back() = place.back() + distance;
  return place;
}

Val KernelBuilder::loadPart(Val memref, ArrayRef<Val> indices, int64_t lanes,
                            Val count) {
  Type type = vector(lanes, cast<MemRefType>(memref.type()).getElementType());
  auto masked = [&]() -> Vals {
    return {val(vector::MaskedLoadOp::create(
        b, cast<VectorType>(type), memref, toValues(indices),
        createMask(b, lanes, count), zeros(type)))};
  };
  if (target.maskedMoves)
    return masked()[0];
  std::optional<int64_t> known = getConstantIntValue(Value(count));
  if (!known)
    return ifElse(
        index(lanes - 1) < count,
        [&]() -> Vals { return {load(memref, indices, lanes)}; }, masked)[0];
  if (*known >= lanes)
    return load(memref, indices, lanes);
  Val loaded = zeros(type);
  forPieces(lanes, *known, [&](int64_t first, int64_t width) {
    Val piece = load(memref, advance(indices, first), width);
    loaded = val(vector::InsertStridedSliceOp::create(
        b, piece, loaded, ArrayRef<int64_t>{first}, ArrayRef<int64_t>{1}));
  });
  return loaded;
}
void KernelBuilder::storePart(Val value, Val memref, ArrayRef<Val> indices,
                              Val count) {
  int64_t lanes = cast<VectorType>(value.type()).getNumElements();
  auto masked = [&]() -> Vals {
    vector::MaskedStoreOp::create(b, memref, toValues(indices),
                                  createMask(b, lanes, count), value);
    return {};
  };
  auto whole = [&]() -> Vals {
    store(value, memref, indices);
    return {};
  };
  std::optional<int64_t> known = getConstantIntValue(Value(count));
  if (target.maskedMoves)
    masked();
  else if (!known)
    ifElse(index(lanes - 1) < count, whole, masked);
  else if (*known >= lanes)
    whole();
  else
    forPieces(lanes, *known, [&](int64_t first, int64_t width) {
      store(value.slice(first, width), memref, advance(indices, first));
    });
}

//===----------------------------------------------------------------------===//
// Sharing work
//===----------------------------------------------------------------------===//

IndexRange KernelBuilder::share(Val count) {
  return {count * thread() / threads(), count * (thread() + 1) / threads()};
}

/// Combines the two halves of each value in the lanes of `a`, then of `b`,
/// where a value takes `width` lanes.
static Val combineHalves(Val a, Val b, int64_t vectors, int64_t width,
                         llvm::function_ref<Val(Val, Val)> combine) {
  int64_t lanes = cast<VectorType>(a.type()).getNumElements() * vectors;
  SmallVector<int64_t> low, high;
  for (int64_t lane = 0; lane < lanes; ++lane)
    (lane % width < width / 2 ? low : high).push_back(lane);
  return combine(a.shuffle(b, low), a.shuffle(b, high));
}

Val lq::cpu::reduceLanes(Vals vectors,
                         llvm::function_ref<Val(Val, Val)> combine) {
  int64_t width = cast<VectorType>(vectors.front().type()).getNumElements();
  while (width > 1) {
    Vals next;
    if (vectors.size() == 1)
      next.push_back(combineHalves(vectors[0], vectors[0], 1, width, combine));
    else
      for (size_t i = 0; i < vectors.size(); i += 2)
        next.push_back(
            combineHalves(vectors[i], vectors[i + 1], 2, width, combine));
    vectors = next;
    width /= 2;
  }
  Val all = vectors.front();
  for (Val vector : ArrayRef(vectors).drop_front())
    all = all.append(vector);
  return all;
}

void lq::cpu::forRowBlocks(KernelBuilder &k, Val first, Val rows,
                           ArrayRef<int64_t> sizes,
                           llvm::function_ref<void(Val, int64_t)> body) {
  std::optional<int64_t> known = getConstantIntValue(Value(rows));
  for (int64_t size : sizes) {
    if (known && *known < sizes.front()) {
      if (*known > 0)
        body(first, *known);
      return;
    }
    Val end = first + rows / size * size;
    k.forLoop(first, end, size, [&](Val row) { body(row, size); });
    first = end;
    rows = rows % size;
    if (known)
      known = *known % size;
    if (known && *known == 0)
      return;
  }
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

/// Looks up `width` bytes in a table of 16 bytes that is repeated.
static StringRef getLookupIntrinsic(Architecture architecture, int64_t width) {
  if (architecture == Architecture::AArch64)
    return "llvm.aarch64.neon.tbl1.v16i8";
  return width == 16   ? "llvm.x86.ssse3.pshuf.b.128"
         : width == 32 ? "llvm.x86.avx2.pshuf.b"
                       : "llvm.x86.avx512.pshuf.b.512";
}

Val KernelBuilder::lookup(ArrayRef<uint8_t> table, Val bytes) {
  int64_t count = cast<VectorType>(bytes.type()).getNumElements();
  // The instructions look up in each 16 bytes of a vector.
  int64_t width = std::max<int64_t>(count, 16);
  SmallVector<int8_t> repeated;
  for (int64_t i = 0; i < width; ++i)
    repeated.push_back(static_cast<int8_t>(
        i % 16 < int64_t(table.size()) ? table[i % 16] : 0));
  auto type = VectorType::get({width}, b.getI8Type());
  Val tables = val(arith::ConstantOp::create(
      b, DenseElementsAttr::get(type, ArrayRef(repeated))));
  if (width > count)
    bytes = val(vector::InsertStridedSliceOp::create(
        b, bytes, zeros(type), ArrayRef<int64_t>{0}, ArrayRef<int64_t>{1}));
  return intrinsic(getLookupIntrinsic(target.architecture, width), type,
                   {tables, bytes})
      .slice(0, count);
}
