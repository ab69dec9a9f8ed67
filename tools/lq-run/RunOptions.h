//===- RunOptions.h - what lq-run was asked to do ---------------*- C++ -*-===//

#ifndef LQ_TOOLS_LQ_RUN_RUNOPTIONS_H
#define LQ_TOOLS_LQ_RUN_RUNOPTIONS_H

#include "runtime/Error.h"
#include "runtime/Model.h"
#include "runtime/Sampler.h"
#include "runtime/Session.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lq {

struct RunOptions {
  std::string model;
  ArtifactOptions artifact;
  SessionOptions session;

  // Text.
  std::optional<std::string> prompt;
  std::optional<std::string> promptFile;
  std::vector<int64_t> ids;
  int64_t tokens = 256;
  SamplingOptions sampling;
  bool ignoreEnd = false;
  bool printIds = false;
  std::optional<std::string> logits;

  // Tensors: "name=file" or "file".
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

/// Writes the text that continues the prompt to standard output and a line of
/// statistics to standard error.
Error generate(const Model &model, Session &session, const RunOptions &options);

/// Runs the model on .npy files.
Error runTensors(const Model &model, Session &session,
                 const RunOptions &options);

} // namespace lq

#endif // LQ_TOOLS_LQ_RUN_RUNOPTIONS_H
