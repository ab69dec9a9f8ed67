//===- LinearMatrix.cpp - products by matrix instructions -----------------===//
//
// The product is computed as out^T = W x^T: the weight is the operand A of
// mma.m16n8k16, in fragments that a lane makes of its own part of a tile, and
// eight rows of activations are B. So weights pass through registers alone,
// while activations are staged in shared memory for all warps of a block.
//
//===----------------------------------------------------------------------===//

#include "lowering/cuda/kernels/Linear.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lq;
using namespace lq::cuda;

/// Rows of activations of a matrix instruction.
static constexpr int64_t tileTokens = 8;
/// Elements of a copy to shared memory: 16 bytes.
static constexpr int64_t copyElements = 8;
/// Elements between rows in shared memory beside the columns: makes the rows of
/// two tokens, of which eight lanes read together, fall into different banks.
static constexpr int64_t rowPadding = 32;
/// Weights are multiplied in f16 as so many times themselves, so that scales
/// which f16 has few bits for, below 2^-14, become normal numbers.
static constexpr double unit = 256;

namespace {

/// How a block of threads covers its part of the product.
struct Shape {
  /// Warps side by side: over outputs, over rows of activations, over columns.
  int64_t outputWarps, tokenWarps, columnWarps;
  /// Of a warp: row blocks of the weight, and tiles of rows of activations.
  int64_t rowBlocks, tokenTiles;
  /// Column blocks of a warp between two meetings of the block.
  int64_t columnBlocks;

  int64_t warps() const { return outputWarps * tokenWarps * columnWarps; }
  int64_t outputs() const { return outputWarps * rowBlocks * tileRows; }
  int64_t tokens() const { return tokenWarps * tokenTiles * tileTokens; }
  int64_t columns() const { return columnWarps * columnBlocks * tileColumns; }
};

/// Few rows: memory is the bound, so warps divide the columns and each weight is
/// read by many. Many rows: arithmetic is, so a fragment serves as many rows as
/// registers hold sums of.
Shape chooseShape(const LinearSpec &spec) {
  int64_t rows = spec.rows == kDynamic ? spec.maxRows : spec.rows;
  if (rows <= tileTokens)
    return {1, 1, 8, 1, 1, 2};
  if (rows <= 64)
    return {4, 1, 2, 1, (rows + tileTokens - 1) / tileTokens, 2};
  return {4, 2, 1, 2, 8, 2};
}

class Matrix {
public:
  Matrix(KernelBuilder &k, const LinearSpec &spec, const Shape &shape)
      : k(k), kernel(k, spec), shape(shape), place(k),
        rowBytes((shape.columns() + rowPadding) * 2),
        stageBytes(shape.tokens() * rowBytes) {
    Val warp = k.warp();
    outputWarp = warp % shape.outputWarps;
    tokenWarp = warp / shape.outputWarps % shape.tokenWarps;
    columnWarp = warp / (shape.outputWarps * shape.tokenWarps);
    firstToken = k.block(gpu::Dimension::y) * shape.tokens();
    rows = k.size(kernel.out, 0);
    sharedBytes = k.shared({std::max(stages * stageBytes, sumBytes())}, k.i8());
  }

  void emit() {
    Vals sums(shape.rowBlocks * shape.tokenTiles,
              k.zeros(VectorType::get({2, 2}, k.f32())));
    for (const TileRun &run : kernel.layout.runs)
      sums = addRun(run, sums);
    addUpColumns(sums);
  }

private:
  static constexpr int64_t stages = 2;

  KernelBuilder &k;
  LinearKernel kernel;
  Shape shape;
  LanePlace place;
  int64_t rowBytes, stageBytes;
  Val outputWarp, tokenWarp, columnWarp, firstToken, rows, sharedBytes;

  Type f16() { return k.builder().getF16Type(); }

  /// A row block of the warp, which the weight need not have.
  Val rowBlock(int64_t number) {
    return (k.block(gpu::Dimension::x) * shape.outputWarps + outputWarp) *
               shape.rowBlocks +
           number;
  }

  //===--------------------------------------------------------------------===//
  // Activations
  //===--------------------------------------------------------------------===//

  Val stageOf(Val chunk) {
    return k.view(sharedBytes, chunk % stages * stageBytes,
                  {shape.tokens(), shape.columns() + rowPadding}, f16());
  }

  /// Starts to copy a chunk of the run's columns, zeros for what is outside.
  void startCopy(const TileRun &run, Val chunk) {
    Val stage = stageOf(chunk);
    int64_t pieces = shape.columns() / copyElements;
    int64_t threads = shape.warps() * warpThreads;
    int64_t all = shape.tokens() * pieces;
    for (int64_t first = 0; first < all; first += threads) {
      Val piece = k.thread() + first;
      auto copy = [&] {
        Val token = piece / pieces, column = piece % pieces * copyElements;
        Val row = firstToken + token;
        Val ofRun = chunk * shape.columns() + column;
        Val inside = (row < rows) & (ofRun < run.columns);
        Val from =
            ofRun.min(k.index(run.columns - copyElements)) + run.firstColumn;
        k.copyAsync(kernel.x[0], {row.min(rows - 1), from}, stage,
                    {token, column}, copyElements, inside);
      };
      if (first + threads <= all)
        copy();
      else
        k.ifThen(piece < all, copy);
    }
  }

  //===--------------------------------------------------------------------===//
  // Products
  //===--------------------------------------------------------------------===//

  Vals addRun(const TileRun &run, ArrayRef<Val> initial) {
    int64_t chunks = llvm::divideCeil(run.columns, shape.columns());
    startCopy(run, k.index(0));
    k.waitCopies(1);
    return k.forLoop(k.index(0), k.index(chunks), 1, initial,
                     [&](Val chunk, ArrayRef<Val> before) {
                       k.ifThen(chunk + 1 < k.index(chunks),
                                [&] { startCopy(run, chunk + 1); });
                       k.waitCopies(1);
                       k.barrier();
                       Vals sums = addChunk(run, chunk, before);
                       k.barrier();
                       return sums;
                     });
  }

  Vals addChunk(const TileRun &run, Val chunk, ArrayRef<Val> before) {
    Val stage = stageOf(chunk);
    Vals sums(before);
    for (int64_t i = 0; i < shape.columnBlocks; ++i) {
      Val inChunk = columnWarp * shape.columnBlocks + i;
      Val block = chunk * (shape.columns() / tileColumns) + inChunk;
      auto add = [&]() -> Vals {
        Vals next(sums);
        addBlock(run, block, stage, inChunk * tileColumns, next);
        return next;
      };
      if (run.columns % shape.columns() == 0)
        sums = add();
      else
        sums = k.ifElse(block < run.columns / tileColumns, add,
                        [&] { return sums; });
    }
    return sums;
  }

  void addBlock(const TileRun &run, Val number, Val stage, Val column,
                Vals &sums) {
    SmallVector<Vals> weights;
    for (int64_t i = 0; i < shape.rowBlocks; ++i)
      weights.push_back(loadWeights(
          run, number, rowBlock(i).min(k.index(kernel.layout.rowBlocks - 1))));
    for (int64_t tile = 0; tile < shape.tokenTiles; ++tile) {
      Val token = (tokenWarp * shape.tokenTiles + tile) * tileTokens + place.g;
      Val x = k.load(stage, {token, column + place.column()}, 8, 16);
      for (int64_t step : {0, 1})
        for (int64_t i = 0; i < shape.rowBlocks; ++i) {
          Val &sum = sums[i * shape.tokenTiles + tile];
          sum = k.multiplyMatrices(
              ArrayRef(weights[i]).slice(step * 4, 4),
              {x.slice(step * 4, 2), x.slice(step * 4 + 2, 2)}, sum);
        }
    }
  }

  /// The lane's weights of a block, times `unit`: pairs of f16, for each step the
  /// four of a fragment.
  Vals loadWeights(const TileRun &run, Val number, Val rowBlock) {
    FragmentReader reader(k, run, kernel.weight,
                          rowBlock * kernel.layout.rowBlockBytes, place);
    ColumnBlock block = reader.numbers().blockAt(number);
    FragmentReader::Words codes = reader.loadCodes(block);
    Val scale = toHalf(reader.loadScale(block)), offset;
    if (reader.numbers().hasOffset())
      offset = toHalf(reader.loadOffset(block));
    Vals pairs;
    for (auto &words : codes)
      for (int64_t half : {0, 1})
        for (int64_t row : {0, 1})
          pairs.push_back(toWeights(words[row], half, reader.numbers().zero(),
                                    scale.lane(row),
                                    offset ? offset.lane(row) : Val()));
    return pairs;
  }

  Val toHalf(Val numbers) {
    return (numbers * numbers.like(unit)).convert(f16());
  }

  /// Two codes of a word as weights. A code behind the byte 0x64 is 1024 + code
  /// in f16, exactly.
  Val toWeights(Val word, int64_t half, int zero, Val scale, Val offset) {
    Val magic = k.constant(k.i32(), 0x64646464);
    Type pair = k.vector(2, f16());
    Val numbers =
        k.permuteBytes(word, magic, half ? 0x4342 : 0x4140).bitcast(pair);
    Val levels = numbers - numbers.like(1024.0 + zero);
    Val scales = scale.broadcast(pair);
    return offset ? levels.fma(scales, offset.broadcast(pair))
                  : levels * scales;
  }

  //===--------------------------------------------------------------------===//
  // Results
  //===--------------------------------------------------------------------===//

  int64_t sumBytes() const {
    return (shape.columnWarps - 1) * shape.outputWarps * shape.tokenWarps *
           warpThreads * shape.rowBlocks * shape.tokenTiles * 16;
  }

  /// Adds the sums of warps with other columns, through shared memory.
  void addUpColumns(Vals sums) {
    if (shape.columnWarps > 1) {
      int64_t cells = shape.rowBlocks * shape.tokenTiles;
      int64_t lanes = shape.outputWarps * shape.tokenWarps * warpThreads;
      Val partial = k.view(sharedBytes, k.index(0),
                           {shape.columnWarps - 1, cells, lanes * 4}, k.f32());
      Val at = k.thread() % lanes * 4;
      Type flat = k.vector(4, k.f32());
      k.ifThen(k.index(0) < columnWarp, [&] {
        for (int64_t cell = 0; cell < cells; ++cell)
          k.store(k.reshape(sums[cell], flat), partial,
                  {columnWarp - 1, k.index(cell), at}, 16);
      });
      k.barrier();
      k.ifThen(columnWarp == 0, [&] {
        for (int64_t cell = 0; cell < cells; ++cell) {
          Val total = k.reshape(sums[cell], flat);
          for (int64_t warp = 0; warp + 1 < shape.columnWarps; ++warp)
            total = total +
                    k.load(partial, {k.index(warp), k.index(cell), at}, 4, 16);
          sums[cell] = k.reshape(total, sums[cell].type());
        }
        store(sums);
      });
      return;
    }
    store(sums);
  }

  /// Element [i][j] of a sum is output 2 g + i, token 2 c + j.
  void store(ArrayRef<Val> sums) {
    for (int64_t i = 0; i < shape.rowBlocks; ++i) {
      Val block = rowBlock(i);
      for (int64_t tile = 0; tile < shape.tokenTiles; ++tile)
        for (int64_t j : {0, 1}) {
          Val token = firstToken +
                      (tokenWarp * shape.tokenTiles + tile) * tileTokens +
                      place.c * 2 + j;
          Val sum = k.reshape(sums[i * shape.tokenTiles + tile],
                              k.vector(4, k.f32()));
          k.ifThen((token < rows) & (block < kernel.layout.rowBlocks), [&] {
            for (int64_t row : {0, 1})
              kernel.store(sum.lane(row * 2 + j) *
                               k.constant(k.f32(), 1 / unit),
                           token, block * tileRows + place.g * 2 + row);
          });
        }
    }
  }
};

} // namespace

gpu::GPUFuncOp lq::cuda::emitMatrix(gpu::GPUModuleOp module, StringRef name,
                                    const LinearSpec &spec, const Chip &chip) {
  MLIRContext *context = module.getContext();
  Shape shape = chooseShape(spec);
  SmallVector<Type> types = linearTypes(context, spec);
  KernelBuilder k(module, name, chip, types, shape.warps() * warpThreads);
  Matrix(k, spec, shape).emit();
  AffineExpr rows = getAffineDimExpr(0, context);
  return k.finish(
      gridOf(static_cast<int64_t>(types.size()) - 1, 2,
             {getAffineConstantExpr(static_cast<int64_t>(llvm::divideCeil(
                                        spec.outputs, shape.outputs())),
                                    context),
              rows.ceilDiv(shape.tokens())},
             context));
}
