//===- Generate.cpp - lq-run on text --------------------------------------===//

#include "runtime/AtomicFile.h"
#include "runtime/Npy.h"
#include "tools/common/Options.h"
#include "tools/lq-run/RunOptions.h"

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

using namespace lq;

using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

namespace {
/// Collects rows of logits in a .npy file, whose header is only known at last.
class LogitsFile {
public:
  static Expected<LogitsFile> create(const std::string &path,
                                     int64_t vocabulary) {
    auto file = AtomicFile::create(path);
    if (!file)
      return file.takeError();
    LogitsFile logits(std::move(*file), vocabulary);
    if (Error error = logits.file.write(logits.header()))
      return error;
    return logits;
  }

  Error append(std::span<const float> logits) {
    rows += static_cast<int64_t>(logits.size()) / vocabulary;
    return file.write({reinterpret_cast<const uint8_t *>(logits.data()),
                       logits.size_bytes()});
  }

  Error commit() {
    if (Error error = file.overwriteStart(header()))
      return error;
    return file.commit();
  }

private:
  LogitsFile(AtomicFile file, int64_t vocabulary)
      : file(std::move(file)), vocabulary(vocabulary) {}

  /// Of the same length for any number of rows below 10^19.
  std::string header() const {
    return npyHeader(ElementType::F32, std::vector<int64_t>{rows, vocabulary});
  }

  AtomicFile file;
  int64_t vocabulary;
  int64_t rows = 0;
};

struct Statistics {
  size_t promptTokens = 0;
  double promptSeconds = 0;
  size_t decodedTokens = 0;
  double decodeSeconds = 0;
  bool contextFull = false;
};

/// One generation.
class Generator {
public:
  Generator(const Model &model, Session &session, const RunOptions &options)
      : model(model), session(session), options(options) {}

  Error run();

private:
  Error readPrompt();
  Error startLogits();
  Expected<std::span<const float>> readInPrompt();
  Error writeToken(int32_t token);
  Error writeText(std::span<const float> logits);
  void printStatistics() const;

  const Model &model;
  Session &session;
  const RunOptions &options;
  const Tokenizer *tokenizer = nullptr;
  std::optional<StreamDecoder> stream;
  std::optional<LogitsFile> logitsFile;
  std::vector<int32_t> prompt;
  std::vector<float> lastLogits;
  bool wrote = false;
  Statistics statistics;
};
} // namespace

static Expected<std::string> promptText(const RunOptions &options) {
  if (options.prompt)
    return *options.prompt;
  if (*options.promptFile == "-")
    return std::string(std::istreambuf_iterator<char>(std::cin), {});
  auto file = MappedFile::open(*options.promptFile);
  if (!file)
    return file.takeError();
  std::span<const uint8_t> bytes = (*file)->bytes();
  return std::string(bytes.begin(), bytes.end());
}

/// Text needs a tokenizer; ids that are to be written as ids do not.
Error Generator::readPrompt() {
  if (model.hasTokenizer() || options.ids.empty()) {
    auto loaded = model.tokenizer();
    if (!loaded)
      return loaded.takeError();
    tokenizer = *loaded;
    if (!options.printIds)
      stream.emplace(*tokenizer, /*skipSpecial=*/true);
  }
  for (int64_t id : options.ids)
    prompt.push_back(id < 0 || id > INT32_MAX ? -1 : static_cast<int32_t>(id));
  if (!prompt.empty())
    return Error::success();
  auto text = promptText(options);
  if (!text)
    return text.takeError();
  auto encoded = tokenizer->encode(*text, /*addSpecial=*/true);
  if (!encoded)
    return encoded.takeError();
  prompt = std::move(*encoded);
  if (prompt.empty() && tokenizer->bosId() >= 0)
    prompt.push_back(tokenizer->bosId());
  if (prompt.empty())
    return makeError(ErrorCode::InvalidArgument,
                     "the prompt is empty; give the model something to "
                     "continue");
  return Error::success();
}

Error Generator::startLogits() {
  if (!options.logits)
    return Error::success();
  auto file = LogitsFile::create(*options.logits, model.manifest().vocabulary);
  if (!file)
    return file.takeError();
  logitsFile.emplace(std::move(*file));
  return Error::success();
}

/// Returns the logits after the prompt's last token.
Expected<std::span<const float>> Generator::readInPrompt() {
  if (!logitsFile)
    return session.prefill(prompt);
  auto vocabulary = static_cast<size_t>(model.manifest().vocabulary);
  Error error = session.score(
      prompt, [&](int64_t, int64_t, std::span<const float> logits) {
        auto last = logits.last(vocabulary);
        lastLogits.assign(last.begin(), last.end());
        return logitsFile->append(logits);
      });
  if (error)
    return error;
  return std::span<const float>(lastLogits);
}

Error Generator::writeToken(int32_t token) {
  std::string text;
  if (stream)
    text = stream->push(token);
  else
    text = (wrote ? "," : "") + std::to_string(token);
  wrote = true;
  return text.empty() ? Error::success() : writeOutput(text);
}

Error Generator::writeText(std::span<const float> logits) {
  auto sampler = Sampler::create(options.sampling);
  if (!sampler)
    return sampler.takeError();
  for (int64_t i = 0; i < options.tokens; ++i) {
    auto token = sampler->sample(logits);
    if (!token)
      return token.takeError();
    if (tokenizer && tokenizer->isEos(*token) && !options.ignoreEnd)
      break;
    if (Error error = writeToken(*token))
      return error;
    statistics.contextFull = session.position() == session.context();
    if (statistics.contextFull || i + 1 == options.tokens)
      break;
    Clock::time_point start = Clock::now();
    auto next = session.decode(*token);
    if (!next)
      return next.takeError();
    statistics.decodeSeconds += secondsSince(start);
    ++statistics.decodedTokens;
    logits = *next;
    if (logitsFile)
      if (Error error = logitsFile->append(logits))
        return error;
  }
  if (options.tokens == 0)
    return Error::success();
  return writeOutput((stream ? stream->finish() : "") + "\n");
}

void Generator::printStatistics() const {
  auto rate = [](size_t tokens, double seconds) {
    return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
  };
  if (statistics.contextFull)
    std::fprintf(stderr, "lq-run: the context of %lld tokens is full\n",
                 static_cast<long long>(session.context()));
  std::fprintf(stderr, "prompt: %zu tokens, %.1f tokens/s; ",
               statistics.promptTokens,
               rate(statistics.promptTokens, statistics.promptSeconds));
  std::fprintf(stderr, "decode: %zu tokens, %.1f tokens/s; ",
               statistics.decodedTokens,
               rate(statistics.decodedTokens, statistics.decodeSeconds));
  if (options.sampling.temperature > 0)
    std::fprintf(stderr, "seed %llu; ",
                 static_cast<unsigned long long>(options.sampling.seed));
  std::fprintf(stderr, "%u threads, %s\n", session.threads(),
               model.artifact().code().target.c_str());
}

Error Generator::run() {
  if (Error error = readPrompt())
    return error;
  if (Error error = startLogits())
    return error;
  Clock::time_point start = Clock::now();
  auto logits = readInPrompt();
  if (!logits)
    return logits.takeError();
  statistics.promptSeconds = secondsSince(start);
  statistics.promptTokens = prompt.size();
  if (Error error = writeText(*logits))
    return error;
  if (logitsFile)
    if (Error error = logitsFile->commit())
      return error;
  printStatistics();
  return Error::success();
}

Error lq::generate(const Model &model, Session &session,
                   const RunOptions &options) {
  if (model.manifest().kind != ModelKind::Generative)
    return makeError(ErrorCode::InvalidArgument, options.model,
                     ": the model does not generate text; give it tensors "
                     "with --input");
  return Generator(model, session, options).run();
}
