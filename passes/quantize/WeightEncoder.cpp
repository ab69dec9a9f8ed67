//===- WeightEncoder.cpp - weights as a format's storage ------------------===//

#include "passes/quantize/WeightEncoder.h"
#include "dialects/common/ModuleWeights.h"
#include "passes/quantize/ContextThreads.h"
#include "passes/quantize/Recode.h"
#include "passes/quantize/RoundToNearest.h"
#include "passes/quantize/RowBlocks.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

#include <cmath>
#include <mutex>

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

  /// `order`: see WeightQuantizer.
  explicit FirstProblem(ArrayRef<int32_t> order) : order(order) {}

  /// `column` as it is stored.
  void report(int64_t row, int64_t column, Kind newKind, float newValue) {
    if (!order.empty())
      column = order[column];
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
  ArrayRef<int32_t> order;
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

/// Whether the weight's bytes are the storage of the format already.
static bool isStoredAs(FormatAttrInterface format, WeightOp weight) {
  Type element = weight.getTensorType().getElementType();
  return !weight.getTransposed() && !element.isF64() &&
         getDenseFormat(element) == format;
}

/// Rows of a weight in an encoding.
static Planes readPlanes(const WeightSource &source, const EncodingJob &job,
                         int64_t first, int64_t rows) {
  Planes planes;
  FormatAttrInterface from = job.from;
  planes.resize(from.getDescription(), rows, job.columns());
  source.readPlanes(from, first, planes);
  return planes;
}

static void permuteColumns(ArrayRef<int32_t> order,
                           MutableArrayRef<float> rows) {
  std::vector<float> old(order.size());
  for (; !rows.empty(); rows = rows.drop_front(order.size())) {
    llvm::copy(rows.take_front(order.size()), old.begin());
    for (auto [to, from] : llvm::enumerate(order))
      rows[to] = old[from];
  }
}

std::vector<float> WeightEncoder::readRows(const WeightSource &source,
                                           const EncodingJob &job,
                                           int64_t first, int64_t rows,
                                           ArrayRef<int32_t> order) {
  std::vector<float> weights(rows * job.columns());
  if (FormatAttrInterface from = job.from)
    dequantize(from.getDescription(), readPlanes(source, job, first, rows),
               weights);
  else
    source.readRows(first, weights);
  if (!order.empty())
    permuteColumns(order, weights);
  return weights;
}

/// Encodes rows of a weight as a format's storage.
static void encodeRows(const WeightSource &source, const EncodingJob &job,
                       const WeightQuantizer &quantizer,
                       ArrayRef<float> sharedFactors, int64_t firstRow,
                       int64_t rows, MutableArrayRef<char> storage,
                       FirstProblem &problem) {
  int64_t columns = job.columns();
  std::vector<float> weights =
      WeightEncoder::readRows(source, job, firstRow, rows, quantizer.order);
  if (size_t bad = findNotFinite(weights); bad < weights.size()) {
    int64_t position = static_cast<int64_t>(bad);
    return problem.report(firstRow + position / columns, position % columns,
                          FirstProblem::NotFinite, weights[bad]);
  }
  FormatAttrInterface format = job.format;
  FormatDescription description = format.getDescription();
  Planes planes;
  planes.resize(description, rows, columns);
  setSharedFactors(sharedFactors, planes);
  quantizer.quantize(description, weights, planes);
  findTooLarge(description, weights, planes, firstRow, problem);
  format.encode(planes, storage);
}

InFlightDiagnostic WeightEncoder::fail(llvm::Error error) {
  return emitError(module.getLoc()) << llvm::toString(std::move(error));
}

LogicalResult WeightEncoder::open(ArrayRef<EncodingJob> jobs) {
  if (options.archive.empty())
    return emitError(module.getLoc())
           << "option archive: the file to write encoded "
              "weights to is required";
  auto opened = openWeightFiles(module);
  if (!opened)
    return fail(opened.takeError());
  files = std::move(*opened);
  auto output = WeightArchive::append(options.archive);
  if (!output)
    return fail(output.takeError());
  archive = std::move(*output);
  // Weights of an earlier pass may lie in the folder of the archive.
  if (llvm::Error error =
          files->allow(llvm::sys::path::parent_path(options.archive)))
    return fail(std::move(error));
  auto address = files->address(options.archive);
  if (!address)
    return fail(address.takeError());
  archiveAddress = *address;
  int64_t total = 0;
  for (const EncodingJob &job : jobs)
    total += job.rows() * job.columns();
  meter = Progress("quantize", total, options.progress);
  return success();
}

FailureOr<WeightAddress>
WeightEncoder::write(const EncodingJob &job, const WeightQuantizer &quantizer) {
  WeightOp weight = job.weight();
  FormatAttrInterface format = job.format;
  RowBlocks matrix{job.rows(), job.columns(), 1,
                   format.getRowBytes(job.columns())};
  FailureOr<WeightSource> source = WeightSource::open(weight, *files);
  if (failed(source))
    return failure();
  RankedTensorType type = weight.getTensorType();
  type = RankedTensorType::get(type.getShape(), type.getElementType(), format);
  if (!job.from && quantizer.order.empty() && isStoredAs(format, weight)) {
    meter.advance(weight.getSymName(), type.getNumElements());
    return WeightAddress{type, weight.getFile().str(), weight.getOffset()};
  }
  FirstProblem problem(quantizer.order);
  std::vector<float> factors = quantizer.sharedFactors;
  if (factors.empty())
    factors = findSharedFactors(
        format.getDescription(), job.rows(), job.columns(),
        [&](int64_t first, int64_t rows) {
          return readRows(*source, job, first, rows, quantizer.order);
        },
        ContextThreads{module.getContext()});
  FailureOr<uint64_t> offset = writeRowBlocks(
      weight, weight.getSymName(), matrix, *archive, meter,
      [&](int64_t first, int64_t rows, MutableArrayRef<char> storage) {
        if (!job.isRecoded)
          return encodeRows(*source, job, quantizer, factors, first, rows,
                            storage, problem);
        Planes planes = readPlanes(*source, job, first, rows);
        FormatAttrInterface from = job.from;
        recode(from.getDescription(), format.getDescription(), planes);
        format.encode(planes, storage);
      });
  source->release();
  if (failed(offset) || failed(problem.diagnose(weight, format)))
    return failure();
  isWritten = true;
  return WeightAddress{type, archiveAddress, *offset};
}

LogicalResult WeightEncoder::encode(const EncodingJob &job,
                                    const WeightQuantizer &quantizer) {
  FailureOr<WeightAddress> address = write(job, quantizer);
  if (failed(address))
    return failure();
  FormatAttrInterface format = job.format;
  ++totals.weights;
  totals.recoded += job.isRecoded;
  totals.again += job.from && !job.isRecoded;
  totals.elements += address->type.getNumElements();
  totals.bytes += *computeStorageBytes(address->type);
  if (!quantizer.order.empty())
    orders.try_emplace(quantizer.order);
  results.push_back({job.uses, std::move(*address),
                     format.getFormatName().str(), quantizer.order});
  return success();
}

LogicalResult WeightEncoder::writeOrders() {
  for (auto &[columns, order] : orders) {
    auto address =
        writeOrder(columns, *archive, archiveAddress, *module.getContext());
    if (!address)
      return fail(address.takeError());
    order.address = std::move(*address);
  }
  return success();
}

/// Lets the linears of a weight, moved already, read their inputs in its order.
void WeightEncoder::readInOrder(const Result &result, SymbolTable &symbols) {
  Order &order = orders[result.order];
  if (!order.weight)
    order.weight = makeOrderWeight(order.address, result.uses.weight, symbols);
  for (OpOperand *use : result.uses.matrixUses)
    inputs.permute(cast<LinearOp>(use->getOwner()), order.weight);
}

FailureOr<EncodedTotals> WeightEncoder::finish() {
  if (failed(writeOrders()))
    return failure();
  if (isWritten)
    if (llvm::Error error = archive->commit())
      return fail(std::move(error));
  SymbolTable symbols(module);
  for (Result &result : results) {
    moveMatrixUses(result.uses, result.address, symbols, result.suffix);
    if (!result.order.empty())
      readInOrder(result, symbols);
  }
  return totals;
}

void lq::remarkOn(const EncodedTotals &totals, StringRef format,
                  MLIRContext &context) {
  double bitsPerWeight = totals.elements > 0
                             ? 8.0 * static_cast<double>(totals.bytes) /
                                   static_cast<double>(totals.elements)
                             : 0;
  // At the module's own place the whole line of its attributes would be shown.
  auto remark = emitRemark(UnknownLoc::get(&context))
                << "encoded " << totals.weights << " weights as " << format
                << ": " << totals.elements << " elements, "
                << llvm::formatv("{0:f3}", bitsPerWeight).str()
                << " bits per weight";
  if (totals.recoded)
    remark << ", " << totals.recoded << " of them with the codes they had";
  if (totals.again)
    remark << ", " << totals.again << " of them rounded again";
}

FailureOr<EncodedTotals> lq::encodeWeights(
    ModuleOp module, const EncodingOptions &options,
    llvm::function_ref<FailureOr<WeightQuantizer>(EncodingJob &job,
                                                  WeightFiles &files)>
        quantizerOf) {
  FailureOr<WeightChoice> choice = chooseWeights(module, options);
  if (failed(choice))
    return failure();
  EncodedTotals totals;
  if (!choice->jobs.empty()) {
    WeightEncoder encoder(module, options);
    if (failed(encoder.open(choice->jobs)))
      return failure();
    for (EncodingJob &job : choice->jobs) {
      FailureOr<WeightQuantizer> quantizer = WeightQuantizer{};
      if (!job.isRecoded)
        quantizer = quantizerOf(job, encoder.weightFiles());
      if (failed(quantizer) || failed(encoder.encode(job, *quantizer)))
        return failure();
    }
    FailureOr<EncodedTotals> encoded = encoder.finish();
    if (failed(encoded))
      return failure();
    totals = *encoded;
  }
  totals.fallbacks = choice->fallbacks;
  remarkOn(totals, options.format, *module.getContext());
  return totals;
}
