//===- Report.h - timings as a table and as JSON ----------------*- C++ -*-===//

#ifndef LQ_TOOLS_LQ_BENCH_REPORT_H
#define LQ_TOOLS_LQ_BENCH_REPORT_H

#include "tools/lq-bench/Measure.h"

#include <string>

namespace lq {

std::string reportText(const BenchOptions &options, const BenchResult &result);

/// Times in seconds, rates in tokens or bytes a second, sizes in bytes.
std::string reportJson(const BenchOptions &options, const BenchResult &result);

} // namespace lq

#endif // LQ_TOOLS_LQ_BENCH_REPORT_H
