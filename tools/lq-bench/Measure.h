//===- Measure.h - timings of a compiled model ------------------*- C++ -*-===//

#ifndef LQ_TOOLS_LQ_BENCH_MEASURE_H
#define LQ_TOOLS_LQ_BENCH_MEASURE_H

#include "runtime/Model.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace lq {

struct BenchOptions {
  std::string model;
  std::string target;
  std::vector<int64_t> threads;
  std::vector<int64_t> prompts{16, 64, 128, 256, 512};
  std::vector<int64_t> fills{0};
  int64_t tokens = 64;
  int64_t repeat = 5;
  bool verify = true;
  /// Sizes of a tensors model's extents; the largest where none is given.
  std::map<std::string, int64_t> sizes;
};

/// Seconds of one operation: the median of the repetitions, and the extremes.
struct Timing {
  double median = 0, fastest = 0, slowest = 0;
};

struct PrefillResult {
  unsigned threads;
  int64_t tokens;
  Timing seconds;
};

struct DecodeResult {
  unsigned threads;
  int64_t fill;   ///< tokens in the context before
  int64_t tokens; ///< tokens that each repetition decodes
  Timing seconds; ///< of all those tokens
};

struct RunResult {
  unsigned threads;
  std::vector<std::string> inputs; ///< "name f32 [1, 128]"
  Timing seconds;
};

/// What the machine itself does with as many threads.
struct MachineResult {
  unsigned threads;
  double bytesPerSecond;
  double barrierNanoseconds;
};

struct BenchResult {
  Timing load;           ///< mapping, checking hashes, loading the code
  Timing loadUnverified; ///< without the weights' hashes
  Timing firstToken;     ///< from nothing to the logits after a short prompt
  int64_t firstTokenPrompt = 0;
  double firstTokenPrefill = 0; ///< the part of it that is the prompt's compute
  uint64_t weightBytes = 0;
  uint64_t peakBytes = 0;
  std::string target;
  std::vector<PrefillResult> prefills;
  std::vector<DecodeResult> decodes;
  std::vector<RunResult> runs;
  std::vector<MachineResult> machine;
};

/// Times everything. Prompts and fills that do not fit the context are left
/// out.
Expected<BenchResult> measure(const BenchOptions &options);

} // namespace lq

#endif // LQ_TOOLS_LQ_BENCH_MEASURE_H
