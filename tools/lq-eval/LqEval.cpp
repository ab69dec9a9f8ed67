//===- LqEval.cpp - how well a compiled model predicts a text -------------===//

#include "tools/common/Options.h"
#include "tools/lq-eval/Evaluate.h"
#include "tools/lq-eval/Report.h"

#include <chrono>
#include <cstdio>
#include <unistd.h>

using namespace lq;

static constexpr const char *usage =
    "<model.lq> --text=<file> [--reference=<ref.lq>] [options]";
static constexpr const char *description =
    "Measures how well a compiled model predicts a text: its perplexity and, "
    "against a\nreference such as the same model before it was quantized, how "
    "far the two models'\nprobabilities of the next token are apart. Numbers "
    "follow +- with their standard\nerrors.\n\n"
    "The text is cut into chunks; the model reads each afresh. The second half "
    "of each\nchunk is scored, so that every prediction has at least half a "
    "chunk of text before\nit. llama.cpp's perplexity tool counts the same "
    "way.";

namespace {
struct EvalOptions {
  std::string model;
  std::optional<std::string> text, reference, referenceLogits, saveLogits;
  ChunkOptions chunks;
  ArtifactOptions artifact;
  int64_t threads = 0;
  bool json = false;
};

/// Shows chunks done on standard error: a line that is overwritten on a
/// terminal, else a line for every tenth of the work.
class ProgressLine {
public:
  explicit ProgressLine(size_t total)
      : total(total), terminal(isatty(STDERR_FILENO) != 0) {}

  void show(size_t done, std::span<const PositionScore> scores) {
    if (!terminal && done * 10 / total == (done - 1) * 10 / total)
      return;
    double left = seconds() * static_cast<double>(total - done) /
                  static_cast<double>(done);
    std::fprintf(stderr,
                 "%slq-eval: chunk %zu of %zu, perplexity %.6g, %.0f s left%s",
                 terminal ? "\r" : "", done, total, perplexity(scores).value,
                 left, terminal ? "\x1b[K" : "\n");
    if (terminal && done == total)
      std::fputs("\n", stderr);
  }

  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() -
                                         start)
        .count();
  }

private:
  size_t total;
  bool terminal;
  std::chrono::steady_clock::time_point start =
      std::chrono::steady_clock::now();
};

/// One evaluation: what it opens lives as long as it.
class Evaluating {
public:
  explicit Evaluating(const EvalOptions &options) : options(options) {}
  Expected<EvalResult> run();

private:
  Expected<std::unique_ptr<const Model>> open(const std::string &path) const;
  Error cutText();
  Error openReferenceModel();
  Error openReferenceLogits();
  Error openReference();
  Expected<std::vector<PositionScore>> score(ProgressLine &progress);

  const EvalOptions &options;
  std::unique_ptr<const Model> model, referenceModel;
  std::string text;
  Chunks chunks;
  std::unique_ptr<LogitsSource> logits, reference;
};
} // namespace

static void addOptions(Options &parser, EvalOptions &eval, bool &noVerify) {
  parser.addPositional("model.lq", eval.model);
  parser.add("text", "file", "the text to predict, UTF-8", &eval.text);
  parser.add("reference", "ref.lq",
             "compare with this model, of the same vocabulary",
             &eval.reference);
  parser.add("save-logits", "file",
             "keep the model's logits, two bytes each, for --reference-logits",
             &eval.saveLogits);
  parser.add("reference-logits", "file",
             "compare with the model whose logits were kept in this file",
             &eval.referenceLogits);
  parser.add("context", "tokens", "tokens of a chunk (default 512)",
             &eval.chunks.context);
  parser.add("chunks", "count",
             "chunks to evaluate, from the text's start (default: all)",
             &eval.chunks.chunks);
  parser.add("score-all", "",
             "score the first half of each chunk too, except its first token",
             &eval.chunks.scoreAll);
  parser.add("threads", "count", "threads (default: one a processor)",
             &eval.threads);
  parser.add("json", "", "print the results as JSON", &eval.json);
  parser.add("target", "name",
             "run this code of the artifacts instead of the best (see "
             "lq-inspect)",
             &eval.artifact.target);
  parser.add("no-verify", "", "do not check the hashes of the weights",
             &noVerify);
}

static Error checkOptions(const EvalOptions &options) {
  constexpr int64_t leastContext = 4;
  if (!options.text)
    return makeError(ErrorCode::InvalidArgument,
                     "expected --text=<file>, the text to predict");
  if (options.reference && options.referenceLogits)
    return makeError(ErrorCode::InvalidArgument,
                     "--reference and --reference-logits exclude each other");
  if (options.chunks.context < leastContext ||
      options.chunks.context > INT32_MAX)
    return makeError(ErrorCode::InvalidArgument, "expected --context from ",
                     leastContext, " to ", INT32_MAX, ", got ",
                     options.chunks.context);
  if (options.chunks.chunks < 0)
    return makeError(ErrorCode::InvalidArgument,
                     "expected --chunks of 1 or more, got ",
                     options.chunks.chunks);
  if (options.threads < 0 || options.threads > Team::maxThreads)
    return makeError(ErrorCode::InvalidArgument,
                     "expected --threads from 0 to ", Team::maxThreads,
                     ", got ", options.threads);
  return Error::success();
}

Expected<std::unique_ptr<const Model>>
Evaluating::open(const std::string &path) const {
  auto opened = Model::open(path, options.artifact);
  if (opened && (*opened)->manifest().kind != ModelKind::Generative)
    return makeError(ErrorCode::InvalidArgument, path,
                     ": the model does not generate text, so it predicts no "
                     "tokens");
  return opened;
}

Error Evaluating::cutText() {
  auto file = MappedFile::open(*options.text);
  if (!file)
    return file.takeError();
  text.assign((*file)->bytes().begin(), (*file)->bytes().end());
  auto tokenizer = model->tokenizer();
  if (!tokenizer)
    return tokenizer.takeError();
  auto cut = cutIntoChunks(**tokenizer, text, *options.text, options.chunks);
  if (!cut)
    return cut.takeError();
  chunks = std::move(*cut);
  return Error::success();
}

/// A reference without a tokenizer takes the model's tokens.
Error Evaluating::openReferenceModel() {
  const std::string &path = *options.reference;
  auto opened = open(path);
  if (!opened)
    return opened.takeError();
  referenceModel = std::move(*opened);
  if (referenceModel->hasTokenizer()) {
    auto tokenizer = referenceModel->tokenizer();
    if (!tokenizer)
      return tokenizer.takeError();
    auto others = cutIntoChunks(**tokenizer, text, path, options.chunks);
    if (!others)
      return others.takeError();
    if (Error error = checkSameTokens(chunks, *others, path))
      return error;
  }
  auto source = ModelLogits::create(*referenceModel, chunks,
                                    static_cast<unsigned>(options.threads));
  if (!source)
    return source.takeError();
  reference = std::move(*source);
  return Error::success();
}

/// The file may have fewer chunks than the text, or more than are asked for.
Error Evaluating::openReferenceLogits() {
  auto file = FileLogits::open(*options.referenceLogits);
  if (!file)
    return file.takeError();
  Chunks saved = (*file)->chunks();
  if (saved.context != chunks.context || saved.first != chunks.first)
    return makeError(ErrorCode::InvalidArgument, (*file)->name(),
                     ": made with --context=", saved.context,
                     saved.first ? "" : " --score-all",
                     "; evaluate with the same");
  if (saved.count() < chunks.count() && options.chunks.chunks)
    return makeError(ErrorCode::InvalidArgument, (*file)->name(),
                     ": logits of ", saved.count(),
                     " chunks, but --chunks asks for ", options.chunks.chunks);
  size_t tokens = std::min(saved.tokens.size(), chunks.tokens.size());
  saved.tokens.resize(tokens);
  chunks.tokens.resize(tokens);
  if (Error error = checkSameTokens(chunks, saved, (*file)->name()))
    return error;
  reference = std::move(*file);
  return Error::success();
}

Error Evaluating::openReference() {
  if (options.reference)
    if (Error error = openReferenceModel())
      return error;
  if (options.referenceLogits)
    if (Error error = openReferenceLogits())
      return error;
  auto vocabulary = static_cast<size_t>(model->manifest().vocabulary);
  if (reference && reference->vocabulary() != vocabulary)
    return makeError(ErrorCode::InvalidArgument, reference->name(),
                     ": a vocabulary of ", reference->vocabulary(),
                     " tokens, where the model has ", vocabulary,
                     "; a reference must have the same");
  return Error::success();
}

Expected<std::vector<PositionScore>> Evaluating::score(ProgressLine &progress) {
  auto team = Team::create(static_cast<unsigned>(options.threads));
  if (!team)
    return team.takeError();
  Evaluation evaluation{chunks, *logits, reference.get(), {}, {}};
  evaluation.progress = [&](size_t done, std::span<const PositionScore> all) {
    progress.show(done, all);
  };
  if (!options.saveLogits)
    return evaluate(evaluation, **team);
  std::vector<PositionScore> scores;
  auto produce = [&](const LogitsRowSink &sink) {
    evaluation.keep = sink;
    auto found = evaluate(evaluation, **team);
    if (found)
      scores = std::move(*found);
    return found.takeError();
  };
  if (Error error = saveLogits(*options.saveLogits, model->manifest().name,
                               chunks, logits->vocabulary(), produce))
    return error;
  return scores;
}

Expected<EvalResult> Evaluating::run() {
  auto opened = open(options.model);
  if (!opened)
    return opened.takeError();
  model = std::move(*opened);
  if (Error error = cutText())
    return error;
  if (Error error = openReference())
    return error;
  auto source = ModelLogits::create(*model, chunks,
                                    static_cast<unsigned>(options.threads));
  if (!source)
    return source.takeError();
  logits = std::move(*source);

  ProgressLine progress(chunks.count());
  auto scores = score(progress);
  if (!scores)
    return scores.takeError();
  EvalResult result;
  result.model = options.model;
  result.reference = reference ? reference->name() : "";
  result.text = *options.text;
  for (const WeightSpec &weight : model->manifest().weights) {
    result.weights += weight.elements();
    result.weightBytes += weight.storageBytes;
  }
  result.chunks = chunks.count();
  result.context = chunks.context;
  result.firstScored = chunks.first + 1;
  result.seconds = progress.seconds();
  result.summary = summarize(*scores, reference != nullptr);
  return result;
}

static Error run(const EvalOptions &options) {
  if (Error error = checkOptions(options))
    return error;
  auto result = Evaluating(options).run();
  if (!result)
    return result.takeError();
  return writeOutput(options.json ? evalJson(*result) : evalText(*result));
}

int main(int argc, char **argv) {
  EvalOptions options;
  bool noVerify = false;
  Options parser("lq-eval", usage, description);
  addOptions(parser, options, noVerify);
  auto goOn = parser.parse(argc, argv);
  if (!goOn)
    return reportError("lq-eval", goOn.error());
  if (!*goOn)
    return 0;
  options.artifact.verifyWeights = !noVerify;
  options.artifact.threads = static_cast<unsigned>(options.threads);
  if (Error error = run(options))
    return reportError("lq-eval", error);
  return 0;
}
