//===- OutlineKernels.cpp - lq ops as launches of derived kernels ---------===//

#include "lowering/cpu/Passes.h"
#include "lowering/cpu/QuantizedRows.h"

#include "dialects/lq/LqOps.h"
#include "dialects/lq/Storage.h"
#include "lowering/cpu/kernels/Kernels.h"
#include "lowering/exec/Bounds.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace lq::cpu {
#define GEN_PASS_DEF_OUTLINEKERNELS
#include "lowering/cpu/Passes.h.inc"
} // namespace lq::cpu

using namespace lq;
using namespace lq::cpu;
using exec::LaunchOp;

namespace {

int64_t lastDim(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape().back();
}

/// "?" or the number, for names of kernels.
std::string dimText(int64_t dim) {
  return ShapedType::isDynamic(dim) ? "n" : std::to_string(dim);
}

/// Replaces the lq ops of one entry point, in order.
class EntryOutliner {
public:
  EntryOutliner(func::FuncOp entry, ModuleOp module, const CpuLevel &level,
                ElementFunctions &functions)
      : entry(entry), module(module), level(level), functions(functions),
        builder(entry.getContext()), loc(entry.getLoc()) {}

  LogicalResult run() {
    for (Operation &op : llvm::make_early_inc_range(entry.getBody().front())) {
      if (!isa<LqDialect>(op.getDialect()) || isa<ExtentOp>(op))
        continue;
      builder.setInsertionPoint(&op);
      loc = op.getLoc();
      dead.push_back(&op);
      if (failed(outline(op)))
        return failure();
    }
    for (Operation *op : llvm::reverse(dead))
      op->erase();
    return success();
  }

private:
  //===--------------------------------------------------------------------===//
  // Shapes
  //===--------------------------------------------------------------------===//

  Value toTensorOfRank(Value x, ArrayRef<ReassociationIndices> groups) {
    if (static_cast<int64_t>(groups.size()) ==
        cast<RankedTensorType>(x.getType()).getRank())
      return x;
    return tensor::CollapseShapeOp::create(builder, loc, x, groups);
  }

  /// [..., K] as [M, K].
  Value toRows(Value x) {
    int64_t rank = cast<RankedTensorType>(x.getType()).getRank();
    if (rank == 1) {
      auto type = cast<RankedTensorType>(x.getType());
      auto rows =
          RankedTensorType::get({1, type.getDimSize(0)}, type.getElementType());
      return tensor::ExpandShapeOp::create(
          builder, loc, rows, x, ArrayRef<ReassociationIndices>{{0, 1}});
    }
    ReassociationIndices leading =
        llvm::to_vector(llvm::seq<int64_t>(0, rank - 1));
    return toTensorOfRank(x, {leading, {rank - 1}});
  }

  /// [M, N] as [leading dimensions of `model`..., N].
  Value fromRows(Value rows, Value model) {
    auto modelType = cast<RankedTensorType>(model.getType());
    int64_t rank = modelType.getRank();
    if (rank == 2)
      return rows;
    auto rowsType = cast<RankedTensorType>(rows.getType());
    if (rank == 1)
      return tensor::CollapseShapeOp::create(
          builder, loc, rows, ArrayRef<ReassociationIndices>{{0, 1}});
    SmallVector<OpFoldResult> sizes =
        tensor::getMixedSizes(builder, loc, model);
    sizes.back() = builder.getIndexAttr(rowsType.getDimSize(1));
    SmallVector<int64_t> shape(modelType.getShape());
    shape.back() = rowsType.getDimSize(1);
    ReassociationIndices leading =
        llvm::to_vector(llvm::seq<int64_t>(0, rank - 1));
    auto type = RankedTensorType::get(shape, rowsType.getElementType());
    return tensor::ExpandShapeOp::create(
        builder, loc, type, rows,
        ArrayRef<ReassociationIndices>{leading, {rank - 1}}, sizes);
  }

  /// An empty tensor with the rows of [M, ...] and `columns` columns.
  Value emptyRows(Value rows, int64_t columns, Type element) {
    OpFoldResult count = tensor::getMixedSize(builder, loc, rows, 0);
    return tensor::EmptyOp::create(
        builder, loc,
        ArrayRef<OpFoldResult>{count, builder.getIndexAttr(columns)}, element);
  }

  Value emptyLike(Value model, ArrayRef<int64_t> lastDims = {}) {
    SmallVector<OpFoldResult> sizes =
        tensor::getMixedSizes(builder, loc, model);
    for (auto [size, dim] :
         llvm::zip(llvm::reverse(sizes), llvm::reverse(lastDims)))
      size = builder.getIndexAttr(dim);
    return tensor::EmptyOp::create(builder, loc, sizes, builder.getF32Type());
  }

  int64_t boundRows(Value rows) {
    std::optional<exec::Interval> bound = exec::boundDimension(rows, 0);
    return bound ? bound->most : INT64_MAX;
  }

  static int64_t dim(Value value, unsigned index) {
    return cast<RankedTensorType>(value.getType()).getDimSize(index);
  }

  Value zero() { return arith::ConstantIndexOp::create(builder, loc, 0); }

  //===--------------------------------------------------------------------===//
  // Launches
  //===--------------------------------------------------------------------===//

  template <typename Emit>
  FlatSymbolRefAttr kernel(const std::string &name, Emit emit) {
    auto found = module.lookupSymbol<func::FuncOp>(name);
    func::FuncOp function = found ? found : emit(name);
    return FlatSymbolRefAttr::get(function.getSymNameAttr());
  }

  LaunchOp launch(FlatSymbolRefAttr kernel, ValueRange inputs,
                  ValueRange updates, ValueRange outputs,
                  int64_t scratchBytes = 0) {
    SmallVector<Type> results;
    for (Value output : outputs)
      results.push_back(output.getType());
    return LaunchOp::create(builder, loc, results, kernel, inputs, updates,
                            outputs, builder.getI64IntegerAttr(scratchBytes));
  }

  //===--------------------------------------------------------------------===//
  // Operations
  //===--------------------------------------------------------------------===//

  LogicalResult outline(Operation &op) {
    return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
        .Case<GetOp, PermuteOp, QuantizeRowsOp, LinearOp, RmsNormOp,
              LayerNormOp, RopeOp, EmbeddingOp, AppendOp, AttentionOp>(
            [&](auto op) { return outlineOp(op); })
        .Default([](Operation *op) {
          return op->emitError()
                 << "no CPU kernel for this operation; expected "
                    "lq-decompose-activations to run before";
        });
  }

  LogicalResult outlineOp(GetOp get) {
    auto type = cast<RankedTensorType>(get.getType());
    if (type.getEncoding()) {
      if (!isTiled(type))
        return get.emitError()
               << "expected a packed weight; run lq-pack before";
      auto bytes =
          MemRefType::get({*computeStorageBytes(type)}, builder.getI8Type());
      buffers[get] =
          exec::WeightOp::create(builder, loc, bytes, get.getWeightAttr());
      return success();
    }
    auto dense = MemRefType::get(type.getShape(), type.getElementType());
    Value buffer =
        exec::WeightOp::create(builder, loc, dense, get.getWeightAttr());
    get.replaceAllUsesWith(bufferization::ToTensorOp::create(builder, loc, type,
                                                             buffer,
                                                             /*restrict=*/true,
                                                             /*writable=*/false)
                               .getResult());
    return success();
  }

  /// The bytes of an encoded weight.
  FailureOr<Value> weightBuffer(Operation *user, Value weight) {
    auto found = buffers.find(weight);
    if (found == buffers.end())
      return user->emitError()
             << "expected the weight to come from lq.get, packed by lq-pack";
    return found->second;
  }

  LogicalResult outlineOp(PermuteOp op) {
    Value x = toRows(op.getX());
    PermuteSpec spec{lastDim(x), dim(x, 0)};
    auto name =
        llvm::formatv("permute_{0}x{1}", dimText(spec.rows), spec.columns);
    FlatSymbolRefAttr callee = kernel(name.str(), [&](StringRef name) {
      return emitPermute(module, name, spec, level);
    });
    LaunchOp permute = launch(callee, {x, op.getOrder()}, {},
                              emptyRows(x, spec.columns, builder.getF32Type()));
    op.replaceAllUsesWith(fromRows(permute.getResult(0), op.getX()));
    return success();
  }

  LogicalResult outlineOp(QuantizeRowsOp op) {
    QuantizedRows source(op);
    SmallVector<Value> inputs;
    for (Value rows : source.rows())
      inputs.push_back(toRows(rows));
    Value x = inputs.front();
    int64_t columns = lastDim(x);
    int64_t group =
        cast<Int8RowsAttr>(cast<RankedTensorType>(op.getType()).getEncoding())
            .getGroup();
    QuantizeRowsSpec spec{columns, group, dim(x, 0), boundRows(x),
                          op.getOrder() != nullptr};
    std::string of;
    if (Operation *norm = source.norm()) {
      spec.norm = normSpec(norm, x);
      of = "_of_" + normName(*spec.norm);
      llvm::append_range(inputs, normParameters(norm));
    } else if (linalg::GenericOp function = source.function()) {
      spec.function = {function.getBody(), function.getNumDpsInputs()};
      of = "_of_function" + std::to_string(functions.number(function));
    }
    auto name = llvm::formatv("quantize_rows_{0}x{1}_group{2}{3}{4}",
                              dimText(spec.rows), columns, group,
                              spec.ordered ? "_ordered" : "", of);
    FlatSymbolRefAttr callee = kernel(name, [&](StringRef name) {
      return emitQuantizeRows(module, name, spec, level);
    });
    SmallVector<Value> outputs{
        emptyRows(x, columns, builder.getI8Type()),
        emptyRows(x, columns / group, builder.getF32Type()),
        emptyRows(x, 2 * columns / group, builder.getI32Type())};
    if (spec.ordered)
      inputs.push_back(op.getOrder());
    LaunchOp quantize = launch(callee, inputs, {}, outputs);
    quantized[op] = llvm::to_vector_of<Value>(quantize.getResults());
    return success();
  }

  LogicalResult outlineOp(LinearOp op) {
    auto weightType = cast<RankedTensorType>(op.getWeight().getType());
    FailureOr<Value> weight = weightBuffer(op, op.getWeight());
    if (failed(weight))
      return failure();
    FormatAttrInterface format = getFormat(weightType);
    LinearSpec spec;
    spec.format = format.getDescription();
    spec.outputs = weightType.getDimSize(0);
    spec.inputs = weightType.getDimSize(1);
    spec.bias = op.getBias() != nullptr;
    SmallVector<Value> inputs;
    if (spec.format.hasCodes()) {
      auto found = quantized.find(op.getX());
      if (found == quantized.end())
        return op.emitError()
               << "expected quantized activations for a weight with codes; run "
                  "lq-cpu-quantize-activations before";
      llvm::append_range(inputs, found->second);
    } else {
      inputs.push_back(toRows(op.getX()));
    }
    Value rows = inputs.front();
    spec.rows = dim(rows, 0);
    spec.maxRows = boundRows(rows);
    inputs.push_back(*weight);
    if (spec.bias)
      inputs.push_back(op.getBias());
    linalg::GenericOp sum;
    if (Value residual = findResidual(op, sum)) {
      spec.residual = true;
      inputs.push_back(toRows(residual));
    }
    auto name = llvm::formatv(
        "linear_{0}_{1}_{2}x{3}{4}{5}", format.getFormatName(),
        dimText(spec.rows), spec.outputs, spec.inputs, spec.bias ? "_bias" : "",
        spec.residual ? "_residual" : "");
    FlatSymbolRefAttr callee = kernel(name, [&](StringRef name) {
      return emitLinear(module, name, spec, level);
    });
    if (sum)
      builder.setInsertionPoint(sum);
    Value output = emptyRows(rows, spec.outputs, builder.getF32Type());
    LaunchOp product =
        launch(callee, inputs, {}, output, scratchBytes(spec, level));
    // Quantized activations have no tensor any more; what they are made of has.
    auto quantize = op.getX().getDefiningOp<QuantizeRowsOp>();
    Value result =
        fromRows(product.getResult(0),
                 quantize ? QuantizedRows(quantize).rows().front() : op.getX());
    if (!sum) {
      op.replaceAllUsesWith(result);
      return success();
    }
    sum.getResult(0).replaceAllUsesWith(result);
    dead.push_back(sum);
    return success();
  }

  /// The other operand of the one sum that the linear's result goes into, to be
  /// added by the kernel; `sum` is that operation.
  Value findResidual(LinearOp op, linalg::GenericOp &sum) {
    if (!op->hasOneUse())
      return {};
    auto generic = dyn_cast<linalg::GenericOp>(*op->user_begin());
    if (!generic || generic.getNumDpsInputs() != 2 ||
        generic->getNumResults() != 1 ||
        generic->getBlock() != op->getBlock() ||
        generic.getResult(0).getType() != op.getType() ||
        !llvm::all_of(generic.getIndexingMapsArray(),
                      [](AffineMap map) { return map.isIdentity(); }))
      return {};
    Block &body = *generic.getBody();
    auto add = dyn_cast<arith::AddFOp>(body.front());
    if (!add || body.getOperations().size() != 2 ||
        body.getTerminator()->getOperand(0) != add.getResult() ||
        !llvm::is_contained(add->getOperands(), body.getArgument(0)) ||
        !llvm::is_contained(add->getOperands(), body.getArgument(1)))
      return {};
    Value other =
        generic.getInputs()[generic.getInputs()[0] == op.getResult() ? 1 : 0];
    if (other == op.getResult() || other.getType() != op.getType())
      return {};
    sum = generic;
    return other;
  }

  NormSpec normSpec(Operation *op, Value x) {
    NormSpec spec;
    spec.columns = lastDim(x);
    spec.rows = dim(x, 0);
    spec.maxRows = boundRows(x);
    spec.beta = normParameters(op).size() > 1;
    spec.centred = isa<LayerNormOp>(op);
    spec.epsilon =
        op->getAttrOfType<FloatAttr>("epsilon").getValue().convertToFloat();
    return spec;
  }

  static std::string normName(const NormSpec &spec) {
    return llvm::formatv("{0}_{1}x{2}_eps{3:e}{4}",
                         spec.centred ? "layer_norm" : "rms_norm",
                         dimText(spec.rows), spec.columns, spec.epsilon,
                         spec.beta ? "_beta" : "");
  }

  /// gamma, [beta]
  static ValueRange normParameters(Operation *op) {
    return op->getOperands().drop_front();
  }

  template <typename Op> LogicalResult outlineNorm(Op op) {
    if (QuantizedRows::isMadeInKernel(op))
      return success();
    Value x = toRows(op.getX());
    NormSpec spec = normSpec(op, x);
    FlatSymbolRefAttr callee = kernel(normName(spec), [&](StringRef name) {
      return emitNorm(module, name, spec, level);
    });
    SmallVector<Value> inputs{x};
    llvm::append_range(inputs, normParameters(op));
    LaunchOp norm = launch(callee, inputs, {},
                           emptyRows(x, spec.columns, builder.getF32Type()));
    op.replaceAllUsesWith(fromRows(norm.getResult(0), op.getX()));
    return success();
  }
  LogicalResult outlineOp(RmsNormOp op) { return outlineNorm(op); }
  LogicalResult outlineOp(LayerNormOp op) { return outlineNorm(op); }

  LogicalResult outlineOp(RopeOp op) {
    Value x = op.getX();
    RopeSpec spec;
    spec.batch = dim(x, 0);
    spec.rows = dim(x, 1);
    spec.heads = dim(x, 2);
    spec.headSize = dim(x, 3);
    spec.pairs = lastDim(op.getCos());
    spec.positions = dim(op.getCos(), 0);
    spec.interleaved = op.getInterleaved();
    auto name = llvm::formatv(
        "rope_{0}x{1}x{2}x{3}_{4}x{5}{6}", dimText(spec.batch),
        dimText(spec.rows), spec.heads, spec.headSize, dimText(spec.positions),
        spec.pairs, spec.interleaved ? "_interleaved" : "");
    FlatSymbolRefAttr callee = kernel(name, [&](StringRef name) {
      return emitRope(module, name, spec, level);
    });
    LaunchOp rope = launch(callee, {x, op.getCos(), op.getSin(), op.getPast()},
                           {}, emptyLike(x));
    op.replaceAllUsesWith(rope.getResult(0));
    return success();
  }

  LogicalResult outlineOp(EmbeddingOp op) {
    auto idsType = cast<RankedTensorType>(op.getIds().getType());
    auto tableType = cast<RankedTensorType>(op.getTable().getType());
    FailureOr<Value> table = weightBuffer(op, op.getTable());
    if (failed(table))
      return failure();
    Value ids = op.getIds();
    if (idsType.getRank() > 1)
      ids = toTensorOfRank(
          ids, {llvm::to_vector(llvm::seq<int64_t>(0, idsType.getRank()))});
    FormatAttrInterface format = getFormat(tableType);
    EmbeddingSpec spec;
    spec.format = format.getDescription();
    spec.tiled = isTiled(tableType);
    spec.vocabulary = tableType.getDimSize(0);
    spec.columns = tableType.getDimSize(1);
    spec.rows = dim(ids, 0);
    spec.maxRows = boundRows(ids);
    spec.idBits = idsType.getElementTypeBitWidth();
    auto name = llvm::formatv("embedding_{0}_{1}_{2}x{3}_i{4}",
                              format.getFormatName(), dimText(spec.rows),
                              spec.vocabulary, spec.columns, spec.idBits);
    FlatSymbolRefAttr callee = kernel(name, [&](StringRef name) {
      return emitEmbedding(module, name, spec, level);
    });
    LaunchOp rows = launch(callee, {ids, *table}, {},
                           emptyRows(ids, spec.columns, builder.getF32Type()));
    op.replaceAllUsesWith(expandIds(rows.getResult(0), op.getIds()));
    return success();
  }

  /// [M, H] as [dimensions of ids..., H].
  Value expandIds(Value rows, Value ids) {
    auto idsType = cast<RankedTensorType>(ids.getType());
    if (idsType.getRank() == 1)
      return rows;
    auto rowsType = cast<RankedTensorType>(rows.getType());
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, ids);
    sizes.push_back(builder.getIndexAttr(rowsType.getDimSize(1)));
    SmallVector<int64_t> shape(idsType.getShape());
    shape.push_back(rowsType.getDimSize(1));
    ReassociationIndices leading =
        llvm::to_vector(llvm::seq<int64_t>(0, idsType.getRank()));
    auto type = RankedTensorType::get(shape, rowsType.getElementType());
    return tensor::ExpandShapeOp::create(
        builder, loc, type, rows,
        ArrayRef<ReassociationIndices>{leading, {idsType.getRank()}}, sizes);
  }

  FlatSymbolRefAttr appendKernel(const AppendSpec &spec) {
    auto name = llvm::formatv(
        "append_{0}_{1}x{2}x{3}x{4}_{5}", spec.cache.keys ? "keys" : "values",
        dimText(spec.batch), dimText(spec.rows), spec.cache.heads,
        spec.cache.headSize, spec.cache.element == Scalar::F16 ? "f16" : "f32");
    return kernel(name, [&](StringRef name) {
      return emitAppend(module, name, spec, level);
    });
  }

  LogicalResult outlineOp(AppendOp op) {
    auto cache =
        SymbolTable::lookupNearestSymbolFrom<CacheOp>(op, op.getCacheAttr());
    AppendSpec spec;
    spec.cache = {cache.getRole() == CacheRole::Keys,
                  static_cast<int64_t>(cache.getHeads()),
                  static_cast<int64_t>(cache.getHeadSize()),
                  cache.getElementType().isF16() ? Scalar::F16 : Scalar::F32};
    spec.batch = dim(op.getX(), 0);
    spec.rows = dim(op.getX(), 1);
    auto bytes = MemRefType::get({ShapedType::kDynamic}, builder.getI8Type());
    Value state = exec::StateOp::create(builder, loc, bytes, op.getCacheAttr());
    launch(appendKernel(spec), {op.getX(), op.getPast()}, state, {});
    buffers[op] = state;
    elements[op] = spec.cache.element;
    return success();
  }

  /// Lays keys or values that are in no cache out as one, in f32.
  Value layOut(Value x, bool keys) {
    AppendSpec spec;
    spec.cache = {keys, dim(x, 2), dim(x, 3), Scalar::F32};
    spec.batch = dim(x, 0);
    spec.rows = dim(x, 1);
    auto index = [&](int64_t value) {
      return arith::ConstantIndexOp::create(builder, loc, value);
    };
    Value positions = tensor::DimOp::create(builder, loc, x, 1);
    Value blocks =
        arith::CeilDivSIOp::create(builder, loc, positions, index(cacheBlock));
    Value bytes = arith::MulIOp::create(
        builder, loc, blocks, index(cacheBytes(spec.cache, cacheBlock)));
    bytes = arith::MulIOp::create(builder, loc, bytes,
                                  tensor::DimOp::create(builder, loc, x, 0));
    Value empty = tensor::EmptyOp::create(
        builder, loc, ArrayRef<OpFoldResult>{bytes}, builder.getI8Type());
    return launch(appendKernel(spec), {x, zero()}, {}, empty).getResult(0);
  }

  LogicalResult outlineOp(AttentionOp op) {
    AttentionSpec spec;
    spec.batch = dim(op.getQ(), 0);
    spec.rows = dim(op.getQ(), 1);
    spec.heads = dim(op.getQ(), 2);
    spec.keyHeads = dim(op.getK(), 2);
    spec.keySize = dim(op.getQ(), 3);
    spec.valueSize = dim(op.getV(), 3);
    spec.scale = op.getScale().convertToFloat();
    spec.causal = op.getPast() != nullptr;
    spec.window = op.getWindow().value_or(0);
    SmallVector<Value> inputs{op.getQ()};
    bool cached = buffers.contains(op.getK());
    spec.element = cached ? elements[op.getK()] : Scalar::F32;
    inputs.push_back(cached ? buffers[op.getK()] : layOut(op.getK(), true));
    inputs.push_back(cached ? buffers[op.getV()] : layOut(op.getV(), false));
    std::string maskText;
    if (Value mask = op.getMask()) {
      auto shape = cast<RankedTensorType>(mask.getType()).getShape();
      if (shape.size() != 4)
        return op.emitError()
               << "expected a mask of rank 4, got " << mask.getType();
      spec.mask.emplace();
      llvm::copy(shape, spec.mask->begin());
      for (int64_t size : shape)
        maskText += "_" + dimText(size);
      inputs.push_back(mask);
    }
    inputs.push_back(op.getPast() ? op.getPast() : missingPast(op));
    int64_t context = boundContext(op, cached);
    std::string windowText =
        spec.window ? "_window" + std::to_string(spec.window) : "";
    auto name = llvm::formatv(
        "attention_{0}x{1}x{2}x{3}_{4}x{5}_{6}{7}{8}_scale{9:e}{10}{11}",
        dimText(spec.batch), dimText(spec.rows), spec.heads, spec.keySize,
        spec.keyHeads, spec.valueSize,
        spec.element == Scalar::F16 ? "f16" : "f32",
        spec.causal ? "_causal" : "", windowText, spec.scale,
        spec.mask ? "_mask" : "", maskText);
    FlatSymbolRefAttr callee = kernel(name, [&](StringRef name) {
      return emitAttention(module, name, spec, level);
    });
    LaunchOp attention =
        launch(callee, inputs, {}, emptyLike(op.getQ(), spec.valueSize),
               scratchBytes(spec, level, context));
    op.replaceAllUsesWith(attention.getResult(0));
    return success();
  }

  /// Positions less rows, which stands for `past` where attention is not
  /// causal.
  Value missingPast(AttentionOp op) {
    Value positions = tensor::DimOp::create(builder, loc, op.getK(), 1);
    Value rows = tensor::DimOp::create(builder, loc, op.getQ(), 1);
    return arith::SubIOp::create(builder, loc, positions, rows);
  }

  /// Most positions that attention can see.
  int64_t boundContext(AttentionOp op, bool cached) {
    if (cached)
      if (auto model = module->getAttrOfType<DictionaryAttr>("lq.model"))
        if (auto context = model.getAs<IntegerAttr>("context"))
          return context.getInt();
    std::optional<exec::Interval> bound = exec::boundDimension(op.getK(), 1);
    return bound ? bound->most : 1;
  }

  func::FuncOp entry;
  ModuleOp module;
  const CpuLevel &level;
  ElementFunctions &functions;
  OpBuilder builder;
  Location loc;
  /// Operations that launches stand for, each after those whose results it
  /// uses.
  SmallVector<Operation *> dead;
  /// Encoded weights and caches, by the tensor that stands for them.
  DenseMap<Value, Value> buffers;
  /// Element types of caches, by the same.
  DenseMap<Value, Scalar> elements;
  /// Codes, scales and sums of quantized activations.
  DenseMap<Value, SmallVector<Value>> quantized;
};

struct OutlineKernelsPass : cpu::impl::OutlineKernelsBase<OutlineKernelsPass> {
  using OutlineKernelsBase::OutlineKernelsBase;

  void runOnOperation() override {
    const CpuLevel *chosen = chooseLevel();
    if (!chosen) {
      getOperation().emitError()
          << "unknown CPU level '" << level << "'; see lq-compile --help";
      return signalPassFailure();
    }
    ElementFunctions functions;
    for (func::FuncOp entry : exec::getEntries(getOperation()))
      if (failed(
              EntryOutliner(entry, getOperation(), *chosen, functions).run()))
        return signalPassFailure();
  }

private:
  const CpuLevel *chooseLevel() {
    if (!level.empty())
      return CpuLevel::find(level);
    for (const CpuLevel &candidate : CpuLevel::all())
      if (candidate.availableOnHost())
        return &candidate;
    return nullptr;
  }
};

} // namespace
