//===- Execute.h - running parts of a model while compiling -----*- C++ -*-===//

#ifndef LQ_LOWERING_EXECUTE_EXECUTE_H
#define LQ_LOWERING_EXECUTE_EXECUTE_H

#include "passes/calibrate/Executor.h"

namespace lq {

/// Executors that use the ordinary pipeline, an artifact in the work folder and
/// the runtime, with code for the best level that this machine can run.
ExecutorProvider hostExecutors();

} // namespace lq

#endif // LQ_LOWERING_EXECUTE_EXECUTE_H
