//===- Evaluate.cpp - a model's predictions of a text ---------------------===//

#include "tools/lq-eval/Evaluate.h"

#include <algorithm>
#include <cmath>

using namespace lq;

/// Rows that are held at a time, of the model and of the reference: enough that
/// linears run at the speed of many rows, and 33 MB at a vocabulary of 65536.
static constexpr size_t stretchRows = 128;

namespace {
class Evaluator {
public:
  Evaluator(const Evaluation &evaluation, Team &team)
      : evaluation(evaluation), team(team) {}

  Error addChunk(size_t chunk);

  std::vector<PositionScore> scores;

private:
  Error addRows(size_t chunk, size_t first, size_t count);
  Error notFinite(size_t chunk, size_t position, std::span<const float> logits);

  const Evaluation &evaluation;
  Team &team;
};
} // namespace

/// Blames the model if its logits are at fault, else the reference.
Error Evaluator::notFinite(size_t chunk, size_t position,
                           std::span<const float> logits) {
  bool ours = !std::ranges::all_of(
      logits, [](float logit) { return std::isfinite(logit); });
  const LogitsSource &source = ours ? evaluation.model : *evaluation.reference;
  return makeError(ErrorCode::Corrupt, source.name(), ": logits after token ",
                   position, " of chunk ", chunk + 1, " are not finite");
}

/// Scores the rows of the positions `first` ... of a chunk.
Error Evaluator::addRows(size_t chunk, size_t first, size_t count) {
  size_t columns = evaluation.model.vocabulary();
  auto logits = evaluation.model.next(count);
  if (!logits)
    return logits.takeError();
  std::span<const float> reference;
  if (evaluation.reference) {
    auto rows = evaluation.reference->next(count);
    if (!rows)
      return rows.takeError();
    reference = *rows;
  }
  auto row = [&](std::span<const float> rows, size_t i) {
    return rows.empty() ? rows : rows.subspan(i * columns, columns);
  };
  std::span<const int32_t> followers =
      evaluation.chunks.chunk(chunk).subspan(first + 1, count);
  std::vector<std::optional<PositionScore>> found(count);
  team.forAll([&](int64_t thread, int64_t threads) {
    for (auto i = static_cast<size_t>(thread); i < count;
         i += static_cast<size_t>(threads))
      found[i] =
          scorePosition(row(*logits, i), row(reference, i), followers[i]);
  });
  for (size_t i = 0; i < count; ++i) {
    if (!found[i])
      return notFinite(chunk, first + i, row(*logits, i));
    scores.push_back(*found[i]);
  }
  return evaluation.keep ? evaluation.keep(*logits) : Error::success();
}

Error Evaluator::addChunk(size_t chunk) {
  if (Error error = evaluation.model.begin(chunk))
    return error;
  if (evaluation.reference)
    if (Error error = evaluation.reference->begin(chunk))
      return error;
  size_t rows = evaluation.chunks.rows();
  for (size_t done = 0; done < rows; done += stretchRows)
    if (Error error = addRows(chunk, evaluation.chunks.first + done,
                              std::min(stretchRows, rows - done)))
      return error;
  return Error::success();
}

Expected<std::vector<PositionScore>> lq::evaluate(const Evaluation &evaluation,
                                                  Team &team) {
  Evaluator evaluator(evaluation, team);
  for (size_t chunk = 0; chunk < evaluation.chunks.count(); ++chunk) {
    if (Error error = evaluator.addChunk(chunk))
      return error;
    if (evaluation.progress)
      evaluation.progress(chunk + 1, evaluator.scores);
  }
  return std::move(evaluator.scores);
}
