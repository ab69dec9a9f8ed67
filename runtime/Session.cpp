//===- Session.cpp - token sequences --------------------------------------===//

#include "runtime/Session.h"

#include <algorithm>

using namespace lq;

static uint64_t roundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

Expected<std::unique_ptr<Session>>
Session::create(const Model &model, const SessionOptions &options) {
  auto team = Team::create(options.threads);
  if (!team)
    return team.takeError();
  std::unique_ptr<Session> session(new Session(model, std::move(*team)));
  const Manifest &manifest = model.manifest();
  session->extents.assign(manifest.extents.size(), 0);
  session->weights = model.artifact().weights();
  size_t count = manifest.inputs.size() + manifest.outputs.size();
  session->arguments.assign(count, nullptr);
  session->argumentBuffers.resize(count);
  bool generative = manifest.kind == ModelKind::Generative;
  if (!generative && options.context)
    return makeError(ErrorCode::InvalidArgument,
                     "a context size was given for a model that is not "
                     "generative");
  if (generative)
    if (Error error = session->prepareGenerative(options))
      return error;
  if (Error error = session->allocate())
    return error;
  return session;
}

Error Session::allocate() {
  const Manifest &manifest = owner.manifest();
  uint64_t arenaBytes = 0, scratchBytes = 0;
  for (const Entry &entry : owner.artifact().entries()) {
    arenaBytes = std::max(arenaBytes, entry.spec->arenaBytes);
    scratchBytes = std::max(scratchBytes, entry.spec->scratchBytes);
  }
  auto allocated = Buffer::create(arenaBytes, "activations");
  if (!allocated)
    return allocated.takeError();
  arena = std::move(*allocated);
  allocated = Buffer::create(scratchBytes * team->size(), "scratch");
  if (!allocated)
    return allocated.takeError();
  scratch = std::move(*allocated);
  for (const StateSpec &state : manifest.states) {
    uint64_t positions =
        roundUp(static_cast<uint64_t>(capacity), state.positionMultiple);
    uint64_t bytes;
    if (__builtin_mul_overflow(positions, state.bytesPerPosition, &bytes))
      return makeError(ErrorCode::OutOfMemory, "the size of state '",
                       state.name, "' overflows");
    allocated = Buffer::create(bytes, "the KV cache");
    if (!allocated)
      return allocated.takeError();
    states.push_back(allocated->data());
    stateBuffers.push_back(std::move(*allocated));
  }
  return Error::success();
}

Error Session::prepareGenerative(const SessionOptions &options) {
  const Manifest &manifest = owner.manifest();
  if (options.context < 0 || options.context > manifest.context)
    return makeError(ErrorCode::InvalidArgument, "expected a context of 1 to ",
                     manifest.context,
                     " tokens, for which the model was compiled, got ",
                     options.context);
  capacity = options.context ? options.context : manifest.context;
  prefillEntry = owner.artifact().findEntry("prefill");
  decodeEntry = owner.artifact().findEntry("decode");
  sequenceExtent = manifest.extentIndex("sequence");
  pastExtent = manifest.extentIndex("past");
  logitsExtent = manifest.extentIndex("logits");
  // An extent that the manifest does not have gets a place that no code reads.
  extents.resize(manifest.extents.size() + 1, 0);

  int64_t rows =
      std::max(prefillEntry->spec->maxRows, decodeEntry->spec->maxRows);
  maxLogitsRows = rows;
  if (logitsExtent < manifest.extents.size())
    maxLogitsRows =
        std::clamp<int64_t>(manifest.extents[logitsExtent].max, 1, rows);
  auto ids = Buffer::create(static_cast<uint64_t>(rows) * sizeof(int64_t),
                            "token ids");
  if (!ids)
    return ids.takeError();
  uint64_t logitsBytes;
  if (__builtin_mul_overflow(
          static_cast<uint64_t>(maxLogitsRows) * sizeof(float),
          static_cast<uint64_t>(manifest.vocabulary), &logitsBytes))
    return makeError(ErrorCode::OutOfMemory, "the size of logits overflows");
  auto logits = Buffer::create(logitsBytes, "logits");
  if (!logits)
    return logits.takeError();
  argumentBuffers[0] = std::move(*ids);
  argumentBuffers[1] = std::move(*logits);
  arguments = {argumentBuffers[0].data(), argumentBuffers[1].data()};
  return Error::success();
}

Error Session::checkTokens(std::span<const int32_t> tokens) const {
  const Manifest &manifest = owner.manifest();
  if (manifest.kind != ModelKind::Generative)
    return makeError(ErrorCode::InvalidArgument,
                     "the model is not generative; run it on tensors");
  if (tokens.empty())
    return makeError(ErrorCode::InvalidArgument, "expected at least one token");
  if (tokens.size() > static_cast<uint64_t>(capacity - past))
    return makeError(
        ErrorCode::ContextFull, tokens.size(),
        " tokens do not fit into the context of ", capacity, " (", past,
        " are taken); shorten the text",
        capacity < manifest.context ? ", or ask for a larger context" : "");
  for (int32_t token : tokens)
    if (token < 0 || token >= manifest.vocabulary)
      return makeError(ErrorCode::InvalidArgument, "token id ", token,
                       " is not in the vocabulary of ", manifest.vocabulary);
  return Error::success();
}

const Entry &Session::entryFor(size_t tokens) const {
  auto takes = [&](const Entry *entry) {
    return static_cast<int64_t>(tokens) >= entry->spec->minRows &&
           static_cast<int64_t>(tokens) <= entry->spec->maxRows;
  };
  return takes(decodeEntry) || !takes(prefillEntry) ? *decodeEntry
                                                    : *prefillEntry;
}

void Session::call(const Entry &entry) {
  LqCall call{};
  call.arguments = arguments.data();
  call.weights = weights.data();
  call.states = states.data();
  call.arena = arena.data();
  call.scratch = scratch.data();
  call.extents = extents.data();
  team->run(entry.function, call);
}

Expected<std::span<const float>> Session::step(std::span<const int32_t> tokens,
                                               int64_t logitsRows) {
  const Manifest &manifest = owner.manifest();
  const Entry &entry = entryFor(tokens.size());
  if (manifest.inputs[0].type == ElementType::I64)
    std::ranges::copy(tokens, static_cast<int64_t *>(arguments[0]));
  else
    std::ranges::copy(tokens, static_cast<int32_t *>(arguments[0]));
  auto count = static_cast<int64_t>(tokens.size());
  extents[sequenceExtent] = count;
  extents[pastExtent] = past;
  extents[logitsExtent] = std::min(logitsRows, count);

  const std::vector<DimExpr> &shape = manifest.outputs[0].shape;
  auto batch = shape[0].evaluate(extents);
  auto rows = shape[1].evaluate(extents);
  auto columns = shape[2].evaluate(extents);
  if (batch != 1 || !rows || *rows < 1 || *rows > maxLogitsRows ||
      columns != manifest.vocabulary)
    return makeError(ErrorCode::Corrupt, owner.artifact().container().path(),
                     ": logits of shape ", shapeText(shape), " for ", count,
                     " tokens do not fit the manifest");
  call(entry);
  past += count;
  return std::span(static_cast<const float *>(arguments[1]),
                   static_cast<size_t>(*rows * *columns));
}

/// How many of `left` tokens the next call takes.
static size_t chunkSize(size_t left, int64_t most, const EntrySpec &prefill) {
  auto size =
      std::min(left, static_cast<size_t>(std::min(most, prefill.maxRows)));
  return static_cast<int64_t>(size) >= prefill.minRows ? size : 1;
}

Expected<std::span<const float>>
Session::prefill(std::span<const int32_t> tokens) {
  if (Error error = checkTokens(tokens))
    return error;
  int64_t start = past;
  for (;;) {
    size_t size = chunkSize(tokens.size(), INT64_MAX, *prefillEntry->spec);
    auto logits = step(tokens.first(size), 1);
    if (!logits) {
      past = start;
      return logits;
    }
    tokens = tokens.subspan(size);
    if (tokens.empty())
      return logits->last(static_cast<size_t>(owner.manifest().vocabulary));
  }
}

Error Session::score(std::span<const int32_t> tokens, const LogitsSink &sink) {
  if (Error error = checkTokens(tokens))
    return error;
  while (!tokens.empty()) {
    size_t size = chunkSize(tokens.size(), maxLogitsRows, *prefillEntry->spec);
    int64_t position = past;
    auto rows = static_cast<int64_t>(size);
    auto logits = step(tokens.first(size), rows);
    if (!logits)
      return logits.takeError();
    if (Error error = sink(position, rows, *logits))
      return error;
    tokens = tokens.subspan(size);
  }
  return Error::success();
}

Error Session::rewind(int64_t position) {
  if (position < 0 || position > past)
    return makeError(ErrorCode::InvalidArgument,
                     "expected a position from 0 to ", past, ", got ",
                     position);
  past = position;
  return Error::success();
}

uint64_t Session::bufferBytes() const {
  uint64_t bytes = arena.size() + scratch.size() + resultBuffer.size();
  for (const Buffer &buffer : stateBuffers)
    bytes += buffer.size();
  for (const Buffer &buffer : argumentBuffers)
    bytes += buffer.size();
  return bytes;
}
