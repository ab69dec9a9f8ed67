//===- BlockMeter.cpp - what other weights do to a block's output ---------===//

#include "passes/awq/BlockMeter.h"

#include "dialects/lq/LqOps.h"
#include "mlir/IR/SymbolTable.h"

#include <numeric>

using namespace mlir;
using namespace lq;

LogicalResult BlockMeter::fail(llvm::Error error) {
  return emitError(model.getLoc()) << llvm::toString(std::move(error));
}

FailureOr<std::unique_ptr<BlockMeter>>
BlockMeter::create(ModuleOp model, std::vector<std::vector<int32_t>> samples,
                   const ExecutorProvider &executors,
                   llvm::StringRef workFolder) {
  std::unique_ptr<BlockMeter> meter(new BlockMeter(model));
  meter->samples = std::move(samples);
  FailureOr<ModelInputs> inputs = ModelInputs::create(
      model, static_cast<int64_t>(meter->samples.front().size()));
  if (failed(inputs))
    return failure();
  meter->inputs = std::move(*inputs);
  BlockOptions cut;
  cut.fixed = meter->inputs->dimensions();
  FailureOr<std::vector<ModelBlock>> blocks = cutIntoBlocks(model, cut);
  if (failed(blocks))
    return failure();
  meter->blocks = std::move(*blocks);
  for (ModelBlock &block : meter->blocks)
    dropResults(block, [](llvm::StringRef name) { return name != streamName; });
  meter->executor = executors.create({workFolder.str(), /*threads=*/0});
  if (meter->blocks.size() > 1 && failed(meter->load(0)))
    return failure();
  return meter;
}

/// Compiles a block and runs it on what enters it.
LogicalResult BlockMeter::load(size_t block) {
  current = block;
  // The last block's memory first.
  executable.reset();
  FailureOr<std::unique_ptr<Executable>> loaded =
      executor->load(*blocks[block].module);
  if (failed(loaded))
    return failure();
  executable = std::move(*loaded);
  incoming = std::exchange(outgoing, {});
  incomingShape = std::exchange(outgoingShape, {});
  for (size_t sample = 0; sample < samples.size(); ++sample) {
    FailureOr<ArrayRef<float>> output = run(sample);
    if (failed(output))
      return failure();
    outgoing.push_back(output->vec());
  }
  return success();
}

FailureOr<ArrayRef<float>> BlockMeter::run(size_t sample) {
  TensorView stream{};
  if (!incoming.empty())
    stream = {std::string_view(streamName), ElementType::F32, incomingShape,
              incoming[sample].data()};
  auto results = executable->run(
      inputs->gather(*blocks[current].module, samples[sample], stream));
  if (!results)
    return fail(results.takeError());
  const TensorView &output = results->front();
  outgoingShape.assign(output.shape.begin(), output.shape.end());
  int64_t elements = std::accumulate(outgoingShape.begin(), outgoingShape.end(),
                                     int64_t(1), std::multiplies<>());
  return ArrayRef(static_cast<const float *>(output.data), elements);
}

FailureOr<bool> BlockMeter::enter(ArrayRef<llvm::StringRef> weights) {
  size_t block = current;
  auto hasAll = [&] {
    return llvm::all_of(weights, [&](llvm::StringRef name) {
      return SymbolTable::lookupSymbolIn(*blocks[block].module, name);
    });
  };
  while (block + 1 < blocks.size() && !hasAll())
    ++block;
  // The last block's results are the model's, which may be large.
  if (block + 1 >= blocks.size())
    return false;
  while (current < block)
    if (failed(load(current + 1)))
      return failure();
  return true;
}

LogicalResult BlockMeter::setWeight(llvm::StringRef name,
                                    ArrayRef<float> values) {
  if (llvm::Error error = executable->setWeight(name, values))
    return fail(std::move(error));
  return success();
}

FailureOr<double> BlockMeter::measure() {
  double error = 0, power = 0;
  for (size_t sample = 0; sample < samples.size(); ++sample) {
    FailureOr<ArrayRef<float>> output = run(sample);
    if (failed(output))
      return failure();
    ArrayRef<float> expected = outgoing[sample];
    bool hasStream =
        !incoming.empty() && incoming[sample].size() == expected.size();
    for (size_t i = 0; i < expected.size(); ++i) {
      double difference = (*output)[i] - expected[i];
      double added = expected[i] - (hasStream ? incoming[sample][i] : 0);
      error += difference * difference;
      power += added * added;
    }
  }
  return power > 0 ? error / power : error;
}
