//===- WordModel.cpp - from a pre-tokenized word to ids -------------------===//

#include "runtime/tokenizer/WordModel.h"

#include <nlohmann/json.hpp>

namespace lq::tok {

WordModel::~WordModel() = default;

Expected<std::unique_ptr<WordModel>>
makeWordModel(const TokenizerModel &model, const Vocabulary &vocabulary,
              const nlohmann::json &options) {
  switch (model.kind) {
  case TokenizerKind::Bpe:
    return makeBpe(model, vocabulary, options);
  case TokenizerKind::Unigram:
    return makeUnigram(model, vocabulary, options);
  case TokenizerKind::WordPiece:
    break;
  }
  return makeWordPiece(vocabulary, options);
}

} // namespace lq::tok
