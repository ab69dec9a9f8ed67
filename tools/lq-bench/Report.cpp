//===- Report.cpp - timings as a table and as JSON ------------------------===//

#include "tools/lq-bench/Report.h"

#include <cstdarg>
#include <cstdio>
#include <nlohmann/json.hpp>

using namespace lq;
using Json = nlohmann::ordered_json;

[[gnu::format(printf, 2, 3)]] static void print(std::string &out,
                                                const char *format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  out += line;
}

static double rate(int64_t tokens, double seconds) {
  return static_cast<double>(tokens) / seconds;
}

/// Bytes of weights that decoding reads a second, taking every weight to be
/// read once a token. A model whose embedding is not shared with its output
/// reads less, a row of the embedding.
static double weightBandwidth(const BenchResult &result,
                              const DecodeResult &decode) {
  return static_cast<double>(result.weightBytes) *
         rate(decode.tokens, decode.seconds.median);
}

static const MachineResult *machineOf(const BenchResult &result,
                                      unsigned threads) {
  for (const MachineResult &machine : result.machine)
    if (machine.threads == threads)
      return &machine;
  return nullptr;
}

static void printLoading(std::string &out, const BenchResult &result) {
  print(out, "load                 %9.1f ms (%.1f without weights' hashes)\n",
        result.load.median * 1e3, result.loadUnverified.median * 1e3);
  if (result.firstTokenPrompt)
    print(out,
          "time to first token  %9.1f ms (%lld tokens; %.1f ms are their "
          "compute)\n",
          result.firstToken.median * 1e3,
          static_cast<long long>(result.firstTokenPrompt),
          result.firstTokenPrefill * 1e3);
  print(out, "peak memory          %9.1f MB\n",
        static_cast<double>(result.peakBytes) / 1e6);
}

static void printRates(std::string &out, const BenchResult &result) {
  if (!result.prefills.empty())
    out += "\nprefill   threads   tokens   tokens/s   (slowest, fastest)\n";
  for (const PrefillResult &prefill : result.prefills)
    print(out, "          %7u %8lld %10.1f   (%.1f, %.1f)\n", prefill.threads,
          static_cast<long long>(prefill.tokens),
          rate(prefill.tokens, prefill.seconds.median),
          rate(prefill.tokens, prefill.seconds.slowest),
          rate(prefill.tokens, prefill.seconds.fastest));
  if (!result.decodes.empty())
    out += "\ndecode    threads     fill   tokens/s   (slowest, fastest)   "
           "weights GB/s   memory GB/s\n";
  for (const DecodeResult &decode : result.decodes) {
    const MachineResult *machine = machineOf(result, decode.threads);
    print(out, "          %7u %8lld %10.1f   (%.1f, %.1f)", decode.threads,
          static_cast<long long>(decode.fill),
          rate(decode.tokens, decode.seconds.median),
          rate(decode.tokens, decode.seconds.slowest),
          rate(decode.tokens, decode.seconds.fastest));
    print(out, "   %10.1f %13.1f\n", weightBandwidth(result, decode) / 1e9,
          machine ? machine->bytesPerSecond / 1e9 : 0);
  }
}

static void printRuns(std::string &out, const BenchResult &result) {
  if (!result.runs.empty())
    out += "\nrun       threads         ms   (fastest, slowest)\n";
  for (const RunResult &run : result.runs) {
    print(out, "          %7u %10.2f   (%.2f, %.2f) ", run.threads,
          run.seconds.median * 1e3, run.seconds.fastest * 1e3,
          run.seconds.slowest * 1e3);
    for (const std::string &input : run.inputs)
      out += " " + input;
    out += "\n";
  }
}

std::string lq::reportText(const BenchOptions &options,
                           const BenchResult &result) {
  std::string out;
  out += "model                " + options.model + "\n";
  print(out, "weights              %9.1f MB\n",
        static_cast<double>(result.weightBytes) / 1e6);
  out += "target               " + result.target + "\n";
  printLoading(out, result);
  printRates(out, result);
  printRuns(out, result);
  out += "\nmachine   threads   memory GB/s   barrier ns\n";
  for (const MachineResult &machine : result.machine)
    print(out, "          %7u %13.1f %12.0f\n", machine.threads,
          machine.bytesPerSecond / 1e9, machine.barrierNanoseconds);
  print(out, "\nmedians of %lld repetitions\n",
        static_cast<long long>(options.repeat));
  return out;
}

static Json timing(const Timing &value) {
  return {{"median", value.median},
          {"fastest", value.fastest},
          {"slowest", value.slowest}};
}

std::string lq::reportJson(const BenchOptions &options,
                           const BenchResult &result) {
  Json out = {{"model", options.model},
              {"target", result.target},
              {"repeat", options.repeat},
              {"weight_bytes", result.weightBytes},
              {"peak_memory_bytes", result.peakBytes},
              {"load_seconds", timing(result.load)},
              {"load_unverified_seconds", timing(result.loadUnverified)}};
  if (result.firstTokenPrompt)
    out["first_token"] = {{"prompt_tokens", result.firstTokenPrompt},
                          {"seconds", timing(result.firstToken)},
                          {"prefill_seconds", result.firstTokenPrefill}};
  out["prefill"] = Json::array();
  for (const PrefillResult &prefill : result.prefills)
    out["prefill"].push_back(
        {{"threads", prefill.threads},
         {"tokens", prefill.tokens},
         {"seconds", timing(prefill.seconds)},
         {"tokens_per_second", rate(prefill.tokens, prefill.seconds.median)}});
  out["decode"] = Json::array();
  for (const DecodeResult &decode : result.decodes)
    out["decode"].push_back(
        {{"threads", decode.threads},
         {"fill", decode.fill},
         {"tokens", decode.tokens},
         {"seconds", timing(decode.seconds)},
         {"tokens_per_second", rate(decode.tokens, decode.seconds.median)},
         {"weight_bytes_per_second", weightBandwidth(result, decode)}});
  out["run"] = Json::array();
  for (const RunResult &run : result.runs)
    out["run"].push_back({{"threads", run.threads},
                          {"inputs", run.inputs},
                          {"seconds", timing(run.seconds)}});
  out["machine"] = Json::array();
  for (const MachineResult &machine : result.machine)
    out["machine"].push_back(
        {{"threads", machine.threads},
         {"memory_bytes_per_second", machine.bytesPerSecond},
         {"barrier_nanoseconds", machine.barrierNanoseconds}});
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}
