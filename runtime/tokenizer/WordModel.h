//===- WordModel.h - from a pre-tokenized word to ids -----------*- C++ -*-===//

#ifndef LQ_RUNTIME_TOKENIZER_WORDMODEL_H
#define LQ_RUNTIME_TOKENIZER_WORDMODEL_H

#include "runtime/Error.h"
#include "runtime/tokenizer/TokenizerModel.h"
#include "runtime/tokenizer/Vocabulary.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace lq::tok {

/// The middle of a tokenizer: cuts one piece of text into tokens. Immutable.
class WordModel {
public:
  virtual ~WordModel();

  /// Appends the ids of `word`, which is not empty. Fails for an unknown
  /// character when there is no unknown token.
  virtual Error encode(std::string_view word,
                       std::vector<int32_t> &ids) const = 0;
};

/// `options` is the pipeline's `model` object. The tokenizer's model and the
/// vocabulary must outlive the result.
Expected<std::unique_ptr<WordModel>>
makeWordModel(const TokenizerModel &model, const Vocabulary &vocabulary,
              const nlohmann::json &options);

// One for each kind of model.
Expected<std::unique_ptr<WordModel>> makeBpe(const TokenizerModel &model,
                                             const Vocabulary &vocabulary,
                                             const nlohmann::json &options);
Expected<std::unique_ptr<WordModel>> makeUnigram(const TokenizerModel &model,
                                                 const Vocabulary &vocabulary,
                                                 const nlohmann::json &options);
Expected<std::unique_ptr<WordModel>>
makeWordPiece(const Vocabulary &vocabulary, const nlohmann::json &options);

} // namespace lq::tok

#endif // LQ_RUNTIME_TOKENIZER_WORDMODEL_H
