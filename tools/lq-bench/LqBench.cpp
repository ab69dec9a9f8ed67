//===- LqBench.cpp - how fast a compiled model is -------------------------===//

#include "runtime/AtomicFile.h"
#include "runtime/Team.h"
#include "tools/common/Options.h"
#include "tools/lq-bench/Measure.h"
#include "tools/lq-bench/Report.h"

#include <algorithm>
#include <charconv>
#include <optional>

using namespace lq;

static Error checkList(const char *name, const std::vector<int64_t> &values,
                       int64_t least, int64_t most) {
  for (int64_t value : values)
    if (value < least || value > most)
      return makeError(ErrorCode::InvalidArgument, "expected --", name,
                       " from ", least, " to ", most, ", got ", value);
  return Error::success();
}

/// Reads "name=size" of --size.
static Error readSizes(const std::vector<std::string> &texts,
                       std::map<std::string, int64_t> &sizes) {
  for (const std::string &text : texts) {
    size_t equals = text.rfind('=');
    int64_t value = -1;
    if (equals != std::string::npos)
      std::from_chars(text.data() + equals + 1, text.data() + text.size(),
                      value);
    if (value < 0)
      return makeError(ErrorCode::InvalidArgument,
                       "expected --size=<name>=<size>, got '", text, "'");
    sizes[text.substr(0, equals)] = value;
  }
  return Error::success();
}

static Error run(BenchOptions &options, const std::vector<std::string> &sizes,
                 const std::optional<std::string> &json) {
  if (Error error = checkList("threads", options.threads, 1, Team::maxThreads))
    return error;
  if (Error error = checkList("prompt", options.prompts, 1, INT32_MAX))
    return error;
  if (Error error = checkList("fill", options.fills, 0, INT32_MAX))
    return error;
  if (Error error = checkList("n", {options.tokens}, 1, INT32_MAX))
    return error;
  if (Error error = checkList("repeat", {options.repeat}, 1, 1000000))
    return error;
  if (Error error = readSizes(sizes, options.sizes))
    return error;
  auto result = measure(options);
  if (!result)
    return result.takeError();
  if (json)
    if (Error error = writeFileAtomically(*json, reportJson(options, *result)))
      return error;
  return writeOutput(reportText(options, *result));
}

int main(int argc, char **argv) {
  BenchOptions options;
  std::optional<std::string> json;
  std::vector<std::string> sizes;
  bool noVerify = false;
  options.threads = {availableProcessors()};
  Options parser(
      "lq-bench", "<model.lq> [options]",
      "Measures how fast a compiled model loads, reads prompts and writes "
      "text, or runs\non tensors, and how fast the machine could at best.");
  parser.addPositional("model.lq", options.model);
  parser.add("threads", "counts",
             "numbers of threads, such as 1,2 (default: one a processor)",
             &options.threads);
  parser.add("prompt", "lengths",
             "prompt lengths in tokens (default 16,64,128,256,512)",
             &options.prompts);
  parser.add("fill", "tokens",
             "tokens in the context before decoding (default 0)",
             &options.fills);
  parser.add("n", "count", "tokens to decode (default 64)", &options.tokens);
  parser.add("size", "name=size",
             "size of an extent of a model on tensors (default: the largest)",
             &sizes);
  parser.add("repeat", "count", "repetitions of each timing (default 5)",
             &options.repeat);
  parser.add("target", "name",
             "use this code of the artifact instead of the best",
             &options.target);
  parser.add("json", "file", "also write the results as JSON", &json);
  parser.add("no-verify", "",
             "do not check the weights' hashes for the time to first token",
             &noVerify);
  auto goOn = parser.parse(argc, argv);
  if (!goOn)
    return reportError("lq-bench", goOn.error());
  if (!*goOn)
    return 0;
  options.verify = !noVerify;
  if (Error error = run(options, sizes, json))
    return reportError("lq-bench", error);
  return 0;
}
