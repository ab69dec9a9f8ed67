//===- Evaluate.h - a model's predictions of a text -------------*- C++ -*-===//

#ifndef LQ_TOOLS_LQ_EVAL_EVALUATE_H
#define LQ_TOOLS_LQ_EVAL_EVALUATE_H

#include "runtime/Team.h"
#include "tools/lq-eval/LogitsFile.h"
#include "tools/lq-eval/LogitsSource.h"
#include "tools/lq-eval/Metrics.h"

#include <functional>
#include <span>
#include <vector>

namespace lq {

struct Evaluation {
  const Chunks &chunks;
  LogitsSource &model;
  /// Null if there is nothing to compare with. Has the model's vocabulary.
  LogitsSource *reference = nullptr;
  /// Takes the model's logits, if anybody wants them.
  LogitsRowSink keep;
  /// Is told, after each chunk, how many are done and all scores so far.
  std::function<void(size_t done, std::span<const PositionScore>)> progress;
};

/// Scores every chunk. Fails, naming file, chunk and position, if logits are
/// not finite. Scores do not depend on the number of threads.
Expected<std::vector<PositionScore>> evaluate(const Evaluation &evaluation,
                                              Team &team);

} // namespace lq

#endif // LQ_TOOLS_LQ_EVAL_EVALUATE_H
