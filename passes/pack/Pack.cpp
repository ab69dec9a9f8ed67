//===- Pack.cpp - lay weights out as the kernels read them ----------------===//

#include "dialects/common/ModuleWeights.h"
#include "dialects/lq/Tile.h"
#include "passes/pack/Passes.h"
#include "passes/quantize/RowBlocks.h"
#include "passes/quantize/WeightSource.h"
#include "passes/quantize/WeightUses.h"

#include "llvm/Support/Path.h"

namespace lq {
#define GEN_PASS_DEF_PACK
#include "passes/pack/Passes.h.inc"
} // namespace lq

using namespace mlir;
using namespace lq;

namespace {

/// Writes the weights of a module to their new archive.
class Packer {
public:
  Packer(WeightFiles &files, WeightArchive &archive, StringRef address,
         Progress &progress)
      : files(files), archive(archive), address(address), progress(progress) {}

  /// The weight in tiles, for its matrix uses.
  FailureOr<WeightAddress> packTiled(WeightOp weight);
  /// The weight as dense elements of type `element`: its own, or f32.
  FailureOr<WeightAddress> packDense(WeightOp weight, Type element);

private:
  FailureOr<WeightAddress> copy(WeightOp weight, const WeightSource &source,
                                RankedTensorType type);
  FailureOr<WeightAddress> write(WeightOp weight, const WeightSource &source,
                                 RankedTensorType type, const RowBlocks &matrix,
                                 EncodeRows encode);

  WeightFiles &files;
  WeightArchive &archive;
  StringRef address;
  Progress &progress;
};

} // namespace

/// Reads rows of a weight into planes, be it encoded or dense.
static void readPlanes(const WeightSource &source, RankedTensorType type,
                       FormatAttrInterface format, int64_t first,
                       Planes &planes) {
  if (type.getEncoding())
    source.readPlanes(format, first, planes);
  else
    source.readRows(first, planes.values);
}

/// The format in which a weight goes into tiles.
static FailureOr<FormatAttrInterface> findTileFormat(WeightOp weight) {
  RankedTensorType type = weight.getTensorType();
  FormatAttrInterface format = type.getEncoding()
                                   ? lq::getFormat(type)
                                   : getDenseFormat(type.getElementType());
  if (!format)
    return emitError(weight.getLoc())
           << "weight @" << weight.getSymName() << " of " << type
           << " has no format to be packed in; quantize it first";
  std::string reason = type.getRank() == 2 ? checkTiles(format.getDescription(),
                                                        type.getDimSize(1))
                                           : std::string();
  if (!reason.empty())
    return emitError(weight.getLoc())
           << "weight @" << weight.getSymName() << " of format "
           << format.getFormatName() << " cannot be packed: " << reason;
  return format;
}

/// Whether the op reads this operand as floating-point numbers of any width.
static bool acceptsF32(OpOperand *use) {
  return isa<LinearOp, RmsNormOp, LayerNormOp, RopeOp>(use->getOwner());
}

/// The element type in which the other uses of a weight get it.
static Type denseElement(WeightUses &uses) {
  RankedTensorType type = uses.weight.getTensorType();
  if (WeightSource::isReadable(type) &&
      llvm::all_of(uses.otherUses, acceptsF32))
    return Float32Type::get(type.getContext());
  return type.getElementType();
}

/// The other uses of a weight can read it only if it has no encoding.
static LogicalResult checkReadable(WeightUses &uses) {
  if (!uses.weight.getTensorType().getEncoding())
    return success();
  auto error = emitError(uses.weight.getLoc())
               << "weight @" << uses.weight.getSymName()
               << " is encoded, which only lq.linear and lq.embedding read";
  error.attachNote(uses.otherUses.front()->getOwner()->getLoc())
      << "it is read here";
  return error;
}

namespace {

struct PackPass : lq::impl::PackBase<PackPass> {
  using PackBase::PackBase;
  PackPass(PackOptions options, ProgressCallback callback)
      : PackBase(std::move(options)), callback(std::move(callback)) {}

  void runOnOperation() override {
    if (failed(run(getOperation())))
      signalPassFailure();
  }

private:
  /// A weight and where its uses find it from now on.
  struct Job {
    WeightUses uses;
    std::optional<WeightAddress> tiled, dense;
  };

  LogicalResult run(ModuleOp module);
  LogicalResult packAll(ModuleOp module, MutableArrayRef<Job> jobs);
  LogicalResult pack(Job &job, Packer &packer);
  void apply(Job &job, SymbolTable &symbols);

  ProgressCallback callback;
};

} // namespace

FailureOr<WeightAddress> Packer::copy(WeightOp weight,
                                      const WeightSource &source,
                                      RankedTensorType type) {
  auto offset = archive.add(source.bytes());
  if (!offset) {
    emitError(weight.getLoc()) << llvm::toString(offset.takeError());
    return failure();
  }
  source.release();
  progress.advance(weight.getSymName(), type.getNumElements());
  return WeightAddress{type, address.str(), *offset};
}

FailureOr<WeightAddress> Packer::write(WeightOp weight,
                                       const WeightSource &source,
                                       RankedTensorType type,
                                       const RowBlocks &matrix,
                                       EncodeRows encode) {
  FailureOr<uint64_t> offset = writeRowBlocks(
      weight, weight.getSymName(), matrix, archive, progress, encode);
  source.release();
  if (failed(offset))
    return failure();
  return WeightAddress{type, address.str(), *offset};
}

FailureOr<WeightAddress> Packer::packTiled(WeightOp weight) {
  RankedTensorType type = weight.getTensorType();
  FailureOr<WeightSource> source = WeightSource::open(weight, files);
  if (failed(source))
    return failure();
  if (isTiled(type))
    return copy(weight, *source, type);
  FailureOr<FormatAttrInterface> format = findTileFormat(weight);
  if (failed(format))
    return failure();
  FormatDescription description = format->getDescription();
  int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
  RowBlocks matrix{rows, columns, tileRows,
                   getTileLayout(description, rows, columns).rowBlockBytes};
  auto tiled =
      RankedTensorType::get(type.getShape(), type.getElementType(),
                            TiledAttr::get(weight.getContext(), *format));
  return write(weight, *source, tiled, matrix,
               [&](int64_t first, int64_t count, MutableArrayRef<char> tiles) {
                 Planes planes;
                 planes.resize(description, count, columns);
                 readPlanes(*source, type, *format, first, planes);
                 packTiles(description, planes, 0, tiles);
               });
}

FailureOr<WeightAddress> Packer::packDense(WeightOp weight, Type element) {
  RankedTensorType type = weight.getTensorType();
  FailureOr<WeightSource> source = WeightSource::open(weight, files);
  if (failed(source))
    return failure();
  auto dense = RankedTensorType::get(type.getShape(), element);
  bool same = element == type.getElementType();
  if (same && !weight.getTransposed())
    return copy(weight, *source, dense);
  int64_t columns = type.getRank() == 2 ? type.getDimSize(1) : 1;
  int64_t rows = columns > 0 ? type.getNumElements() / columns : 0;
  RowBlocks matrix{rows, columns, 1,
                   columns * element.getIntOrFloatBitWidth() / 8};
  return write(weight, *source, dense, matrix,
               [&](int64_t first, int64_t count, MutableArrayRef<char> bytes) {
                 if (same)
                   return source->readTransposed(first, bytes);
                 source->readRows(first,
                                  {reinterpret_cast<float *>(bytes.data()),
                                   static_cast<size_t>(count * columns)});
               });
}

LogicalResult PackPass::pack(Job &job, Packer &packer) {
  WeightUses &uses = job.uses;
  // Dense before tiled: the order of the two weights that it becomes.
  if (!uses.otherUses.empty()) {
    if (failed(checkReadable(uses)))
      return failure();
    FailureOr<WeightAddress> dense =
        packer.packDense(uses.weight, denseElement(uses));
    if (failed(dense))
      return failure();
    job.dense = std::move(*dense);
  }
  if (uses.matrixUses.empty())
    return success();
  FailureOr<WeightAddress> tiled = packer.packTiled(uses.weight);
  if (failed(tiled))
    return failure();
  job.tiled = std::move(*tiled);
  return success();
}

LogicalResult PackPass::packAll(ModuleOp module, MutableArrayRef<Job> jobs) {
  auto fail = [&](llvm::Error error) {
    return emitError(module.getLoc()) << llvm::toString(std::move(error));
  };
  if (archive.empty())
    return emitError(module.getLoc())
           << "option archive: the file to write packed weights to is required";
  auto files = openWeightFiles(module);
  if (!files)
    return fail(files.takeError());
  auto output = WeightArchive::create(archive);
  if (!output)
    return fail(output.takeError());
  // Weights of an earlier pass may lie in the folder of the archive.
  if (llvm::Error error =
          (*files)->allow(llvm::sys::path::parent_path(archive)))
    return fail(std::move(error));
  auto address = (*files)->address(archive);
  if (!address)
    return fail(address.takeError());
  int64_t total = 0;
  for (Job &job : jobs)
    total += job.uses.weight.getTensorType().getNumElements() *
             (!job.uses.matrixUses.empty() + !job.uses.otherUses.empty());
  Progress meter("pack", total,
                 callback   ? callback
                 : progress ? printProgress()
                            : ProgressCallback());
  Packer packer(**files, **output, *address, meter);
  for (Job &job : jobs)
    if (failed(pack(job, packer)))
      return failure();
  if (llvm::Error error = (*output)->commit())
    return fail(std::move(error));
  archiveBytes += (*output)->size();
  return success();
}

void PackPass::apply(Job &job, SymbolTable &symbols) {
  if (job.tiled) {
    ++tiledWeights;
    moveMatrixUses(job.uses, *job.tiled, symbols, "tiled");
  }
  if (job.dense) {
    ++denseWeights;
    moveWeight(job.uses, *job.dense);
  }
  eraseUnusedGets(job.uses);
  if (!job.tiled && !job.dense) {
    ++droppedWeights;
    symbols.erase(job.uses.weight);
  }
}

LogicalResult PackPass::run(ModuleOp module) {
  std::vector<Job> jobs;
  for (WeightUses &uses : collectWeightUses(module))
    jobs.push_back({std::move(uses), {}, {}});
  if (failed(packAll(module, jobs)))
    return failure();
  SymbolTable symbols(module);
  for (Job &job : jobs)
    apply(job, symbols);
  return success();
}

std::unique_ptr<Pass> lq::createPack(PackOptions options,
                                     ProgressCallback progress) {
  return std::make_unique<PackPass>(std::move(options), std::move(progress));
}
