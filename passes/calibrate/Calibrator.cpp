//===- Calibrator.cpp - runs a model over samples -------------------------===//

#include "passes/calibrate/Calibrator.h"

#include "dialects/common/ModuleWeights.h"
#include "dialects/lq/LqOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/calibrate/ModelStatistics.h"
#include "runtime/Sha256.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace lq;

LogicalResult Calibrator::fail(llvm::Error error) {
  return emitError(model.getLoc()) << llvm::toString(std::move(error));
}

static int64_t elementsOf(ArrayRef<int64_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1),
                         std::multiplies<>());
}

//===----------------------------------------------------------------------===//
// What is to be done
//===----------------------------------------------------------------------===//

/// What a sample costs in a block, in multiplications a token.
int64_t Calibrator::costOf(size_t block) const {
  int64_t cost = 1;
  ModuleOp module = *blocks[block].module;
  for (auto weight : module.getOps<WeightOp>())
    if (weight.getTensorType().getRank() == 2)
      cost += weight.getTensorType().getNumElements();
  for (const Tap &tap : taps[block])
    cost += options.hasProducts ? tap.columns * tap.columns / 2 : 0;
  return cost;
}

LogicalResult Calibrator::prepare() {
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
  for (ModelBlock &block : blocks) {
    FailureOr<std::vector<Tap>> added = addTaps(block);
    if (failed(added))
      return failure();
    taps.push_back(std::move(*added));
    // The logits themselves are of no use.
    dropResults(block, [&](StringRef name) {
      return name != streamName && llvm::none_of(taps.back(), [&](Tap &tap) {
               return tap.result == name;
             });
    });
  }
  // What comes after the last linear need not be computed.
  while (!blocks.empty() && taps.back().empty()) {
    blocks.pop_back();
    taps.pop_back();
  }
  if (!blocks.empty())
    dropResults(blocks.back(),
                [](StringRef name) { return name == streamName; });
  return describeInputs();
}

/// Fills in what the file says of itself.
LogicalResult Calibrator::describeInputs() {
  auto files = openWeightFiles(model);
  if (!files)
    return fail(files.takeError());
  int64_t tokens =
      static_cast<int64_t>(samples.size() * samples.front().size());
  llvm::StringMap<std::string> inputOf;
  for (auto [block, own] : llvm::zip_equal(blocks, taps)) {
    firstInput.push_back(header.inputs.size());
    for (const Tap &tap : own) {
      header.inputs.push_back(
          {tap.weights.front(), tap.columns, tokens, tap.weights});
      for (const std::string &name : tap.weights) {
        auto weight = model.lookupSymbol<WeightOp>(name);
        if (!inputOf.try_emplace(name, block.name).second)
          return emitError(weight.getLoc())
                 << "weight @" << name
                 << " is multiplied by several values, in " << inputOf[name]
                 << " and in " << block.name
                 << "; lq cannot calibrate weights that layers share";
        FailureOr<StatisticsWeight> description =
            describeWeight(weight, **files);
        if (failed(description))
          return failure();
        header.weights.push_back(std::move(*description));
      }
    }
  }
  if (header.inputs.empty())
    return emitError(model.getLoc())
           << "the model has no linear whose input could be calibrated";
  header.hasSumXX = options.hasProducts;
  header.text = options.text;
  return success();
}

/// A digest of all that the statistics depend on.
static std::string keyOf(const StatisticsHeader &header,
                         ArrayRef<ModelBlock> blocks,
                         ArrayRef<std::vector<int32_t>> samples) {
  Sha256 digest;
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << header.hasSumXX << header.text;
  for (const StatisticsWeight &weight : header.weights)
    stream << weight.name << " " << weight.sample << "\n";
  for (const ModelBlock &block : blocks)
    (*block.module)->walk([&](Operation *op) {
      // Where weights lie may change from run to run.
      if (!isa<WeightOp, ModuleOp>(op))
        stream << op->getName() << op->getAttrDictionary();
    });
  digest.update(text);
  for (const std::vector<int32_t> &sample : samples)
    digest.update(
        std::string_view(reinterpret_cast<const char *>(sample.data()),
                         sample.size() * sizeof(int32_t)));
  return digest.hex();
}

LogicalResult Calibrator::openWork() {
  auto opened = WorkState::open(options.work, keyOf(header, blocks, samples));
  if (!opened)
    return fail(opened.takeError());
  work = std::move(*opened);
  if (size_t finished = work->finished())
    emitRemark(UnknownLoc::get(model.getContext()))
        << "go on after " << std::min(finished, blocks.size()) << " of "
        << blocks.size() << " blocks, which " << work->path() << " has";
  incomingShape = work->shape();
  return success();
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

LogicalResult Calibrator::run(ArrayRef<std::vector<int32_t>> tokens) {
  samples = tokens;
  if (!options.format.empty()) {
    FailureOr<SequentialGptq> made =
        SequentialGptq::create(model, options.format);
    if (failed(made))
      return failure();
    gptq.emplace(std::move(*made));
  }
  if (failed(prepare()) || failed(openWork()))
    return failure();
  int64_t total = 0;
  for (size_t i = 0; i < blocks.size(); ++i)
    total += runsOf(i) * costOf(i) * static_cast<int64_t>(samples.size());
  progress.emplace("calibrate", total, std::move(callback));
  auto writer = StatisticsWriter::open(work->file("statistics"), header);
  if (!writer)
    return fail(writer.takeError());
  std::unique_ptr<Executor> executor =
      executors.create({work->path(), /*threads=*/0});
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i < work->finished())
      progress->skip(runsOf(i) * costOf(i) *
                     static_cast<int64_t>(samples.size()));
    else if (failed(runBlock(i, *executor, *writer)))
      return failure();
  }
  if (llvm::Error error = writer->commit(options.output))
    return fail(std::move(error));
  work->remove();
  return success();
}

LogicalResult Calibrator::openIncoming(size_t block) {
  if (block == 0)
    return success();
  auto file = PositionedFile::open(streamFile(block));
  if (!file)
    return fail(file.takeError());
  incoming.emplace(std::move(*file));
  stream.resize(elementsOf(incomingShape));
  return success();
}

/// Keeps what the block gave, and forgets what it took.
LogicalResult Calibrator::finishBlock(size_t block) {
  if (outgoing)
    if (llvm::Error error = outgoing->flush())
      return fail(std::move(error));
  if (llvm::Error error = work->advance(outgoingShape))
    return fail(std::move(error));
  if (block > 0)
    llvm::sys::fs::remove(streamFile(block));
  incoming.reset();
  outgoing.reset();
  incomingShape = std::exchange(outgoingShape, {});
  return success();
}

LogicalResult Calibrator::runSamples(size_t block, Executable &executable,
                                     size_t firstTap,
                                     std::vector<InputSums> &sums) {
  for (size_t sample = 0; sample < samples.size(); ++sample) {
    if (failed(runSample(block, sample, executable, firstTap, sums)))
      return failure();
    progress->advance(blocks[block].name, costOf(block));
  }
  return success();
}

LogicalResult Calibrator::runBlock(size_t block, Executor &executor,
                                   StatisticsWriter &writer) {
  if (failed(openIncoming(block)))
    return failure();
  if (gptq)
    return success(succeeded(runQuantized(block, executor, writer)) &&
                   succeeded(finishBlock(block)));
  FailureOr<std::unique_ptr<Executable>> executable =
      executor.load(*blocks[block].module);
  if (failed(executable))
    return failure();
  std::vector<InputSums> sums;
  for (const Tap &tap : taps[block])
    sums.emplace_back(tap.columns, options.hasProducts);
  return success(succeeded(runSamples(block, **executable, 0, sums)) &&
                 succeeded(writeSums(block, 0, sums, writer)) &&
                 succeeded(finishBlock(block)));
}

/// A block of which only one result is left, with weights that are quantized
/// already.
FailureOr<std::unique_ptr<Executable>>
Calibrator::loadPart(size_t block, StringRef result, Executor &executor,
                     const llvm::StringMap<std::vector<float>> &quantized) {
  ModelBlock part{blocks[block].name, blocks[block].layer,
                  blocks[block].module->clone()};
  dropResults(part, [&](StringRef name) { return name != result; });
  FailureOr<std::unique_ptr<Executable>> executable =
      executor.load(*part.module);
  if (failed(executable))
    return failure();
  for (const auto &[name, values] : quantized)
    if (SymbolTable::lookupSymbolIn(*part.module, name))
      if (llvm::Error error = (*executable)->setWeight(name, values))
        return fail(std::move(error));
  return executable;
}

/// Sees the inputs of a block one after another, and quantizes the weights of each
/// before it goes on to the next.
LogicalResult Calibrator::runQuantized(size_t block, Executor &executor,
                                       StatisticsWriter &writer) {
  llvm::StringMap<std::vector<float>> quantized;
  for (auto [i, tap] : llvm::enumerate(taps[block])) {
    FailureOr<std::unique_ptr<Executable>> executable =
        loadPart(block, tap.result, executor, quantized);
    std::vector<InputSums> sums;
    sums.emplace_back(tap.columns, options.hasProducts);
    if (failed(executable) ||
        failed(runSamples(block, **executable, i, sums)) ||
        failed(writeSums(block, i, sums, writer)))
      return failure();
    InputStatistics input = sums.front().finish(tap.weights.front());
    for (const std::string &weight : tap.weights) {
      FailureOr<std::vector<float>> values = gptq->quantize(weight, input);
      if (failed(values))
        return failure();
      if (!values->empty())
        quantized[weight] = std::move(*values);
    }
  }
  if (block + 1 == blocks.size())
    return success();
  FailureOr<std::unique_ptr<Executable>> executable =
      loadPart(block, streamName, executor, quantized);
  std::vector<InputSums> none;
  return failed(executable) ? failure()
                            : runSamples(block, **executable, 0, none);
}

LogicalResult Calibrator::keepStream(size_t block, size_t sample,
                                     const TensorView &view) {
  outgoingShape.assign(view.shape.begin(), view.shape.end());
  int64_t elements = elementsOf(outgoingShape);
  if (!outgoing) {
    auto file = PositionedFile::open(streamFile(block + 1));
    if (!file)
      return fail(file.takeError());
    outgoing.emplace(std::move(*file));
  }
  ArrayRef values(static_cast<const float *>(view.data), elements);
  if (llvm::Error error = outgoing->write(
          sample * values.size() * sizeof(float), bytesOf(values)))
    return fail(std::move(error));
  return success();
}

/// Says where an input is not finite.
LogicalResult Calibrator::checkFinite(size_t block, size_t sample, size_t tap,
                                      const TensorView &x) {
  const auto *values = static_cast<const float *>(x.data);
  int64_t columns = taps[block][tap].columns, bad = 0;
  while (std::isfinite(values[bad]))
    ++bad;
  const std::string &name = taps[block][tap].weights.front();
  return emitError(model.lookupSymbol(name)->getLoc())
         << "the input of weight @" << name << " in " << blocks[block].name
         << " is " << (std::isnan(values[bad]) ? "nan" : "infinite")
         << " at element " << bad % columns << " of token " << bad / columns
         << " in sample " << sample
         << "; the model, or the weights before, are damaged";
}

LogicalResult Calibrator::runSample(size_t block, size_t sample,
                                    Executable &executable, size_t firstTap,
                                    std::vector<InputSums> &sums) {
  TensorView entering{};
  if (incoming) {
    if (llvm::Error error =
            incoming->read(sample * stream.size() * sizeof(float),
                           bytesOf(MutableArrayRef(stream))))
      return fail(std::move(error));
    entering = {std::string_view(streamName), ElementType::F32, incomingShape,
                stream.data()};
  }
  auto outputs = executable.run(
      inputs->gather(*blocks[block].module, samples[sample], entering));
  if (!outputs)
    return fail(outputs.takeError());
  std::vector<InputSums *> targets;
  std::vector<ArrayRef<float>> values;
  std::vector<const TensorView *> views;
  for (const TensorView &output : *outputs) {
    if (output.name == std::string_view(streamName)) {
      if (failed(keepStream(block, sample, output)))
        return failure();
      continue;
    }
    targets.push_back(&sums[targets.size()]);
    views.push_back(&output);
    values.emplace_back(
        static_cast<const float *>(output.data),
        elementsOf(ArrayRef(output.shape.data(), output.shape.size())));
  }
  if (auto bad = addInputs(model.getContext(), targets, values))
    return checkFinite(block, sample, firstTap + *bad, *views[*bad]);
  return success();
}

LogicalResult Calibrator::writeSums(size_t block, size_t firstTap,
                                    std::vector<InputSums> &sums,
                                    StatisticsWriter &writer) {
  for (auto [i, sum] : llvm::enumerate(sums))
    if (llvm::Error error =
            writer.write(firstInput[block] + firstTap + i,
                         sum.finish(taps[block][firstTap + i].weights.front())))
      return fail(std::move(error));
  if (llvm::Error error = writer.flush())
    return fail(std::move(error));
  return success();
}
