//===- LqRun.cpp - runs a compiled model ----------------------------------===//

#include "tools/common/Options.h"
#include "tools/lq-run/RunOptions.h"

#include <random>

using namespace lq;

static constexpr const char *usage =
    "<model.lq> (--prompt=<text> | --ids=<ids> | --input=<file>) [options]";
static constexpr const char *description =
    "Runs a model that lq-compile wrote: writes the text that continues a "
    "prompt, or\nruns the model on tensors from .npy files.";

static void addOptions(Options &parser, RunOptions &run, int64_t &threads,
                       bool &noVerify, std::optional<uint64_t> &seed) {
  parser.addPositional("model.lq", run.model);
  parser.add("prompt", "text", "the text to continue", &run.prompt);
  parser.add("prompt-file", "file",
             "a file with the text to continue; - is standard input",
             &run.promptFile);
  parser.add("ids", "ids", "token ids to continue instead, with commas",
             &run.ids);
  parser.add("n", "count", "tokens to write at most (default 256)",
             &run.tokens);
  parser.add("temp", "number",
             "temperature; 0, the default, takes the most likely token",
             &run.sampling.temperature);
  parser.add("top-k", "count", "choose among the k most likely tokens",
             &run.sampling.topK);
  parser.add("top-p", "number",
             "choose among the fewest tokens of this total probability",
             &run.sampling.topP);
  parser.add("min-p", "number",
             "choose among tokens at least this times as likely as the best",
             &run.sampling.minP);
  parser.add("seed", "number", "the same seed gives the same text", &seed);
  parser.add("threads", "count", "threads (default: one a processor)",
             &threads);
  parser.add("ctx", "tokens",
             "room for this many tokens (default: what the model was compiled "
             "for)",
             &run.session.context);
  parser.add("ignore-eos", "", "go on after the end of the text",
             &run.ignoreEnd);
  parser.add("print-ids", "", "write token ids instead of text", &run.printIds);
  parser.add("logits", "file.npy",
             "write the logits after each token of the prompt and of the text",
             &run.logits);
  parser.add("input", "[name=]file.npy", "an input tensor; once for each input",
             &run.inputs);
  parser.add("output", "[name=]file.npy",
             "where an output tensor goes; once for each that is wanted",
             &run.outputs);
  parser.add("target", "name",
             "run this code of the artifact instead of the best (see "
             "lq-inspect)",
             &run.artifact.target);
  parser.add("no-verify", "", "do not check the hashes of the weights",
             &noVerify);
}

static Error checkOptions(const RunOptions &run, int64_t threads) {
  int ways = run.prompt.has_value() + run.promptFile.has_value() +
             !run.ids.empty() + !run.inputs.empty();
  if (ways != 1)
    return makeError(ErrorCode::InvalidArgument,
                     "expected one of --prompt, --prompt-file, --ids and "
                     "--input; see --help");
  if (!run.outputs.empty() && run.inputs.empty())
    return makeError(ErrorCode::InvalidArgument, "--output needs --input");
  if (threads < 0 || threads > Team::maxThreads)
    return makeError(ErrorCode::InvalidArgument,
                     "expected --threads from 0 to ", Team::maxThreads,
                     ", got ", threads);
  if (run.tokens < 0)
    return makeError(ErrorCode::InvalidArgument,
                     "expected -n of 0 or more, "
                     "got ",
                     run.tokens);
  return Error::success();
}

static Error run(const RunOptions &options) {
  // What can be refused without opening the model is refused first.
  if (auto sampler = Sampler::create(options.sampling); !sampler)
    return sampler.takeError();
  auto model = Model::open(options.model, options.artifact);
  if (!model)
    return model.takeError();
  auto session = Session::create(**model, options.session);
  if (!session)
    return session.takeError();
  return options.inputs.empty() ? generate(**model, **session, options)
                                : runTensors(**model, **session, options);
}

int main(int argc, char **argv) {
  RunOptions options;
  int64_t threads = 0;
  bool noVerify = false;
  std::optional<uint64_t> seed;
  Options parser("lq-run", usage, description);
  addOptions(parser, options, threads, noVerify, seed);
  auto goOn = parser.parse(argc, argv);
  if (!goOn)
    return reportError("lq-run", goOn.error());
  if (!*goOn)
    return 0;
  if (Error error = checkOptions(options, threads))
    return reportError("lq-run", error);
  options.artifact.verifyWeights = !noVerify;
  options.artifact.threads = options.session.threads =
      static_cast<unsigned>(threads);
  options.sampling.seed = seed ? *seed : std::random_device()();
  if (Error error = run(options))
    return reportError("lq-run", error);
  return 0;
}
