//===- LogitsSource.h - where scored logits come from -----------*- C++ -*-===//

#ifndef LQ_TOOLS_LQ_EVAL_LOGITSSOURCE_H
#define LQ_TOOLS_LQ_EVAL_LOGITSSOURCE_H

#include "runtime/Session.h"
#include "tools/lq-eval/Chunks.h"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lq {

/// Gives the logits of the scored positions of chunks, a few rows at a time, so
/// that memory does not grow with the context.
class LogitsSource {
public:
  virtual ~LogitsSource() = default;

  /// What messages call it: a file.
  virtual const std::string &name() const = 0;
  virtual size_t vocabulary() const = 0;
  /// Goes to the first scored position of a chunk.
  virtual Error begin(size_t chunk) = 0;
  /// The logits [rows, vocabulary] of the next positions, valid until the next
  /// call. No more are asked for than are left of the chunk.
  virtual Expected<std::span<const float>> next(size_t rows) = 0;
};

/// Runs a model. Model and chunks must outlive it.
class ModelLogits : public LogitsSource {
public:
  static Expected<std::unique_ptr<ModelLogits>>
  create(const Model &model, const Chunks &chunks, unsigned threads);

  const std::string &name() const override {
    return session->model().artifact().container().path();
  }
  size_t vocabulary() const override {
    return static_cast<size_t>(session->model().manifest().vocabulary);
  }
  Error begin(size_t chunk) override;
  Expected<std::span<const float>> next(size_t rows) override;

private:
  ModelLogits(std::unique_ptr<Session> session, const Chunks &chunks)
      : session(std::move(session)), chunks(chunks) {}

  std::unique_ptr<Session> session;
  const Chunks &chunks;
  /// Tokens of the chunk that the session has not read.
  std::span<const int32_t> left;
  std::vector<float> logits;
};

} // namespace lq

#endif // LQ_TOOLS_LQ_EVAL_LOGITSSOURCE_H
