//===- KernelBuilder.cpp - writes kernels for one thread of many ----------===//

#include "lowering/cuda/kernels/KernelBuilder.h"
#include "lowering/cuda/kernels/Kernels.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace lq;
using namespace lq::cuda;

void lq::cuda::registerKernelDialects(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, gpu::GPUDialect, LLVM::LLVMDialect,
                  math::MathDialect, memref::MemRefDialect, nvgpu::NVGPUDialect,
                  NVVM::NVVMDialect, scf::SCFDialect, vector::VectorDialect>();
}

Grid lq::cuda::constantGrid(MLIRContext *context, int64_t blocks) {
  return gridOf(0, 1, {getAffineConstantExpr(blocks, context)}, context);
}

Grid lq::cuda::gridOf(int64_t operand, int64_t rank,
                      ArrayRef<AffineExpr> blocks, MLIRContext *context) {
  SmallVector<AffineExpr> all(blocks);
  all.resize(3, getAffineConstantExpr(1, context));
  return {operand,
          AffineMap::get(static_cast<unsigned>(rank), 0, all, context)};
}

KernelBuilder::KernelBuilder(gpu::GPUModuleOp module, StringRef name,
                             const Chip &chip, ArrayRef<Type> arguments,
                             int64_t threads)
    : CodeBuilder(module.getContext()), target(chip), blockThreads(threads) {
  b.setInsertionPointToEnd(module.getBody());
  function = gpu::GPUFuncOp::create(b, name, b.getFunctionType(arguments, {}));
  function->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), b.getUnitAttr());
  function.setKnownBlockSize(
      SmallVector<int32_t>{static_cast<int32_t>(threads), 1, 1});
  b.setInsertionPointToStart(&function.getBody().front());
}

gpu::GPUFuncOp KernelBuilder::finish(const Grid &grid) {
  gpu::ReturnOp::create(b);
  function->setAttr(gridAttr, AffineMapAttr::get(grid.blocks));
  function->setAttr(gridOperandAttr, b.getI64IntegerAttr(grid.operand));
  return function;
}

Val KernelBuilder::thread() {
  return val(gpu::ThreadIdOp::create(b, gpu::Dimension::x));
}
Val KernelBuilder::block(gpu::Dimension dimension) {
  return val(gpu::BlockIdOp::create(b, dimension));
}

Val KernelBuilder::shared(ArrayRef<int64_t> shape, Type element) {
  auto space =
      gpu::AddressSpaceAttr::get(b.getContext(), gpu::AddressSpace::Workgroup);
  auto type =
      MemRefType::get(shape, element, MemRefLayoutAttrInterface(), space);
  return val(function.addWorkgroupAttribution(type, b.getLoc()));
}

Val KernelBuilder::view(Val bytes, Val offset, ArrayRef<int64_t> shape,
                        Type element) {
  auto type = MemRefType::get(shape, element, MemRefLayoutAttrInterface(),
                              cast<MemRefType>(bytes.type()).getMemorySpace());
  return val(memref::ViewOp::create(b, type, bytes, offset, ValueRange()));
}

void KernelBuilder::copyAsync(Val from, ArrayRef<Val> fromIndices, Val to,
                              ArrayRef<Val> toIndices, int64_t count,
                              Val inside) {
  if (!target.asyncCopies) {
    Type type = vector(count, cast<MemRefType>(from.type()).getElementType());
    Val loaded = ifElse(
        inside, [&]() -> Vals { return {load(from, fromIndices, count, 16)}; },
        [&]() -> Vals { return {zeros(type)}; })[0];
    return store(loaded, to, toIndices, 16);
  }
  Val elements = index(count).where(inside, index(0));
  nvgpu::DeviceAsyncCopyOp::create(
      b, nvgpu::DeviceAsyncTokenType::get(b.getContext()), to,
      toValues(toIndices), from, toValues(fromIndices), b.getIndexAttr(count),
      elements, b.getUnitAttr());
}

void KernelBuilder::waitCopies(int64_t open) {
  if (!target.asyncCopies)
    return;
  auto group = nvgpu::DeviceAsyncCreateGroupOp::create(
      b, nvgpu::DeviceAsyncTokenType::get(b.getContext()), ValueRange());
  nvgpu::DeviceAsyncWaitOp::create(
      b, group, b.getI32IntegerAttr(static_cast<int32_t>(open)));
}

Val KernelBuilder::pair(Val first, Val second) {
  return val(vector::FromElementsOp::create(
      b, cast<VectorType>(vector(2, first.type())), ValueRange{first, second}));
}

Val KernelBuilder::reshape(Val vector, Type type) {
  if (vector.type() == type)
    return vector;
  return val(vector::ShapeCastOp::create(b, type, vector));
}

void KernelBuilder::barrier() { gpu::BarrierOp::create(b); }

Val KernelBuilder::fromLane(Val value, int64_t mask) {
  auto shuffle = gpu::ShuffleOp::create(
      b, Value(value), static_cast<int32_t>(mask),
      static_cast<int32_t>(warpThreads), gpu::ShuffleMode::XOR);
  return val(shuffle.getShuffleResult());
}

Val KernelBuilder::sumLanes(Val value, int64_t lanes) {
  for (int64_t mask = lanes / 2; mask > 0; mask /= 2)
    value = value + fromLane(value, mask);
  return value;
}

Val KernelBuilder::permuteBytes(Val low, Val high, int64_t selector) {
  return val(NVVM::PermuteOp::create(b, i32(), low, high,
                                     constant(i32(), selector),
                                     NVVM::PermuteMode::DEFAULT));
}

Val KernelBuilder::dot(Val codes, Val activations, Val sum) {
  Type bytes = vector(4, i8());
  return val(NVVM::DotAccumulate4WayOp::create(
      b, i32(), codes.bitcast(bytes), NVVM::DotAccumulateType::UNSIGNED,
      activations.bitcast(bytes), NVVM::DotAccumulateType::SIGNED, sum));
}

/// Rows of a fragment: vectors of two f16 each.
static Val stack(KernelBuilder &k, ArrayRef<Val> pairs) {
  ImplicitLocOpBuilder &b = k.builder();
  auto type =
      VectorType::get({static_cast<int64_t>(pairs.size()), 2}, b.getF16Type());
  Value fragment = k.zeros(type);
  for (auto [i, pair] : llvm::enumerate(pairs))
    fragment =
        vector::InsertOp::create(b, pair, fragment, static_cast<int64_t>(i));
  return Val(b, fragment);
}

Val KernelBuilder::multiplyMatrices(ArrayRef<Val> a, ArrayRef<Val> bPairs,
                                    Val c) {
  // A and B have a register for each 8 rows of A and 8 columns of the product.
  int64_t parts = 16 / target.matrixColumns;
  size_t aCount = a.size() / parts, bCount = bPairs.size() / parts;
  for (int64_t part = 0; part < parts; ++part)
    c = val(nvgpu::MmaSyncOp::create(
        b, stack(*this, a.slice(part * aCount, aCount)),
        stack(*this, bPairs.slice(part * bCount, bCount)), c,
        ArrayRef<int64_t>{16, 8, target.matrixColumns}));
  return c;
}

/// Four bytes of a table as a word.
static int64_t tableWord(ArrayRef<uint8_t> table, size_t first) {
  uint32_t word = 0;
  for (size_t i = 0; i < 4; ++i)
    if (first + i < table.size())
      word |= uint32_t(table[first + i]) << (8 * i);
  return static_cast<int32_t>(word);
}

/// table[byte] for each byte of a word: two permutations look up in half a table
/// each, bit 3 of a byte says in which.
static Val lookUpWord(KernelBuilder &k, ArrayRef<uint8_t> table, Val word) {
  Val digits = (word | (word >> 4)) & 0x00ff00ff;
  digits = (digits | (digits >> 8)) & 0x7777;
  auto halfOf = [&](size_t first) {
    Val low = word.like(double(tableWord(table, first)));
    Val high = word.like(double(tableWord(table, first + 4)));
    auto permuted = NVVM::PermuteOp::create(k.builder(), k.i32(), low, high,
                                            digits, NVVM::PermuteMode::DEFAULT);
    return Val(k.builder(), permuted);
  };
  Val lower = halfOf(0);
  if (table.size() <= 8)
    return lower;
  // The sign of a byte, in all its bits.
  Val isUpper = k.permuteBytes(word << 4, word, 0xba98);
  Val upper = halfOf(8);
  return (upper & isUpper) | (lower & (isUpper ^ -1));
}

Val KernelBuilder::lookup(ArrayRef<uint8_t> table, Val bytes) {
  if (bytes.type().isInteger(32))
    return lookUpWord(*this, table, bytes);
  auto type = cast<VectorType>(bytes.type());
  int64_t words = type.getNumElements() / 4;
  Val packed = bytes.bitcast(vector(words, i32()));
  Value result = zeros(packed.type());
  for (int64_t i = 0; i < words; ++i)
    result = vector::InsertOp::create(
        b, lookUpWord(*this, table, packed.lane(i)), result, i);
  return val(result).bitcast(type);
}
