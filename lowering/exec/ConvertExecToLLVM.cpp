//===- ConvertExecToLLVM.cpp - entries in the runtime's calling contract --===//

#include "lowering/exec/Passes.h"

#include "dialects/lq/LqOps.h"
#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "runtime/Abi.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cstddef>

using namespace mlir;

namespace lq::exec {
#define GEN_PASS_DEF_CONVERTEXECTOLLVM
#include "lowering/exec/Passes.h.inc"
} // namespace lq::exec

using namespace lq;
using namespace lq::exec;

namespace {

/// Numbers of the module's symbols in the order of the manifest.
struct SymbolNumbers {
  explicit SymbolNumbers(ModuleOp module) {
    int64_t weights = 0, caches = 0, dimensions = 0;
    for (Operation &op : module.getOps()) {
      if (auto weight = dyn_cast<lq::WeightOp>(op))
        numbers[weight.getSymNameAttr()] = weights++;
      else if (auto cache = dyn_cast<CacheOp>(op))
        numbers[cache.getSymNameAttr()] = caches++;
      else if (auto dimension = dyn_cast<DimensionOp>(op))
        numbers[dimension.getSymNameAttr()] = dimensions++;
    }
  }
  int64_t operator[](FlatSymbolRefAttr symbol) const {
    return numbers.lookup(symbol.getAttr());
  }

private:
  DenseMap<StringAttr, int64_t> numbers;
};

class EntryConverter {
public:
  EntryConverter(func::FuncOp entry, const SymbolNumbers &numbers)
      : entry(entry), numbers(numbers), builder(entry.getContext()),
        loc(entry.getLoc()), types(entry.getContext()),
        pointer(LLVM::LLVMPointerType::get(entry.getContext())) {}

  void convert() {
    setSignature();
    setScratchBytes();
    for (Operation &op : llvm::make_early_inc_range(entry.getBody().front()))
      convert(op);
  }

private:
  void setSignature() {
    Type i64 = builder.getI64Type();
    entry.setName(
        ("lq_entry_" + entry->getAttrOfType<StringAttr>(entryAttr).getValue())
            .str());
    entry.setType(builder.getFunctionType({pointer, i64, i64}, {}));
    Block &body = entry.getBody().front();
    call = body.addArgument(pointer, loc);
    Value threadNumber = body.addArgument(i64, loc),
          threadCount = body.addArgument(i64, loc);
    builder.setInsertionPointToStart(&body);
    thread = arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                        threadNumber);
    threads = arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                         threadCount);
    thread64 = threadNumber;
  }

  void setScratchBytes() {
    int64_t bytes = 0;
    entry.walk([&](LaunchOp launch) {
      bytes = std::max<int64_t>(bytes, launch.getScratchBytes());
    });
    bytes = llvm::alignTo(bytes, LQ_ABI_ALIGNMENT);
    entry->setAttr(scratchBytesAttr, builder.getI64IntegerAttr(bytes));
    Value start =
        offsetBy(loadField(offsetof(LqCall, scratch), pointer),
                 LLVM::MulOp::create(builder, loc, thread64, constant(bytes)));
    scratch =
        makeMemRef(MemRefType::get({ShapedType::kDynamic}, builder.getI8Type()),
                   start, constant(bytes));
  }

  void convert(Operation &op) {
    builder.setInsertionPoint(&op);
    loc = op.getLoc();
    llvm::TypeSwitch<Operation *>(&op)
        .Case([&](ArgumentOp argument) {
          Value base =
              loadElement(offsetof(LqCall, arguments), argument.getIndex());
          replace(argument,
                  makeMemRef(argument.getType(), base, argument.getSizes()));
        })
        .Case([&](exec::WeightOp weight) {
          Value base = loadElement(offsetof(LqCall, weights),
                                   numbers[weight.getWeightAttr()]);
          replace(weight, makeMemRef(cast<MemRefType>(weight.getType()), base,
                                     ValueRange()));
        })
        .Case([&](StateOp state) {
          Value base = loadElement(offsetof(LqCall, states),
                                   numbers[state.getCacheAttr()]);
          // Kernels derive what they touch from the positions they are given.
          SmallVector<Value> sizes(state.getType().getNumDynamicDims(),
                                   constant(INT64_MAX / 2));
          replace(state, makeMemRef(state.getType(), base, sizes));
        })
        .Case([&](ArenaOp arena) {
          Value base = offsetBy(loadField(offsetof(LqCall, arena), pointer),
                                constant(arena.getOffset()));
          replace(arena, makeMemRef(arena.getType(), base, arena.getSizes()));
        })
        .Case([&](ExtentOp extent) {
          Value value = loadElement(offsetof(LqCall, extents),
                                    numbers[extent.getDimensionAttr()],
                                    builder.getI64Type());
          replace(extent, arith::IndexCastOp::create(
                              builder, loc, builder.getIndexType(), value));
        })
        .Case([&](memref::ExpandShapeOp view) { convertExpand(view); })
        .Case([&](LaunchOp launch) {
          SmallVector<Value> operands(launch->getOperands());
          operands.append({scratch, thread, threads});
          func::CallOp::create(builder, loc, launch.getKernelAttr(),
                               TypeRange(), operands);
          launch.erase();
        })
        .Case([&](BarrierOp barrier) {
          Value function = loadField(offsetof(LqCall, barrier), pointer);
          Value team = loadField(offsetof(LqCall, team), pointer);
          auto type = LLVM::LLVMFunctionType::get(
              LLVM::LLVMVoidType::get(builder.getContext()), {pointer});
          LLVM::CallOp::create(builder, loc, type, ValueRange{function, team});
          barrier.erase();
        });
  }

  /// A contiguous view with its sizes written out. Upstream derives the sizes
  /// of an expansion from its source, which has no answer (and crashes) where
  /// two dimensions of a group are dynamic.
  void convertExpand(memref::ExpandShapeOp view) {
    if (!view.getResultType().getLayout().isIdentity())
      return;
    SmallVector<OpFoldResult> sizes = view.getMixedOutputShape(),
                              strides(sizes.size());
    OpFoldResult stride = builder.getIndexAttr(1);
    for (int64_t dim = sizes.size() - 1; dim >= 0; --dim) {
      strides[dim] = stride;
      if (dim == 0)
        break;
      std::optional<int64_t> known = getConstantIntValue(stride),
                             size = getConstantIntValue(sizes[dim]);
      if (known && size)
        stride = builder.getIndexAttr(*known * *size);
      else
        stride = arith::MulIOp::create(builder, loc, asIndex(stride),
                                       asIndex(sizes[dim]))
                     .getResult();
    }
    auto strided = MemRefType::get(
        view.getResultType().getShape(), view.getResultType().getElementType(),
        StridedLayoutAttr::get(builder.getContext(), 0,
                               staticStrides(strides)));
    Value cast = memref::ReinterpretCastOp::create(
        builder, loc, strided, view.getSrc(), builder.getIndexAttr(0), sizes,
        strides);
    replace(view,
            memref::CastOp::create(builder, loc, view.getResultType(), cast));
  }

  Value asIndex(OpFoldResult value) {
    return getValueOrCreateConstantIndexOp(builder, loc, value);
  }

  static SmallVector<int64_t> staticStrides(ArrayRef<OpFoldResult> strides) {
    return llvm::map_to_vector(strides, [](OpFoldResult stride) {
      return getConstantIntValue(stride).value_or(ShapedType::kDynamic);
    });
  }

  void replace(Operation *op, Value value) {
    op->getResult(0).replaceAllUsesWith(value);
    op->erase();
  }

  Value constant(int64_t value) {
    return LLVM::ConstantOp::create(builder, loc,
                                    builder.getI64IntegerAttr(value));
  }

  Value offsetBy(Value base, Value bytes) {
    return LLVM::GEPOp::create(builder, loc, pointer, builder.getI8Type(), base,
                               bytes);
  }

  Value loadField(int64_t offset, Type type) {
    return LLVM::LoadOp::create(builder, loc, type,
                                offsetBy(call, constant(offset)));
  }

  /// Element `index` of the array of 8-byte elements in a field of the call.
  Value loadElement(int64_t field, int64_t index, Type type = {}) {
    Value element = offsetBy(loadField(field, pointer), constant(8 * index));
    return LLVM::LoadOp::create(builder, loc, type ? type : pointer, element);
  }

  /// A memref at `base`; `sizes` (index or i64) are its dynamic sizes.
  Value makeMemRef(MemRefType type, Value base, ValueRange sizes) {
    MemRefDescriptor descriptor =
        MemRefDescriptor::poison(builder, loc, types.convertType(type));
    descriptor.setAllocatedPtr(builder, loc, base);
    descriptor.setAlignedPtr(builder, loc, base);
    descriptor.setConstantOffset(builder, loc, 0);
    Value stride = constant(1);
    auto dynamic = sizes.end();
    for (int64_t dim = type.getRank() - 1; dim >= 0; --dim) {
      Value size = type.isDynamicDim(dim) ? asI64(*--dynamic)
                                          : constant(type.getDimSize(dim));
      descriptor.setSize(builder, loc, dim, size);
      descriptor.setStride(builder, loc, dim, stride);
      stride = LLVM::MulOp::create(builder, loc, stride, size);
    }
    Value packed = descriptor;
    return UnrealizedConversionCastOp::create(builder, loc, type, packed)
        .getResult(0);
  }

  Value asI64(Value value) {
    if (!value.getType().isIndex())
      return value;
    return arith::IndexCastOp::create(builder, loc, builder.getI64Type(),
                                      value);
  }

  func::FuncOp entry;
  const SymbolNumbers &numbers;
  OpBuilder builder;
  Location loc;
  LLVMTypeConverter types;
  LLVM::LLVMPointerType pointer;
  Value call, thread, threads, thread64, scratch;
};

struct ConvertExecToLLVMPass
    : lq::exec::impl::ConvertExecToLLVMBase<ConvertExecToLLVMPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolNumbers numbers(module);
    for (func::FuncOp entry : getEntries(module))
      EntryConverter(entry, numbers).convert();
    // What they stand for is in the manifest; the code has their numbers.
    for (Operation &op : llvm::make_early_inc_range(module.getOps()))
      if (isa<lq::WeightOp, CacheOp, DimensionOp>(op))
        op.erase();
  }
};

} // namespace
