//===- Report.h - what lq-eval found, as a table and as JSON ----*- C++ -*-===//

#ifndef LQ_TOOLS_LQ_EVAL_REPORT_H
#define LQ_TOOLS_LQ_EVAL_REPORT_H

#include "tools/lq-eval/Chunks.h"
#include "tools/lq-eval/Metrics.h"

#include <string>

namespace lq {

struct EvalResult {
  std::string model, reference, text;
  uint64_t weights = 0;     ///< elements of all weights of the model
  uint64_t weightBytes = 0; ///< their bytes, as stored
  size_t chunks = 0, context = 0, firstScored = 0;
  double seconds = 0;
  Summary summary;
};

std::string evalText(const EvalResult &result);
std::string evalJson(const EvalResult &result);

} // namespace lq

#endif // LQ_TOOLS_LQ_EVAL_REPORT_H
