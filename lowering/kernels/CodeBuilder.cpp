//===- CodeBuilder.cpp - loops, loads and stores of kernels ---------------===//

#include "lowering/kernels/CodeBuilder.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace lq;

SmallVector<Value> lq::toValues(ArrayRef<Val> values) {
  return SmallVector<Value>(values.begin(), values.end());
}

Type CodeBuilder::vector(int64_t lanes, Type element) {
  return VectorType::get({lanes}, element);
}

Type CodeBuilder::elementType(MLIRContext *context, Scalar scalar) {
  switch (scalar) {
  case Scalar::F32:
    return Float32Type::get(context);
  case Scalar::F16:
    return Float16Type::get(context);
  case Scalar::BF16:
    return BFloat16Type::get(context);
  case Scalar::E8M0:
    break;
  }
  llvm_unreachable("unknown scalar type");
}

Val CodeBuilder::index(int64_t number) {
  return val(arith::ConstantIndexOp::create(b, number));
}
Val CodeBuilder::constant(Type type, double number) {
  Type element = getElementTypeOrSelf(type);
  TypedAttr attr;
  if (isa<FloatType>(element))
    attr = b.getFloatAttr(element, number);
  else
    attr = b.getIntegerAttr(element, static_cast<int64_t>(number));
  if (auto vector = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vector, attr);
  return val(arith::ConstantOp::create(b, attr));
}
Val CodeBuilder::size(Val memref, int64_t dimension) {
  return val(b.createOrFold<memref::DimOp>(memref, dimension));
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Val CodeBuilder::load(Val memref, ArrayRef<Val> indices) {
  return val(memref::LoadOp::create(b, memref, toValues(indices)));
}
Val CodeBuilder::load(Val memref, ArrayRef<Val> indices, int64_t lanes,
                      int64_t alignment) {
  Type type = vector(lanes, cast<MemRefType>(memref.type()).getElementType());
  return val(vector::LoadOp::create(
      b, cast<VectorType>(type), memref, toValues(indices),
      /*nontemporal=*/false,
      llvm::MaybeAlign(static_cast<uint64_t>(alignment))));
}

Val CodeBuilder::gather(Val memref, ArrayRef<Val> indices, Val columns) {
  int64_t lanes = cast<VectorType>(columns.type()).getNumElements();
  Type type = vector(lanes, cast<MemRefType>(memref.type()).getElementType());
  Type mask = vector(lanes, b.getI1Type());
  return val(vector::GatherOp::create(b, cast<VectorType>(type), memref,
                                      toValues(indices), columns,
                                      constant(mask, 1), zeros(type)));
}

void CodeBuilder::store(Val value, Val memref, ArrayRef<Val> indices,
                        int64_t alignment) {
  if (isa<VectorType>(value.type()))
    vector::StoreOp::create(b, value, memref, toValues(indices),
                            /*nontemporal=*/false,
                            llvm::MaybeAlign(static_cast<uint64_t>(alignment)));
  else
    memref::StoreOp::create(b, value, memref, toValues(indices));
}
/// The vector of bytes as large as `type`.
static VectorType getBytesType(Type type) {
  int64_t count = 1;
  if (auto vector = dyn_cast<VectorType>(type))
    count = vector.getNumElements();
  int64_t bytes =
      count * getElementTypeOrSelf(type).getIntOrFloatBitWidth() / 8;
  return VectorType::get({bytes}, IntegerType::get(type.getContext(), 8));
}

Val CodeBuilder::loadBytes(Val bytes, Val offset, Type type,
                           int64_t alignment) {
  Value loaded = vector::LoadOp::create(
      b, getBytesType(type), bytes, ValueRange{offset}, /*nontemporal=*/false,
      llvm::MaybeAlign(static_cast<uint64_t>(alignment)));
  return val(loaded).bitcast(type);
}
void CodeBuilder::storeBytes(Val value, Val bytes, Val offset,
                             int64_t alignment) {
  VectorType type = getBytesType(value.type());
  if (!isa<VectorType>(value.type()))
    value = value.broadcast(vector(1, value.type()));
  vector::StoreOp::create(b, value.bitcast(type), bytes, ValueRange{offset},
                          /*nontemporal=*/false,
                          llvm::MaybeAlign(static_cast<uint64_t>(alignment)));
}
void CodeBuilder::prefetch(Val memref, ArrayRef<Val> indices) {
  memref::PrefetchOp::create(b, memref, toValues(indices), /*isWrite=*/false,
                             /*localityHint=*/3, /*isDataCache=*/true);
}

//===----------------------------------------------------------------------===//
// Control
//===----------------------------------------------------------------------===//

Vals CodeBuilder::forLoop(Val first, Val last, int64_t step,
                          ArrayRef<Val> initial, LoopBody body) {
  auto loop = scf::ForOp::create(
      b, first, last, index(step), toValues(initial),
      [&](OpBuilder &nested, Location, Value i, ValueRange carried) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToEnd(nested.getInsertionBlock());
        Vals arguments;
        for (Value value : carried)
          arguments.push_back(val(value));
        scf::YieldOp::create(b, toValues(body(val(i), arguments)));
      });
  Vals results;
  for (Value value : loop.getResults())
    results.push_back(val(value));
  return results;
}

Vals CodeBuilder::rolledLoop(Val first, Val last, int64_t step,
                             ArrayRef<Val> initial, LoopBody body) {
  Vals results = forLoop(first, last, step, initial, body);
  LLVM::LoopUnrollAttr unroll = LLVM::LoopUnrollAttr::get(
      b.getContext(), /*disable=*/b.getBoolAttr(true), {}, {}, {}, {}, {}, {});
  Value(results.front())
      .getDefiningOp()
      ->setAttr("loop_annotation", LLVM::LoopAnnotationAttr::get(
                                       b.getContext(), {}, {}, {}, unroll, {},
                                       {}, {}, {}, {}, {}, {}, {}, {}, {}, {}));
  return results;
}

void CodeBuilder::forLoop(Val first, Val last, int64_t step,
                          llvm::function_ref<void(Val)> body) {
  forLoop(first, last, index(step), body);
}

void CodeBuilder::forLoop(Val first, Val last, Val step,
                          llvm::function_ref<void(Val)> body) {
  scf::ForOp::create(b, first, last, step, ValueRange{},
                     [&](OpBuilder &nested, Location, Value i, ValueRange) {
                       OpBuilder::InsertionGuard guard(b);
                       b.setInsertionPointToEnd(nested.getInsertionBlock());
                       body(val(i));
                       scf::YieldOp::create(b);
                     });
}

void CodeBuilder::ifThen(Val condition, llvm::function_ref<void()> then) {
  scf::IfOp::create(b, condition, [&](OpBuilder &nested, Location) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(nested.getInsertionBlock());
    then();
    scf::YieldOp::create(b);
  });
}

Vals CodeBuilder::ifElse(Val condition, llvm::function_ref<Vals()> then,
                         llvm::function_ref<Vals()> otherwise) {
  auto region = [&](llvm::function_ref<Vals()> make) {
    return [this, make](OpBuilder &nested, Location) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(nested.getInsertionBlock());
      scf::YieldOp::create(b, toValues(make()));
    };
  };
  auto choice =
      scf::IfOp::create(b, condition, region(then), region(otherwise));
  Vals results;
  for (Value value : choice.getResults())
    results.push_back(val(value));
  return results;
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

Val CodeBuilder::intrinsic(StringRef name, Type result,
                           ArrayRef<Val> operands) {
  auto call = LLVM::CallIntrinsicOp::create(b, result, b.getStringAttr(name),
                                            toValues(operands));
  return val(call.getResults());
}

Val CodeBuilder::exp(Val x) { return val(math::ExpOp::create(b, x)); }
Val CodeBuilder::exp2UpToZero(Val x) {
  // 2^n 2^r, |r| <= 1 / 2, with the minimax polynomial of 2^r of degree 6; n is
  // added to the exponent.
  constexpr double coefficients[] = {
      0.0013399930903688073, 0.009618489071726799, 0.05550328642129898,
      0.24022646248340607,   0.6931471824645996,   1.0};
  Val n = roundEven(x), r = x - n;
  Val p = r.like(0.0001534581242594868);
  for (double coefficient : ArrayRef(coefficients))
    p = p.fma(r, p.like(coefficient));
  Val integers = n.convert(i32());
  Val power = (p.bitcast(integers.type()) + (integers << 23)).bitcast(x.type());
  return p.like(0).where(x < x.like(-126), power);
}
Val CodeBuilder::sqrt(Val x) { return val(math::SqrtOp::create(b, x)); }
Val CodeBuilder::abs(Val x) { return val(math::AbsFOp::create(b, x)); }
Val CodeBuilder::roundEven(Val x) {
  return val(math::RoundEvenOp::create(b, x));
}
