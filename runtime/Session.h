//===- Session.h - one run of a model after another -------------*- C++ -*-===//

#ifndef LQ_RUNTIME_SESSION_H
#define LQ_RUNTIME_SESSION_H

#include "runtime/Buffer.h"
#include "runtime/Model.h"
#include "runtime/Team.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace lq {

struct SessionOptions {
  /// 0 means one thread a processor.
  unsigned threads = 0;
  /// Positions (tokens) there is room for; 0 means as many as the model was
  /// compiled for.
  int64_t context = 0;
};

/// A tensor that somebody else owns: dense, row-major.
struct TensorView {
  std::string_view name;
  ElementType type;
  std::span<const int64_t> shape;
  const void *data;
};

/// The buffers and threads for running a model. A session serves one thread at
/// a time; sessions of one model are independent. The model must outlive it.
class Session {
public:
  static Expected<std::unique_ptr<Session>>
  create(const Model &model, const SessionOptions &options);

  const Model &model() const { return owner; }
  unsigned threads() const { return team->size(); }

  // Generative models. None of these allocates memory.

  /// Appends tokens to the context, in chunks as large as the code takes.
  /// Returns the logits [vocabulary] that follow the last token; they stay
  /// valid until the next call. On failure the position is unchanged.
  Expected<std::span<const float>> prefill(std::span<const int32_t> tokens);
  /// The same for one token.
  Expected<std::span<const float>> decode(int32_t token) {
    return prefill({&token, 1});
  }

  /// Takes the logits [rows, vocabulary] that follow the tokens at
  /// `position` and on. A failure that it returns ends the scoring.
  using LogitsSink = std::function<Error(int64_t position, int64_t rows,
                                         std::span<const float> logits)>;
  /// Like prefill, and hands over the logits after every token.
  Error score(std::span<const int32_t> tokens, const LogitsSink &sink);

  /// Tokens in the context so far, and the most there is room for.
  int64_t position() const { return past; }
  int64_t context() const { return capacity; }
  /// Forgets the tokens from `position` on, 0 <= position <= position().
  Error rewind(int64_t position);

  // Any model.

  /// Runs the model on tensors given by name, in any order. The outputs are in
  /// manifest order and stay valid until the next call. A generative model
  /// forgets its context first and gives the logits of all tokens.
  Expected<std::span<const TensorView>> run(std::span<const TensorView> inputs);

  /// From now on reads a weight, by its place in the manifest, at `data`: as many
  /// bytes as the artifact has for it, laid out and aligned as there, valid as
  /// long as the session.
  void setWeight(size_t index, const void *data) { weights[index] = data; }

  /// Bytes allocated for activations, scratch, states, inputs and outputs.
  uint64_t bufferBytes() const;

private:
  Session(const Model &model, std::unique_ptr<Team> team)
      : owner(model), team(std::move(team)) {}

  Error allocate();
  Error prepareGenerative(const SessionOptions &options);
  Error checkTokens(std::span<const int32_t> tokens) const;
  const Entry &entryFor(size_t tokens) const;
  /// Appends one chunk; the logits of the last `logitsRows` tokens at least.
  Expected<std::span<const float>> step(std::span<const int32_t> tokens,
                                        int64_t logitsRows);
  void call(const Entry &entry);

  Expected<std::span<const TensorView>> runGenerative();
  Error bindInputs(std::span<const TensorView> inputs);
  Error solveExtents();
  Error checkExtents() const;
  Error bindOutputs();

  const Model &owner;
  std::unique_ptr<Team> team;
  Buffer arena, scratch;
  std::vector<Buffer> stateBuffers, argumentBuffers;

  // What a call passes, kept here so that calling allocates nothing.
  std::vector<void *> arguments, states;
  std::vector<const void *> weights;
  std::vector<int64_t> extents;

  // Generative models.
  const Entry *prefillEntry = nullptr;
  const Entry *decodeEntry = nullptr;
  size_t sequenceExtent = 0, pastExtent = 0, logitsExtent = 0;
  int64_t capacity = 0, past = 0, maxLogitsRows = 1;

  // Tensors: the inputs by manifest order, the results of the last run.
  std::vector<const TensorView *> bound;
  std::vector<std::vector<int64_t>> outputShapes;
  std::vector<TensorView> outputs;
  Buffer resultBuffer;
};

} // namespace lq

#endif // LQ_RUNTIME_SESSION_H
