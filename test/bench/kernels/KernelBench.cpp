//===- KernelBench.cpp - kernels against the machine's limits -------------===//
//
//     LqKernelBench [--benchmark_filter=...]
//
// A line of a linear kernel gives GB/s of weights, as the format stores them and
// as they lie in tiles, and GOP/s (two operations a product), and each as a part
// of a limit: a loop that only reads as much memory, and one that only multiplies
// int8. The limits are measured again before each run of the kernel, and a part
// is the median of those of all runs: where other work shares the machine, the
// parts mean more than the figures.
//
//===----------------------------------------------------------------------===//

#include "dialects/lq/LqAttributes.h"
#include "lowering/cpu/kernels/IntegerDot.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "test/unit/kernels/Formats.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <atomic>
#include <benchmark/benchmark.h>
#include <cstdlib>
#include <sys/mman.h>
#include <thread>
#include <time.h>

using namespace lq;
using namespace lq::cpu;
using namespace lq::cpu::test;

namespace {

/// Weights that no cache holds are spread over this much memory.
constexpr int64_t coldBytes = 192 << 20;

/// Threads that run one function together, spinning in between.
class Crew {
public:
  explicit Crew(int64_t threads) : threads(threads), seconds(threads) {
    for (int64_t thread = 1; thread < threads; ++thread)
      others.emplace_back([this, thread] { serve(thread); });
  }
  ~Crew() {
    stop = true;
    ++round;
    for (std::thread &other : others)
      other.join();
  }
  /// Seconds of processor time of the thread that took most, so that other
  /// work on the machine does not count.
  double run(llvm::function_ref<void(int64_t)> work) {
    job = work;
    left = threads - 1;
    ++round;
    measure(0);
    while (left)
      ;
    return *std::max_element(seconds.begin(), seconds.end());
  }

private:
  int64_t threads;
  std::vector<std::thread> others;
  llvm::function_ref<void(int64_t)> job;
  std::atomic<int64_t> round = 0, left = 0;
  std::atomic<bool> stop = false;
  std::vector<double> seconds;

  static double now() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
  }
  void measure(int64_t thread) {
    double begin = now();
    job(thread);
    seconds[thread] = now() - begin;
  }

  void serve(int64_t thread) {
    for (int64_t seen = 0;;) {
      while (round == seen)
        ;
      ++seen;
      if (stop)
        return;
      measure(thread);
      --left;
    }
  }
};

/// Reads a memref<?xi8>, a multiple of 16 vectors, and stores a sum of it.
mlir::func::FuncOp emitRead(mlir::ModuleOp module, const CpuLevel &level) {
  auto *context = module.getContext();
  mlir::Type bytes =
      mlir::MemRefType::get({kDynamic}, mlir::IntegerType::get(context, 8));
  KernelBuilder k(module, "read", level, {bytes}, {bytes});
  constexpr int64_t unrolled = 8;
  int64_t vectorBytes = level.vectorBits / 8, step = unrolled * vectorBytes;
  mlir::Type type = k.vector(vectorBytes, k.i8());
  auto [first, last] = k.share(k.size(k.argument(0), 0) / step);
  Vals sums = k.forLoop(
      first, last, 1, Vals(unrolled, k.zeros(type)),
      [&](Val i, llvm::ArrayRef<Val> sums) {
        Vals next;
        for (int64_t j = 0; j < unrolled; ++j)
          next.push_back(sums[j] + k.loadBytes(k.argument(0),
                                               i * step + j * vectorBytes,
                                               type));
        return next;
      });
  for (int64_t j = 1; j < unrolled; ++j)
    sums[0] = sums[0] + sums[j];
  k.storeBytes(sums[0], k.argument(1), k.thread() * vectorBytes);
  return k.finish();
}

constexpr int64_t peakSteps = 1 << 14, peakChains = 12;

/// Multiplies 4-bit codes in registers and int8 from the first-level cache,
/// peakSteps x peakChains times.
mlir::func::FuncOp emitPeak(mlir::ModuleOp module, const CpuLevel &level) {
  auto *context = module.getContext();
  mlir::Type bytes =
      mlir::MemRefType::get({kDynamic}, mlir::IntegerType::get(context, 8));
  KernelBuilder k(module, "peak", level, {bytes}, {bytes});
  int64_t vectorBytes = level.vectorBits / 8;
  auto dot = IntegerDot::create(k, 4, 1);
  mlir::Type type = k.vector(vectorBytes, k.i8());
  // Two chains share what they load, so that loads are no limit.
  IntegerDot::Codes codes[2];
  for (int64_t i = 0; i < 2; ++i)
    codes[i] = dot->prepare(
        Vals(dot->steps(),
             k.loadBytes(k.argument(0), k.index(i * vectorBytes), type)));
  Vals sums(peakChains, k.zeros(k.vector(k.lanes(), k.i32())));
  sums = k.forLoop(
      k.index(0), k.index(peakSteps), dot->steps(), sums,
      [&](Val step, llvm::ArrayRef<Val> before) {
        Vals sums(before);
        Val x, place = step % 16 * (peakChains * vectorBytes);
        for (auto [chain, sum] : llvm::enumerate(sums)) {
          if (chain % 2 == 0)
            x = k.loadBytes(k.argument(0), place + chain * vectorBytes, type);
          Val partial = dot->zeroPartial();
          dot->add(codes[chain % 2], Vals(dot->steps(), x), sum, partial);
          dot->flush(sum, partial);
        }
        return sums;
      });
  for (int64_t i = 1; i < peakChains; ++i)
    sums[0] = sums[0] + sums[i];
  k.storeBytes(sums[0], k.argument(1), k.thread() * vectorBytes);
  return k.finish();
}

/// The shortest of a few runs.
template <typename F> double findShortest(int64_t runs, F work) {
  double shortest = 1e30;
  for (int64_t i = 0; i < runs; ++i)
    shortest = std::min(shortest, work());
  return shortest;
}

/// What the machine can do at most.
class Limits {
public:
  Limits(Crew &crew, const CpuLevel &level, int64_t threads, const char *memory,
         int64_t bytes)
      : crew(crew), bytes(bytes), out({64 * threads}), read(emitRead, level),
        peak(emitPeak, level), products(double(peakSteps) * peakChains *
                                        level.vectorBits / 8 * threads) {
    Argument all = Argument::view(memory, bytes);
    readAll = read.prepare({all, out}, threads);
    multiply = peak.prepare({all, out}, threads);
  }

  /// Bytes read, and operations, a second, now.
  double measureRead() {
    return bytes / findShortest(2, [&] {
             return crew.run([&](int64_t thread) { readAll(thread); });
           });
  }
  double measureOperations() {
    return 2 * products / findShortest(8, [&] {
             return crew.run([&](int64_t thread) { multiply(thread); });
           });
  }

private:
  Crew &crew;
  int64_t bytes;
  Array<char> out;
  Kernel read, peak;
  Kernel::Call readAll, multiply;
  double products;
};

double findMedian(std::vector<double> values) {
  auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Memory in huge pages: with pages of 4 KB, what is read is limited by the
/// walks of page tables, twice as deep in a virtual machine.
struct HugeMemory {
  static constexpr int64_t page = 2 << 20;
  char *data;
  int64_t bytes;

  explicit HugeMemory(int64_t bytes)
      : data(static_cast<char *>(
            std::aligned_alloc(page, llvm::alignTo(bytes, page)))),
        bytes(bytes) {
    madvise(data, llvm::alignTo(bytes, page), MADV_HUGEPAGE);
    std::memset(data, 0x11, bytes);
  }
  ~HugeMemory() { std::free(data); }
  HugeMemory(const HugeMemory &) = delete;
};

struct Shape {
  const char *name;
  int64_t outputs, inputs;
};

const Shape shapes[] = {
    {"smollm2-135m.q", 576, 576},      {"smollm2-135m.k", 192, 576},
    {"smollm2-135m.up", 1536, 576},    {"smollm2-135m.down", 576, 1536},
    {"smollm2-135m.head", 49152, 576}, {"tinyllama-1.1b.q", 2048, 2048},
    {"tinyllama-1.1b.up", 5632, 2048}, {"tinyllama-1.1b.down", 2048, 5632},
};

/// Bytes of a matrix as the format stores it; numbers that all rows share count
/// once.
double countEncodedBytes(FormatAttrInterface format, const Shape &shape) {
  FormatDescription f = format.getDescription();
  double bytes = double(shape.outputs) * format.getRowBytes(shape.inputs);
  if (f.scale.isShared())
    bytes -= double(shape.outputs - 1) * f.superGroupCount(shape.inputs) *
             byteWidth(f.scale.type);
  return bytes;
}

/// Six bits in an eighth of the columns, three in an eighth, else four.
FormatAttrInterface mixBits(mlir::MLIRContext &context, int64_t columns) {
  int64_t part = llvm::alignTo(columns / 8, 64);
  ColumnRun runs[] = {
      {part, 6, 64}, {columns - 2 * part, 4, 64}, {part, 3, 64}};
  return getMixedBitsFormat(context, runs);
}

void runLinear(benchmark::State &state, const Shape &shape,
               FormatAttrInterface format, const CpuLevel &level, int64_t rows,
               int64_t threads) {
  Crew crew(threads);
  FormatDescription f = format.getDescription();
  int64_t bytes = getTileLayout(f, shape.outputs, shape.inputs).totalBytes();
  int64_t copies = rows < 8 ? std::max<int64_t>(1, coldBytes / bytes) : 1;
  HugeMemory memory(std::max(copies * bytes, coldBytes));
  Limits limits(crew, level, threads, memory.data, memory.bytes);

  LinearSpec spec{f,
                  shape.outputs,
                  shape.inputs,
                  rows == 1 ? 1 : kDynamic,
                  rows == 1 ? 1 : 512,
                  false,
                  false};
  Kernel kernel(
      [&](mlir::ModuleOp module, const CpuLevel &level) {
        return emitLinear(module, "linear", spec, level);
      },
      level, scratchBytes(spec, level));
  Array<float> x({rows, shape.inputs}),
      scales({rows, shape.inputs / tileColumns}), out({rows, shape.outputs});
  Array<int8_t> codes({rows, shape.inputs});
  Array<int32_t> sums({rows, shape.inputs / tileColumns * 2});
  std::vector<Kernel::Call> calls;
  for (int64_t copy = 0; copy < copies; ++copy) {
    Argument weight = Argument::view(memory.data + copy * bytes, bytes);
    if (f.hasCodes())
      calls.push_back(
          kernel.prepare({codes, scales, sums, weight, out}, threads));
    else
      calls.push_back(kernel.prepare({x, weight, out}, threads));
  }
  double products = double(rows) * shape.outputs * shape.inputs;
  double encoded = countEncodedBytes(format, shape);
  double shortest = 1e30;
  std::vector<double> reads, peaks, ofRead, ofPeak;
  for (auto _ : state) {
    reads.push_back(limits.measureRead());
    peaks.push_back(limits.measureOperations());
    // A pass over all copies is one measurement.
    double seconds = crew.run([&](int64_t thread) {
      for (Kernel::Call &call : calls)
        call(thread);
    }) / copies;
    ofRead.push_back(encoded / seconds / reads.back());
    ofPeak.push_back(2 * products / seconds / peaks.back());
    shortest = std::min(shortest, seconds);
    state.SetIterationTime(seconds * copies);
  }
  state.counters["us"] = shortest * 1e6;
  state.counters["GB/s"] = encoded / shortest * 1e-9;
  state.counters["of_read"] = findMedian(ofRead);
  state.counters["tiles_of_read"] = findMedian(ofRead) * bytes / encoded;
  state.counters["GOP/s"] = 2 * products / shortest * 1e-9;
  state.counters["of_peak"] = findMedian(ofPeak);
  state.counters["read"] = findMedian(reads) * 1e-9;
  state.counters["peak"] = findMedian(peaks) * 1e-9;
}

struct AttentionShape {
  const char *name;
  int64_t heads, keyHeads, headSize;
};

const AttentionShape attentionShapes[] = {{"smollm2-135m", 9, 3, 64},
                                          {"tinyllama-1.1b", 32, 4, 64}};

/// Causal attention of `rows` new positions that see `past` more.
void runAttention(benchmark::State &state, const AttentionShape &shape,
                  const CpuLevel &level, int64_t rows, int64_t past,
                  int64_t threads) {
  Crew crew(threads);
  AttentionSpec spec;
  spec.rows = rows == 1 ? 1 : kDynamic;
  spec.heads = shape.heads;
  spec.keyHeads = shape.keyHeads;
  spec.keySize = spec.valueSize = shape.headSize;
  spec.scale = 0.125f;
  int64_t positions = past + rows;
  Kernel kernel(
      [&](mlir::ModuleOp module, const CpuLevel &level) {
        return emitAttention(module, "attention", spec, level);
      },
      level, scratchBytes(spec, level, positions));
  Array<float> q({1, rows, shape.heads, shape.headSize}),
      out({1, rows, shape.heads, shape.headSize});
  CacheSpec cache{true, shape.keyHeads, shape.headSize, spec.element};
  Array<char> keys({cacheBytes(cache, positions)}),
      values({cacheBytes(cache, positions)});
  Kernel::Call call = kernel.prepare({q, keys, values, past, out}, threads);
  double shortest = 1e30;
  for (auto _ : state) {
    double seconds = crew.run([&](int64_t thread) { call(thread); });
    shortest = std::min(shortest, seconds);
    state.SetIterationTime(seconds);
  }
  double seen = rows * (past + (rows + 1) / 2.0);
  state.counters["us"] = shortest * 1e6;
  state.counters["GB/s"] = (keys.count() + values.count()) / shortest * 1e-9;
  state.counters["GOP/s"] =
      4 * seen * shape.heads * shape.headSize / shortest * 1e-9;
}

/// Kernels that take rows one by one, at the width of TinyLlama-1.1B.
constexpr int64_t rowWidth = 2048;

/// Runs a kernel on rows of so many elements.
void runRows(benchmark::State &state, Emit emit, const CpuLevel &level,
             std::vector<Argument> arguments, double elements,
             int64_t threads) {
  Crew crew(threads);
  Kernel kernel(emit, level);
  Kernel::Call call = kernel.prepare(std::move(arguments), threads);
  double shortest = 1e30;
  for (auto _ : state) {
    double seconds = crew.run([&](int64_t thread) { call(thread); });
    shortest = std::min(shortest, seconds);
    state.SetIterationTime(seconds);
  }
  state.counters["us"] = shortest * 1e6;
  state.counters["elements/s"] = elements / shortest;
}

Array<float> makeRows(int64_t rows) {
  Random random;
  Array<float> x({rows, rowWidth});
  for (int64_t i = 0; i < x.count(); ++i)
    x[i] = random.normal();
  return x;
}

void runQuantizeRows(benchmark::State &state, const CpuLevel &level,
                     int64_t rows, int64_t threads) {
  Array<float> x = makeRows(rows), scales({rows, rowWidth / tileColumns});
  Array<int8_t> codes({rows, rowWidth});
  Array<int32_t> sums({rows, 2 * rowWidth / tileColumns});
  QuantizeRowsSpec spec{rowWidth, tileColumns, kDynamic, rows};
  runRows(
      state,
      [&](mlir::ModuleOp module, const CpuLevel &level) {
        return emitQuantizeRows(module, "quantize_rows", spec, level);
      },
      level, {x, codes, scales, sums}, double(rows) * rowWidth, threads);
}

void runNorm(benchmark::State &state, const CpuLevel &level, int64_t rows,
             int64_t threads) {
  Array<float> x = makeRows(rows), gamma({rowWidth}), out({rows, rowWidth});
  NormSpec spec{rowWidth, kDynamic, rows, 1e-5f, false};
  runRows(
      state,
      [&](mlir::ModuleOp module, const CpuLevel &level) {
        return emitNorm(module, "rms_norm", spec, level);
      },
      level, {x, gamma, out}, double(rows) * rowWidth, threads);
}

template <typename F> void registerBenchmark(const std::string &name, F run) {
  benchmark::RegisterBenchmark(name.c_str(), run)
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond);
}

void registerAttention(const CpuLevel &level) {
  for (const AttentionShape &shape : attentionShapes)
    for (auto [rows, past] :
         {std::pair(1, 511), {1, 2047}, {32, 480}, {512, 0}, {512, 1536}})
      for (int64_t threads : {1, 2})
        registerBenchmark(
            level.name + "/attention/" + shape.name +
                "/S:" + std::to_string(rows) + "/past:" + std::to_string(past) +
                "/threads:" + std::to_string(threads),
            [=, &level, rows = rows, past = past](benchmark::State &state) {
              runAttention(state, shape, level, rows, past, threads);
            });
}

void registerRows(const CpuLevel &level) {
  for (auto [name, run] : {std::pair("quantize_rows", &runQuantizeRows),
                           std::pair("rms_norm", &runNorm)})
    for (int64_t threads : {1, 2})
      registerBenchmark(level.name + "/" + name +
                            "/S:512/threads:" + std::to_string(threads),
                        [=, &level, run = run](benchmark::State &state) {
                          run(state, level, 512, threads);
                        });
}

void registerLinear(FormatAttrInterface format, const CpuLevel &level) {
  FormatDescription description = format.getDescription();
  for (const Shape &shape : shapes)
    if (format.checkColumns(shape.inputs).empty() &&
        checkTiles(description, shape.inputs).empty())
      for (int64_t rows : {1, 4, 8, 16, 32, 512})
        for (int64_t threads : {1, 2})
          registerBenchmark(
              level.name + "/" + format.getFormatName().str() + "/" +
                  shape.name + "/M:" + std::to_string(rows) +
                  "/threads:" + std::to_string(threads),
              [=, &level](benchmark::State &state) {
                runLinear(state, shape, format, level, rows, threads);
              });
}

} // namespace

int main(int argc, char **argv) {
  mlir::MLIRContext context;
  context.loadDialect<LqDialect>();
  for (const CpuLevel *level : availableLevels()) {
    for (FormatAttrInterface format : listFormats(context))
      registerLinear(format, *level);
    for (int64_t columns : {576, 1536, 2048, 5632})
      registerLinear(mixBits(context, columns), *level);
    registerAttention(*level);
    registerRows(*level);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
