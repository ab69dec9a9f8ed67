//===- Model.h - an artifact with its tokenizer -----------------*- C++ -*-===//

#ifndef LQ_RUNTIME_MODEL_H
#define LQ_RUNTIME_MODEL_H

#include "runtime/Artifact.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace lq {

/// What sessions share. Immutable to its users: any number of threads, each
/// with its own session, may use one.
class Model {
public:
  static Expected<std::unique_ptr<const Model>>
  open(const std::string &path, const ArtifactOptions &options);

  const Artifact &artifact() const { return *file; }
  const Manifest &manifest() const { return file->manifest(); }

  bool hasTokenizer() const;
  /// Built at the first call, since a program that brings its own token ids
  /// needs none. The error says so if the artifact has no tokenizer. The
  /// pointer is valid as long as the model.
  Expected<const Tokenizer *> tokenizer() const;

private:
  explicit Model(std::unique_ptr<const Artifact> file)
      : file(std::move(file)) {}

  std::unique_ptr<const Artifact> file;
  mutable std::mutex tokenizerMutex;
  mutable std::optional<Tokenizer> loadedTokenizer;
};

} // namespace lq

#endif // LQ_RUNTIME_MODEL_H
