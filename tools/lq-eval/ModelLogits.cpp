//===- ModelLogits.cpp - logits of a running model ------------------------===//

#include "tools/lq-eval/LogitsSource.h"

using namespace lq;

Expected<std::unique_ptr<ModelLogits>> ModelLogits::create(const Model &model,
                                                           const Chunks &chunks,
                                                           unsigned threads) {
  const std::string &path = model.artifact().container().path();
  auto session =
      Session::create(model, {.threads = threads,
                              .context = static_cast<int64_t>(chunks.context)});
  if (!session)
    return makeError(session.error().code(), path, ": ",
                     session.error().message());
  return std::unique_ptr<ModelLogits>(
      new ModelLogits(std::move(*session), chunks));
}

Error ModelLogits::begin(size_t chunk) {
  if (Error error = session->rewind(0))
    return error;
  left = chunks.chunk(chunk);
  std::span<const int32_t> before = left.first(chunks.first);
  left = left.subspan(chunks.first);
  if (before.empty())
    return Error::success();
  return session->prefill(before).takeError();
}

Expected<std::span<const float>> ModelLogits::next(size_t rows) {
  logits.clear();
  Error error = session->score(
      left.first(rows), [&](int64_t, int64_t, std::span<const float> piece) {
        logits.insert(logits.end(), piece.begin(), piece.end());
        return Error::success();
      });
  if (error)
    return error;
  left = left.subspan(rows);
  return std::span<const float>(logits);
}
