//===- QuantizeRtn.cpp - encode weights by rounding to nearest ------------===//

#include "dialects/common/ModuleWeights.h"
#include "passes/quantize/FormatChoice.h"
#include "passes/quantize/Passes.h"
#include "passes/quantize/Recode.h"
#include "passes/quantize/RoundToNearest.h"
#include "passes/quantize/RowBlocks.h"
#include "passes/quantize/WeightPlaces.h"
#include "passes/quantize/WeightSource.h"

#include "mlir/IR/Threading.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Regex.h"

#include <cmath>
#include <mutex>

namespace lq {
#define GEN_PASS_DEF_QUANTIZERTN
#include "passes/quantize/Passes.h.inc"
} // namespace lq

using namespace mlir;
using namespace lq;

/// `value` for a diagnostic.
static std::string spell(float value) {
  if (std::isnan(value))
    return "nan";
  if (std::isinf(value))
    return value < 0 ? "-inf" : "inf";
  return llvm::formatv("{0:e}", value).str();
}

namespace {
/// The first element of a matrix that cannot be encoded, found by any thread.
class FirstProblem {
public:
  enum Kind { NotFinite, TooLarge };

  void report(int64_t row, int64_t column, Kind newKind, float newValue) {
    std::lock_guard<std::mutex> lock(mutex);
    if (found && std::pair(position[0], position[1]) <= std::pair(row, column))
      return;
    found = true;
    position[0] = row;
    position[1] = column;
    kind = newKind;
    value = newValue;
  }

  /// A diagnostic at the weight if there was a problem.
  LogicalResult diagnose(WeightOp weight, FormatAttrInterface format) const {
    if (!found)
      return success();
    auto error = emitError(weight.getLoc())
                 << "weight @" << weight.getSymName() << " has " << spell(value)
                 << " at [" << position[0] << ", " << position[1] << "]";
    if (kind == NotFinite)
      error << ", which no format can encode; exclude the weight or repair the "
               "model";
    else
      error << ", too large for " << format.getFormatName()
            << "; exclude the weight or choose a wider format";
    return error;
  }

private:
  std::mutex mutex;
  bool found = false;
  int64_t position[2] = {0, 0};
  Kind kind = NotFinite;
  float value = 0;
};

} // namespace

/// Looks for numbers and values that came out infinite.
static void findTooLarge(const FormatDescription &description,
                         ArrayRef<float> weights, const Planes &planes,
                         int64_t firstRow, FirstProblem &problem) {
  for (ArrayRef<float> numbers :
       {ArrayRef(planes.values), ArrayRef(planes.scale.numbers),
        ArrayRef(planes.offset.numbers)}) {
    size_t i = findNotFinite(numbers);
    if (i == numbers.size())
      continue;
    // Numbers follow each other across rows, and so do the weights they serve.
    int64_t numbersOfRow = static_cast<int64_t>(numbers.size()) / planes.rows;
    int64_t width = llvm::divideCeilSigned(planes.columns, numbersOfRow);
    int64_t row = static_cast<int64_t>(i) / numbersOfRow;
    int64_t column = static_cast<int64_t>(i) % numbersOfRow * width;
    ArrayRef<float> group =
        weights.slice(row * planes.columns + column,
                      std::min(width, planes.columns - column));
    const float *largest = llvm::max_element(
        group, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
    return problem.report(firstRow + row, column + (largest - group.begin()),
                          FirstProblem::TooLarge, *largest);
  }
}

/// Reads rows of a weight with an encoding.
static Planes readPlanes(const WeightSource &source, FormatAttrInterface from,
                         int64_t columns, int64_t firstRow, int64_t rows) {
  Planes planes;
  planes.resize(from.getDescription(), rows, columns);
  source.readPlanes(from, firstRow, planes);
  return planes;
}

/// Reads rows of a weight as numbers. `from` is the encoding that it has, or
/// null.
static std::vector<float> readWeights(const WeightSource &source,
                                      FormatAttrInterface from, int64_t columns,
                                      int64_t firstRow, int64_t rows) {
  std::vector<float> weights(rows * columns);
  if (from)
    dequantize(from.getDescription(),
               readPlanes(source, from, columns, firstRow, rows), weights);
  else
    source.readRows(firstRow, weights);
  return weights;
}

/// The factors of scales that all rows of a weight share; none for most
/// formats.
static std::vector<float> findSharedFactors(MLIRContext *context,
                                            const WeightSource &source,
                                            FormatAttrInterface from,
                                            const FormatDescription &format,
                                            int64_t rows, int64_t columns) {
  if (!format.scale.isShared())
    return {};
  std::vector<float> factors(format.superGroupCount(columns));
  constexpr int64_t slab = 64;
  std::mutex mutex;
  parallelFor(context, 0, llvm::divideCeil(rows, slab), [&](size_t i) {
    int64_t first = static_cast<int64_t>(i) * slab;
    std::vector<float> weights =
        readWeights(source, from, columns, first, std::min(slab, rows - first));
    std::vector<float> own(factors.size());
    raiseSharedFactors(format, weights, columns, own);
    std::lock_guard<std::mutex> lock(mutex);
    for (auto [factor, raised] : llvm::zip_equal(factors, own))
      factor = std::max(factor, raised);
  });
  return factors;
}

/// Encodes rows of a weight as a format's storage. `from` is the encoding that it
/// has, or null.
static void encodeRows(const WeightSource &source, FormatAttrInterface from,
                       FormatAttrInterface format,
                       ArrayRef<float> sharedFactors, int64_t columns,
                       int64_t firstRow, int64_t rows,
                       MutableArrayRef<char> storage, FirstProblem &problem) {
  std::vector<float> weights =
      readWeights(source, from, columns, firstRow, rows);
  if (size_t bad = findNotFinite(weights); bad < weights.size()) {
    int64_t position = static_cast<int64_t>(bad);
    return problem.report(firstRow + position / columns, position % columns,
                          FirstProblem::NotFinite, weights[bad]);
  }
  FormatDescription description = format.getDescription();
  Planes planes;
  planes.resize(description, rows, columns);
  for (size_t at = 0;
       at < planes.scale.numbers.size() && !sharedFactors.empty();
       at += sharedFactors.size())
    llvm::copy(sharedFactors, planes.scale.numbers.begin() + at);
  roundToNearest(description, weights, planes);
  findTooLarge(description, weights, planes, firstRow, problem);
  format.encode(planes, storage);
}

/// Whether the weight's bytes are the storage of the format already.
static bool isStoredAs(FormatAttrInterface format, WeightOp weight) {
  Type element = weight.getTensorType().getElementType();
  return !weight.getTransposed() && !element.isF64() &&
         getDenseFormat(element) == format;
}

/// The format or the first of its fallbacks that can have so many columns; null
/// if there is none.
static FormatAttrInterface fitFormat(FormatAttrInterface format,
                                     int64_t columns) {
  while (format && !format.checkColumns(columns).empty())
    format = format.getFallback();
  return format;
}

/// Whether the weight, encoded as `from`, has the same codes in `to` exactly.
static FailureOr<bool> isRecodable(WeightOp weight, FormatAttrInterface from,
                                   FormatAttrInterface to, WeightFiles &files) {
  FormatDescription given = from.getDescription(), wanted = to.getDescription();
  int64_t rows = weight.getTensorType().getDimSize(0);
  int64_t columns = weight.getTensorType().getDimSize(1);
  if (!mayRecode(given, wanted, columns))
    return false;
  FailureOr<WeightSource> source = WeightSource::open(weight, files);
  if (failed(source))
    return failure();
  for (int64_t row = 0; row < rows; ++row) {
    Planes planes = readPlanes(*source, from, columns, row, 1);
    if (!recode(given, wanted, planes))
      return false;
  }
  return true;
}

namespace {

/// Weights that get another format than the one wanted; those that do for the
/// same reason share a remark.
class Fallbacks {
public:
  void add(WeightOp weight, FormatAttrInterface wanted,
           FormatAttrInterface given) {
    int64_t columns = weight.getTensorType().getDimSize(1);
    weights[{wanted, given, columns}].push_back(weight);
  }

  /// Emits the remarks, at the first weight of each; returns how many weights
  /// there are.
  int64_t remark() const {
    int64_t count = 0;
    for (const auto &[key, same] : weights) {
      auto [wanted, given, columns] = key;
      count += static_cast<int64_t>(same.size());
      WeightOp first = same.front();
      auto remark = emitRemark(first.getLoc())
                    << "weight @" << first.getSymName();
      if (same.size() > 1)
        remark << " and " << same.size() - 1 << " more";
      bool one = same.size() == 1;
      remark << " with " << columns << " columns ";
      if (given)
        remark << (one ? "is" : "are") << " encoded as "
               << given.getFormatName();
      else
        remark << (one ? "stays" : "stay") << " dense";
      remark << ", not " << wanted.getFormatName() << ": "
             << wanted.checkColumns(columns);
    }
    return count;
  }

private:
  using Key = std::tuple<FormatAttrInterface, FormatAttrInterface, int64_t>;
  llvm::MapVector<Key, llvm::SmallVector<WeightOp>> weights;
};

/// Weights that keep the encoding that they have.
class KeptWeights {
public:
  void add(WeightOp weight, FormatAttrInterface format) {
    weights[format].push_back(weight);
  }
  bool empty() const { return weights.empty(); }

  /// "@a and 3 more as int4_g32, ...", for a diagnostic.
  std::string describe() const {
    std::string text;
    for (const auto &[format, same] : weights) {
      WeightOp first = same.front();
      text += (text.empty() ? "@" : ", @") + first.getSymName().str();
      if (same.size() > 1)
        text += " and " + std::to_string(same.size() - 1) + " more";
      text += " as " + FormatAttrInterface(format).getFormatName().str();
    }
    return text;
  }

private:
  llvm::MapVector<FormatAttrInterface, llvm::SmallVector<WeightOp>> weights;
};

/// Regular expressions, of which any may match.
struct Patterns {
  std::vector<llvm::Regex> expressions;

  LogicalResult parse(ModuleOp module, StringRef option,
                      ArrayRef<std::string> texts) {
    for (const std::string &text : texts) {
      std::string reason;
      expressions.emplace_back(text);
      if (!expressions.back().isValid(reason))
        return emitError(module.getLoc())
               << "option " << option << ": \"" << text
               << "\" is no regular expression: " << reason;
    }
    return success();
  }
  bool match(StringRef name) const {
    return llvm::any_of(expressions, [&](const llvm::Regex &expression) {
      return expression.match(name);
    });
  }
};

struct QuantizeRtnPass : lq::impl::QuantizeRtnBase<QuantizeRtnPass> {
  using QuantizeRtnBase::QuantizeRtnBase;
  QuantizeRtnPass(QuantizeRtnOptions options, ProgressCallback callback)
      : QuantizeRtnBase(std::move(options)), callback(std::move(callback)) {}

  void runOnOperation() override {
    if (failed(run(getOperation())))
      signalPassFailure();
  }

private:
  /// A weight, the format it gets, and where it has gone.
  struct Job {
    WeightUses uses;
    FormatAttrInterface format;
    /// The encoding that it has now, or null.
    FormatAttrInterface from;
    /// Whether it keeps its codes.
    bool isRecoded = false;
    WeightAddress address;
    /// Whether its bytes are new ones in the archive.
    bool moved = false;
  };

  LogicalResult run(ModuleOp module);
  FailureOr<FormatChoice> findChoice(ModuleOp module);
  FailureOr<std::vector<Job>> chooseWeights(ModuleOp module);
  LogicalResult addEncoded(WeightUses &uses, FormatAttrInterface format,
                           WeightFiles &files, std::vector<Job> &jobs);
  LogicalResult reportKept(ModuleOp module, ArrayRef<Job> jobs);
  LogicalResult encode(Job &job, WeightFiles &files, WeightArchive &archive,
                       StringRef address, Progress &progress);
  LogicalResult encodeAll(ModuleOp module, MutableArrayRef<Job> jobs);
  void report(ArrayRef<Job> jobs);

  ProgressCallback callback;
  /// Weights that are encoded already, otherwise than wanted or as wanted.
  KeptWeights kept, right;
};

} // namespace

FailureOr<FormatChoice> QuantizeRtnPass::findChoice(ModuleOp module) {
  if (std::optional<FormatChoice> found =
          FormatChoice::find(getContext(), format))
    return *found;
  auto error = emitError(module.getLoc())
               << "option format: "
               << (format.empty() ? "it is required"
                                  : "unknown format \"" + format + "\"")
               << ", choose one of ";
  llvm::interleaveComma(FormatChoice::names(getContext()), error);
  return error;
}

/// A weight that is encoded already: it keeps that, or gets another encoding of
/// the same codes, or is rounded again if the user says so.
LogicalResult QuantizeRtnPass::addEncoded(WeightUses &uses,
                                          FormatAttrInterface format,
                                          WeightFiles &files,
                                          std::vector<Job> &jobs) {
  WeightOp weight = uses.weight;
  FormatAttrInterface from = lq::getFormat(weight.getTensorType());
  if (from == format) {
    right.add(weight, from);
    return success();
  }
  FailureOr<bool> same = isRecodable(weight, from, format, files);
  if (failed(same))
    return failure();
  if (*same || requantize)
    jobs.push_back({std::move(uses), format, from, *same, {}, false});
  else
    kept.add(weight, from);
  return success();
}

/// Says which weights are encoded otherwise than wanted: an error if the pass has
/// nothing else to do.
LogicalResult QuantizeRtnPass::reportKept(ModuleOp module, ArrayRef<Job> jobs) {
  if (kept.empty())
    return success();
  bool isAll = jobs.empty() && right.empty();
  Location location = UnknownLoc::get(&getContext());
  InFlightDiagnostic diagnostic =
      isAll ? emitError(module.getLoc()) : emitRemark(location);
  diagnostic << (isAll ? "weights are quantized already: "
                       : "weights that are quantized already stay so: ")
             << kept.describe()
             << "; option requantize rounds the values that they have again";
  return success(!isAll);
}

/// The weights to encode. They are floating point, match the options and have
/// columns for the format or a fallback.
FailureOr<std::vector<QuantizeRtnPass::Job>>
QuantizeRtnPass::chooseWeights(ModuleOp module) {
  FailureOr<FormatChoice> choice = findChoice(module);
  Patterns included, excluded;
  if (failed(choice) || failed(included.parse(module, "include", include)) ||
      failed(excluded.parse(module, "exclude", exclude)))
    return failure();
  std::vector<Job> jobs;
  WeightPlaces places(module);
  Fallbacks fallbacks;
  kept = right = {};
  auto files = openWeightFiles(module);
  if (!files)
    return emitError(module.getLoc()) << llvm::toString(files.takeError());
  // Weights of an earlier pass may lie in the folder of the archive.
  if (llvm::Error error =
          (*files)->allow(llvm::sys::path::parent_path(archive)))
    llvm::consumeError(std::move(error)); // reading one will say so
  for (WeightUses &uses : collectWeightUses(module)) {
    WeightOp weight = uses.weight;
    RankedTensorType type = weight.getTensorType();
    bool isEncoded = type.getEncoding() && !isTiled(type);
    if (uses.matrixUses.empty() ||
        (!isEncoded && !WeightSource::isReadable(type)) ||
        (uses.isTable && !embeddings) ||
        (!include.empty() && !included.match(weight.getSymName())) ||
        excluded.match(weight.getSymName()))
      continue;
    FormatAttrInterface wanted = choice->formatOf(places.placeOf(uses));
    FormatAttrInterface fitting = fitFormat(wanted, type.getDimSize(1));
    size_t count = jobs.size();
    if (isEncoded && fitting &&
        failed(addEncoded(uses, fitting, **files, jobs)))
      return failure();
    if (fitting != wanted && (!isEncoded || jobs.size() > count))
      fallbacks.add(weight, wanted, fitting);
    if (fitting && !isEncoded)
      jobs.push_back({std::move(uses), fitting, {}, false, {}, false});
  }
  if (failed(reportKept(module, jobs)))
    return failure();
  fallbackWeights += fallbacks.remark();
  return jobs;
}

LogicalResult QuantizeRtnPass::encode(Job &job, WeightFiles &files,
                                      WeightArchive &archive, StringRef address,
                                      Progress &progress) {
  WeightOp weight = job.uses.weight;
  RankedTensorType type = weight.getTensorType();
  RowBlocks matrix{type.getDimSize(0), type.getDimSize(1), 1,
                   job.format.getRowBytes(type.getDimSize(1))};
  FailureOr<WeightSource> source = WeightSource::open(weight, files);
  if (failed(source))
    return failure();
  job.address.type =
      RankedTensorType::get(type.getShape(), type.getElementType(), job.format);
  if (!job.from && isStoredAs(job.format, weight)) {
    job.address.file = weight.getFile().str();
    job.address.offset = weight.getOffset();
    progress.advance(weight.getSymName(), type.getNumElements());
    return success();
  }
  FirstProblem problem;
  std::vector<float> sharedFactors = findSharedFactors(
      &getContext(), *source, job.from, job.format.getDescription(),
      matrix.rows, matrix.columns);
  FailureOr<uint64_t> offset = writeRowBlocks(
      weight, weight.getSymName(), matrix, archive, progress,
      [&](int64_t first, int64_t rows, MutableArrayRef<char> storage) {
        if (!job.isRecoded)
          return encodeRows(*source, job.from, job.format, sharedFactors,
                            matrix.columns, first, rows, storage, problem);
        Planes planes =
            readPlanes(*source, job.from, matrix.columns, first, rows);
        recode(job.from.getDescription(), job.format.getDescription(), planes);
        job.format.encode(planes, storage);
      });
  source->release();
  if (failed(offset) || failed(problem.diagnose(weight, job.format)))
    return failure();
  job.address.file = address.str();
  job.address.offset = *offset;
  job.moved = true;
  return success();
}

LogicalResult QuantizeRtnPass::encodeAll(ModuleOp module,
                                         MutableArrayRef<Job> jobs) {
  if (archive.empty())
    return emitError(module.getLoc())
           << "option archive: the file to write encoded "
              "weights to is required";
  auto files = openWeightFiles(module);
  if (!files)
    return emitError(module.getLoc()) << llvm::toString(files.takeError());
  auto output = WeightArchive::append(archive);
  if (!output)
    return emitError(module.getLoc()) << llvm::toString(output.takeError());
  // Weights of an earlier pass may lie in the folder of the archive.
  if (llvm::Error error =
          (*files)->allow(llvm::sys::path::parent_path(archive)))
    return emitError(module.getLoc()) << llvm::toString(std::move(error));
  auto address = (*files)->address(archive);
  if (!address)
    return emitError(module.getLoc()) << llvm::toString(address.takeError());
  int64_t total = 0;
  for (Job &job : jobs)
    total += job.uses.weight.getTensorType().getNumElements();
  Progress meter("quantize", total,
                 callback   ? callback
                 : progress ? printProgress()
                            : ProgressCallback());
  for (Job &job : jobs)
    if (failed(encode(job, **files, **output, *address, meter)))
      return failure();
  if (llvm::none_of(jobs, [](const Job &job) { return job.moved; }))
    return success();
  if (llvm::Error error = (*output)->commit())
    return emitError(module.getLoc()) << llvm::toString(std::move(error));
  return success();
}

void QuantizeRtnPass::report(ArrayRef<Job> jobs) {
  int64_t count = 0, bytes = 0, recoded = 0, again = 0;
  for (const Job &job : jobs) {
    recoded += job.isRecoded;
    again += job.from && !job.isRecoded;
    count += job.address.type.getNumElements();
    bytes += *computeStorageBytes(job.address.type);
  }
  encodedWeights += jobs.size();
  elements += count;
  storageBytes += bytes;
  double bitsPerWeight =
      count > 0 ? 8.0 * static_cast<double>(bytes) / static_cast<double>(count)
                : 0;
  // At the module's own place the whole line of its attributes would be shown.
  auto remark = emitRemark(UnknownLoc::get(&getContext()))
                << "encoded " << jobs.size() << " weights as " << format << ": "
                << count << " elements, "
                << llvm::formatv("{0:f3}", bitsPerWeight).str()
                << " bits per weight";
  if (recoded)
    remark << ", " << recoded << " of them with the codes they had";
  if (again)
    remark << ", " << again << " of them rounded again";
}

LogicalResult QuantizeRtnPass::run(ModuleOp module) {
  FailureOr<std::vector<Job>> jobs = chooseWeights(module);
  if (failed(jobs))
    return failure();
  if (!jobs->empty() && failed(encodeAll(module, *jobs)))
    return failure();
  SymbolTable symbols(module);
  for (Job &job : *jobs)
    moveMatrixUses(job.uses, job.address, symbols, job.format.getFormatName());
  report(*jobs);
  return success();
}

std::unique_ptr<Pass> lq::createQuantizeRtn(QuantizeRtnOptions options,
                                            ProgressCallback progress) {
  return std::make_unique<QuantizeRtnPass>(std::move(options),
                                           std::move(progress));
}
