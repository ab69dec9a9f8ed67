//===- DivergenceMeter.cpp - what a changed weight does -------------------===//

#include "passes/allocate/DivergenceMeter.h"

#include "dialects/common/ModuleWeights.h"
#include "dialects/lq/LqOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Threading.h"
#include "passes/calibrate/ModelStatistics.h"
#include "passes/quantize/WeightSource.h"
#include "runtime/Sha256.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace lq;

static constexpr StringLiteral logitsName = "logits";

LogicalResult DivergenceMeter::fail(llvm::Error error) {
  return emitError(model.getLoc()) << llvm::toString(std::move(error));
}

static int64_t elementsOf(ArrayRef<int64_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1),
                         std::multiplies<>());
}

static ArrayRef<float> elementsOf(const TensorView &view) {
  ArrayRef<int64_t> shape(view.shape.data(), view.shape.size());
  return {static_cast<const float *>(view.data),
          static_cast<size_t>(elementsOf(shape))};
}

//===----------------------------------------------------------------------===//
// Divergence
//===----------------------------------------------------------------------===//

/// log(sum e^x) of a row.
static double logSumExp(ArrayRef<float> x) {
  float largest = *llvm::max_element(x);
  double sum = 0;
  for (float each : x)
    sum += std::exp(each - largest);
  return largest + std::log(sum);
}

static double divergenceOf(ArrayRef<float> a, ArrayRef<float> b) {
  double ofA = logSumExp(a), ofB = logSumExp(b), sum = 0;
  for (auto [x, y] : llvm::zip_equal(a, b)) {
    double logA = x - ofA, logB = y - ofB;
    sum += std::exp(static_cast<float>(logA)) * (logA - logB);
  }
  return sum;
}

double lq::sumDivergence(MLIRContext *context, ArrayRef<float> a,
                         ArrayRef<float> b, int64_t columns) {
  std::vector<double> rows(a.size() / columns);
  parallelFor(context, 0, rows.size(), [&](size_t row) {
    rows[row] = divergenceOf(a.slice(row * columns, columns),
                             b.slice(row * columns, columns));
  });
  return std::accumulate(rows.begin(), rows.end(), 0.0);
}

//===----------------------------------------------------------------------===//
// What is to be done
//===----------------------------------------------------------------------===//

/// Whether the block has the weight of a change.
bool DivergenceMeter::isIn(size_t variant, size_t block) const {
  return variant > 0 && SymbolTable::lookupSymbolIn(
                            *blocks[block].module, changes[variant - 1].weight);
}

/// How many variants have a stream that leaves the block: those that begin later
/// are as the model itself so far.
size_t DivergenceMeter::countVariants(size_t block) const {
  return llvm::count_if(firstBlocks,
                        [&](size_t first) { return first <= block; });
}

int64_t DivergenceMeter::costOf(size_t block) const {
  int64_t cost = 1;
  ModuleOp module = *blocks[block].module;
  for (auto weight : module.getOps<WeightOp>())
    if (weight.getTensorType().getRank() == 2)
      cost += weight.getTensorType().getNumElements();
  return cost;
}

LogicalResult DivergenceMeter::prepare() {
  auto opened = openWeightFiles(model);
  if (!opened)
    return fail(opened.takeError());
  files = std::move(*opened);
  FailureOr<ModelInputs> made =
      ModelInputs::create(model, static_cast<int64_t>(samples.front().size()));
  if (failed(made))
    return failure();
  inputs = std::move(*made);
  BlockOptions cut;
  cut.fixed = inputs->dimensions();
  FailureOr<std::vector<ModelBlock>> found = cutIntoBlocks(model, cut);
  if (failed(found))
    return failure();
  blocks = std::move(*found);
  bool hasLogits = false;
  for (ModelBlock &block : blocks)
    dropResults(block, [&](StringRef name) {
      hasLogits |= name == logitsName;
      return name != streamName && name != logitsName;
    });
  if (!hasLogits)
    return emitError(model.getLoc())
           << "the model has no result called \"" << logitsName
           << "\", whose change could be measured";
  firstBlocks = {0};
  for (size_t variant = 1; variant <= changes.size(); ++variant) {
    size_t block = 0;
    while (!isIn(variant, block))
      ++block;
    firstBlocks.push_back(block);
  }
  return success();
}

/// A digest of all that the result depends on. A failure has been diagnosed.
FailureOr<std::string> DivergenceMeter::keyOf() {
  Sha256 digest;
  for (auto weight : model.getOps<WeightOp>()) {
    if (weight.getTensorType().getRank() != 2)
      continue;
    FailureOr<StatisticsWeight> description = describeWeight(weight, *files);
    if (failed(description))
      return failure();
    digest.update(description->name + " " + description->sample + "\n");
  }
  for (const WeightChange &change : changes)
    digest.update(change.weight + "\n" + change.what + "\n");
  for (const std::vector<int32_t> &sample : samples)
    digest.update(
        std::string_view(reinterpret_cast<const char *>(sample.data()),
                         sample.size() * sizeof(int32_t)));
  return digest.hex();
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

/// Gives the weight of a variant the other elements, or its own again.
LogicalResult DivergenceMeter::setChange(size_t block, Executable &executable,
                                         size_t variant, bool isChanged) {
  if (!isIn(variant, block))
    return success();
  const WeightChange &change = changes[variant - 1];
  std::vector<float> values;
  if (isChanged) {
    FailureOr<std::vector<float>> made = change.makeValues();
    if (failed(made))
      return failure();
    values = std::move(*made);
  } else {
    auto weight = model.lookupSymbol<WeightOp>(change.weight);
    FailureOr<WeightSource> source = WeightSource::open(weight, *files);
    if (failed(source))
      return failure();
    values.resize(weight.getTensorType().getNumElements());
    source->readRows(0, values);
    source->release();
  }
  if (llvm::Error error = executable.setWeight(change.weight, values))
    return fail(std::move(error));
  return success();
}

/// Runs a block on a sample, with the stream of the variant or, where it has none
/// yet, that of the model itself.
FailureOr<ArrayRef<TensorView>>
DivergenceMeter::runSample(size_t block, Executable &executable, size_t variant,
                           size_t sample) {
  TensorView entering{};
  if (block > 0) {
    bool isOwn = firstBlocks[variant] < block;
    if (llvm::Error error =
            incoming->read(placeOf(isOwn ? variant : 0, sample, stream.size()),
                           bytesOf(MutableArrayRef(stream))))
      return fail(std::move(error));
    entering = {std::string_view(streamName), ElementType::F32, incomingShape,
                stream.data()};
  }
  auto results = executable.run(
      inputs->gather(*blocks[block].module, samples[sample], entering));
  if (!results)
    return fail(results.takeError());
  return *results;
}

/// Runs all samples of a variant through a block that is not the last.
LogicalResult DivergenceMeter::runVariant(size_t block, Executable &executable,
                                          size_t variant) {
  for (size_t sample = 0; sample < samples.size(); ++sample) {
    auto results = runSample(block, executable, variant, sample);
    if (failed(results))
      return failure();
    const TensorView &leaving = results->front();
    if (!outgoing) {
      outgoingShape.assign(leaving.shape.begin(), leaving.shape.end());
      auto file = PositionedFile::open(streamFile(block + 1));
      if (!file)
        return fail(file.takeError());
      outgoing.emplace(std::move(*file));
    }
    ArrayRef<float> values = elementsOf(leaving);
    if (llvm::Error error = outgoing->write(
            placeOf(variant, sample, values.size()), bytesOf(values)))
      return fail(std::move(error));
    progress->advance(blocks[block].name, costOf(block));
  }
  return success();
}

LogicalResult DivergenceMeter::runBlock(size_t block, Executor &executor) {
  FailureOr<std::unique_ptr<Executable>> executable =
      executor.load(*blocks[block].module);
  if (failed(executable))
    return failure();
  for (size_t variant = 0; variant < firstBlocks.size(); ++variant)
    if (firstBlocks[variant] <= block &&
        (failed(setChange(block, **executable, variant, true)) ||
         failed(runVariant(block, **executable, variant)) ||
         failed(setChange(block, **executable, variant, false))))
      return failure();
  if (llvm::Error error = outgoing->flush())
    return fail(std::move(error));
  if (llvm::Error error = work->advance(outgoingShape))
    return fail(std::move(error));
  outgoing.reset();
  incomingShape = std::exchange(outgoingShape, {});
  return success();
}

FailureOr<ArrayRef<float>> DivergenceMeter::runLogits(Executable &executable,
                                                      size_t variant,
                                                      size_t sample) {
  size_t block = blocks.size() - 1;
  if (failed(setChange(block, executable, variant, true)))
    return failure();
  auto results = runSample(block, executable, variant, sample);
  if (failed(results) || failed(setChange(block, executable, variant, false)))
    return failure();
  progress->advance(blocks[block].name, costOf(block));
  return elementsOf(results->front());
}

/// The last block gives logits, which are compared right away.
LogicalResult DivergenceMeter::runLast(Executor &executor) {
  FailureOr<std::unique_ptr<Executable>> executable =
      executor.load(*blocks.back().module);
  if (failed(executable))
    return failure();
  divergences.assign(changes.size(), 0);
  int64_t tokens = static_cast<int64_t>(samples.front().size());
  for (size_t sample = 0; sample < samples.size(); ++sample) {
    FailureOr<ArrayRef<float>> logits = runLogits(**executable, 0, sample);
    if (failed(logits))
      return failure();
    std::vector<float> own = logits->vec();
    int64_t columns = static_cast<int64_t>(own.size()) / tokens;
    for (size_t variant = 1; variant < firstBlocks.size(); ++variant) {
      logits = runLogits(**executable, variant, sample);
      if (failed(logits))
        return failure();
      divergences[variant - 1] +=
          sumDivergence(model.getContext(), own, *logits, columns);
    }
  }
  for (double &divergence : divergences)
    divergence /= static_cast<double>(samples.size()) * double(tokens);
  return success();
}

FailureOr<std::vector<double>>
DivergenceMeter::measure(ArrayRef<std::vector<int32_t>> tokens,
                         ArrayRef<WeightChange> list) {
  samples = tokens;
  changes = list;
  if (failed(prepare()))
    return failure();
  FailureOr<std::string> key = keyOf();
  if (failed(key))
    return failure();
  auto opened = WorkState::open(options.work, *key);
  if (!opened)
    return fail(opened.takeError());
  work = std::move(*opened);
  incomingShape = work->shape();
  int64_t total = 0;
  for (size_t block = work->finished(); block < blocks.size(); ++block)
    total += costOf(block) *
             static_cast<int64_t>(samples.size() * countVariants(block));
  progress.emplace("measure", total, options.progress);
  std::unique_ptr<Executor> executor =
      executors.create({work->path(), /*threads=*/0});
  for (size_t block = work->finished(); block < blocks.size(); ++block) {
    if (block > 0) {
      auto file = PositionedFile::open(streamFile(block));
      if (!file)
        return fail(file.takeError());
      incoming.emplace(std::move(*file));
      stream.resize(elementsOf(incomingShape));
    }
    bool isLast = block + 1 == blocks.size();
    if (failed(isLast ? runLast(*executor) : runBlock(block, *executor)))
      return failure();
    incoming.reset();
    llvm::sys::fs::remove(streamFile(block));
  }
  work->remove();
  return divergences;
}
