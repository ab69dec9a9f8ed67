//===- Decoder.h - from token texts to text ---------------------*- C++ -*-===//

#ifndef LQ_RUNTIME_TOKENIZER_DECODER_H
#define LQ_RUNTIME_TOKENIZER_DECODER_H

#include "runtime/Error.h"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace lq::tok {

class JsonFields;

/// A step of decoding at work: takes token texts one at a time and hands on
/// what has become certain.
class DecodeStage {
public:
  using Sink = std::function<void(std::string)>;

  explicit DecodeStage(Sink next) : next(std::move(next)) {}
  virtual ~DecodeStage();
  virtual void push(std::string token) = 0;
  /// Hands on the rest and starts afresh.
  virtual void finish() {}

protected:
  Sink next;
};

/// All steps at work, from the first to the one that writes to a string.
class DecodeRun {
public:
  void push(std::string token);
  /// What has come out since the last call.
  std::string take();
  /// The rest.
  std::string finish();

private:
  friend class Decoder;
  /// Shared with the last stage, so that a run can be moved.
  std::shared_ptr<std::string> output = std::make_shared<std::string>();
  std::vector<std::unique_ptr<DecodeStage>> stages;
};

/// The `decoder` of tokenizer.json. Immutable.
class Decoder {
public:
  /// A null `description` puts spaces between tokens.
  static Expected<Decoder> make(const nlohmann::json &description);

  /// The decoder must outlive the run.
  DecodeRun start() const;

private:
  using Factory =
      std::function<std::unique_ptr<DecodeStage>(DecodeStage::Sink)>;

  Error add(const nlohmann::json &description, const std::string &where);
  Error addSequence(JsonFields &fields);
  Error addReplace(const nlohmann::json &description, const std::string &where);
  Error addMetaspace(const nlohmann::json &description,
                     const std::string &where);
  void addStrip(JsonFields &fields);
  void addWordPiece(JsonFields &fields);
  /// For a step that must see its tokens whole: after a fusing step, collects
  /// the one token there is.
  void addWhole(Factory factory);

  std::vector<Factory> factories;
  /// The steps so far make one token, which comes in parts of whole characters.
  bool fused = false;
};

} // namespace lq::tok

#endif // LQ_RUNTIME_TOKENIZER_DECODER_H
