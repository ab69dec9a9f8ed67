//===- Measure.cpp - timings of a compiled model --------------------------===//

#include "tools/lq-bench/Measure.h"
#include "runtime/Session.h"
#include "tools/lq-bench/Machine.h"

#include <algorithm>
#include <chrono>
#include <functional>

using namespace lq;

static double now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Times an action `repeat` times; it returns the seconds that count.
static Expected<Timing>
repeated(int64_t repeat, const std::function<Expected<double>()> &action) {
  std::vector<double> seconds;
  for (int64_t i = 0; i < repeat; ++i) {
    auto one = action();
    if (!one)
      return one.takeError();
    seconds.push_back(*one);
  }
  std::ranges::sort(seconds);
  return Timing{seconds[seconds.size() / 2], seconds.front(), seconds.back()};
}

/// Token ids without meaning; what they are does not change the work.
static std::vector<int32_t> someTokens(int64_t count, int64_t vocabulary) {
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  uint64_t state = 1;
  for (int32_t &token : tokens) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    token =
        static_cast<int32_t>((state >> 33) % static_cast<uint64_t>(vocabulary));
  }
  return tokens;
}

namespace {
class Benchmark {
public:
  explicit Benchmark(const BenchOptions &options) : options(options) {}
  Expected<BenchResult> run();

private:
  Expected<std::unique_ptr<const Model>> open(bool verify) const;
  Error timeLoading();
  Error timeFirstToken();
  Error timeThreads(unsigned threads);
  Error timePrefill(Session &session, int64_t tokens);
  Error timeDecode(Session &session, int64_t fill);
  Error timeRun(Session &session);
  Error timeMachine(unsigned threads);
  std::vector<int64_t> extentSizes() const;

  const BenchOptions &options;
  std::unique_ptr<const Model> model;
  BenchResult result;
};
} // namespace

Expected<std::unique_ptr<const Model>> Benchmark::open(bool verify) const {
  return Model::open(options.model,
                     {.verifyWeights = verify, .target = options.target});
}

Error Benchmark::timeLoading() {
  for (bool verify : {false, true}) {
    auto timing = repeated(options.repeat, [&]() -> Expected<double> {
      model.reset();
      double start = now();
      auto opened = open(verify);
      if (!opened)
        return opened.takeError();
      double seconds = now() - start;
      model = std::move(*opened);
      return seconds;
    });
    if (!timing)
      return timing.takeError();
    (verify ? result.load : result.loadUnverified) = *timing;
  }
  return Error::success();
}

/// From nothing: open, create a session, load the tokenizer, read a prompt.
Error Benchmark::timeFirstToken() {
  const Manifest &manifest = model->manifest();
  result.firstTokenPrompt =
      std::min<int64_t>(options.prompts.front(), manifest.context);
  std::vector<int32_t> tokens =
      someTokens(result.firstTokenPrompt, manifest.vocabulary);
  std::vector<double> prefills;
  // A model mapped twice would count twice in the peak memory.
  model.reset();
  auto timing = repeated(options.repeat, [&]() -> Expected<double> {
    double start = now();
    auto opened = open(options.verify);
    if (!opened)
      return opened.takeError();
    auto session = Session::create(
        **opened, {.threads = static_cast<unsigned>(options.threads.back())});
    if (!session)
      return session.takeError();
    if ((*opened)->hasTokenizer())
      if (auto tokenizer = (*opened)->tokenizer(); !tokenizer)
        return tokenizer.takeError();
    double ready = now();
    auto logits = (*session)->prefill(tokens);
    if (!logits)
      return logits.takeError();
    prefills.push_back(now() - ready);
    return now() - start;
  });
  if (!timing)
    return timing.takeError();
  result.firstToken = *timing;
  std::ranges::sort(prefills);
  result.firstTokenPrefill = prefills[prefills.size() / 2];
  auto opened = open(/*verify=*/false);
  if (!opened)
    return opened.takeError();
  model = std::move(*opened);
  return Error::success();
}

Error Benchmark::timePrefill(Session &session, int64_t count) {
  std::vector<int32_t> tokens = someTokens(count, model->manifest().vocabulary);
  auto timing = repeated(options.repeat, [&]() -> Expected<double> {
    if (Error error = session.rewind(0))
      return error;
    double start = now();
    auto logits = session.prefill(tokens);
    if (!logits)
      return logits.takeError();
    return now() - start;
  });
  if (!timing)
    return timing.takeError();
  result.prefills.push_back({session.threads(), count, *timing});
  return Error::success();
}

Error Benchmark::timeDecode(Session &session, int64_t fill) {
  int64_t vocabulary = model->manifest().vocabulary;
  // One token at least comes before those that are timed.
  std::vector<int32_t> before =
      someTokens(std::max<int64_t>(fill, 1), vocabulary);
  auto start = static_cast<int64_t>(before.size());
  int64_t count = std::min(options.tokens, session.context() - start);
  if (count < 1)
    return Error::success();
  std::vector<int32_t> tokens = someTokens(count, vocabulary);
  if (Error error = session.rewind(0))
    return error;
  if (auto filled = session.prefill(before); !filled)
    return filled.takeError();
  auto timing = repeated(options.repeat, [&]() -> Expected<double> {
    if (Error error = session.rewind(start))
      return error;
    double begin = now();
    for (int32_t token : tokens)
      if (auto logits = session.decode(token); !logits)
        return logits.takeError();
    return now() - begin;
  });
  if (!timing)
    return timing.takeError();
  result.decodes.push_back({session.threads(), fill, count, *timing});
  return Error::success();
}

std::vector<int64_t> Benchmark::extentSizes() const {
  std::vector<int64_t> sizes;
  for (const ExtentSpec &extent : model->manifest().extents) {
    auto given = options.sizes.find(extent.name);
    sizes.push_back(given == options.sizes.end() ? extent.max : given->second);
  }
  return sizes;
}

Error Benchmark::timeRun(Session &session) {
  const Manifest &manifest = model->manifest();
  std::vector<int64_t> sizes = extentSizes();
  std::vector<std::vector<int64_t>> shapes;
  std::vector<std::vector<uint8_t>> data;
  std::vector<std::string> texts;
  for (const TensorSpec &input : manifest.inputs) {
    std::vector<int64_t> shape;
    uint64_t elements = 1;
    for (const DimExpr &dim : input.shape) {
      shape.push_back(dim.evaluate(sizes).value_or(0));
      elements *= static_cast<uint64_t>(shape.back());
    }
    // All ones: valid as a token id, as a mask and as an activation.
    std::vector<uint8_t> bytes(elements * elementBytes(input.type));
    bool isInteger = input.type >= ElementType::I8;
    float one = 1;
    for (uint64_t i = 0; isInteger && i < elements; ++i)
      bytes[i * elementBytes(input.type)] = 1;
    for (uint64_t i = 0; input.type == ElementType::F32 && i < elements; ++i)
      std::copy_n(reinterpret_cast<const uint8_t *>(&one), sizeof(one),
                  &bytes[i * sizeof(one)]);
    texts.push_back(input.name + " " +
                    std::string(elementTypeName(input.type)) + " " +
                    shapeText(shape));
    shapes.push_back(std::move(shape));
    data.push_back(std::move(bytes));
  }
  std::vector<TensorView> inputs;
  for (size_t i = 0; i < shapes.size(); ++i)
    inputs.push_back({manifest.inputs[i].name, manifest.inputs[i].type,
                      shapes[i], data[i].data()});
  if (auto warm = session.run(inputs); !warm)
    return warm.takeError();
  auto timing = repeated(options.repeat, [&]() -> Expected<double> {
    double start = now();
    if (auto outputs = session.run(inputs); !outputs)
      return outputs.takeError();
    return now() - start;
  });
  if (!timing)
    return timing.takeError();
  result.runs.push_back({session.threads(), texts, *timing});
  return Error::success();
}

Error Benchmark::timeThreads(unsigned threads) {
  auto session = Session::create(*model, {.threads = threads});
  if (!session)
    return session.takeError();
  if (model->manifest().kind == ModelKind::Tensors)
    return timeRun(**session);
  for (int64_t tokens : options.prompts)
    if (tokens <= (*session)->context())
      if (Error error = timePrefill(**session, tokens))
        return error;
  for (int64_t fill : options.fills)
    if (fill < (*session)->context())
      if (Error error = timeDecode(**session, fill))
        return error;
  return Error::success();
}

Error Benchmark::timeMachine(unsigned threads) {
  auto bandwidth = measureReadBandwidth(threads);
  if (!bandwidth)
    return bandwidth.takeError();
  auto barrier = measureBarrier(threads);
  if (!barrier)
    return barrier.takeError();
  result.machine.push_back({threads, *bandwidth, *barrier});
  return Error::success();
}

Expected<BenchResult> Benchmark::run() {
  if (Error error = timeLoading())
    return error;
  result.target = model->artifact().code().target;
  for (const WeightSpec &weight : model->manifest().weights)
    result.weightBytes += weight.storageBytes;
  if (model->manifest().kind == ModelKind::Generative)
    if (Error error = timeFirstToken())
      return error;
  for (int64_t threads : options.threads)
    if (Error error = timeThreads(static_cast<unsigned>(threads)))
      return error;
  // Before the probe of the machine's memory, which is larger than many models.
  result.peakBytes = peakResidentBytes();
  for (int64_t threads : options.threads)
    if (Error error = timeMachine(static_cast<unsigned>(threads)))
      return error;
  return std::move(result);
}

Expected<BenchResult> lq::measure(const BenchOptions &options) {
  return Benchmark(options).run();
}
