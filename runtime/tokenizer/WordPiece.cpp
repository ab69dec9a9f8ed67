//===- WordPiece.cpp - greedy longest match -------------------------------===//

#include "runtime/tokenizer/JsonFields.h"
#include "runtime/tokenizer/Unicode.h"
#include "runtime/tokenizer/WordModel.h"

#include <algorithm>

namespace lq::tok {

namespace {

/// BERT's model: the longest token that the rest of the word starts with, again
/// and again; a word that cannot be covered is unknown as a whole.
class WordPiece : public WordModel {
public:
  WordPiece(const Vocabulary &vocabulary, std::string unknown,
            std::string prefix, size_t mostCharacters)
      : vocabulary(vocabulary), unknown(std::move(unknown)),
        prefix(std::move(prefix)), mostCharacters(mostCharacters) {}

  Error encode(std::string_view word,
               std::vector<int32_t> &ids) const override {
    size_t characters = std::count_if(word.begin(), word.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    });
    size_t start = ids.size();
    if (characters <= mostCharacters && cover(word, ids))
      return Error::success();
    ids.resize(start);
    int32_t id = vocabulary.find(unknown);
    if (id < 0)
      return makeError(ErrorCode::Unsupported, "the unknown token '", unknown,
                       "' is not in the vocabulary");
    ids.push_back(id);
    return Error::success();
  }

private:
  bool cover(std::string_view word, std::vector<int32_t> &ids) const {
    std::string candidate;
    for (size_t start = 0; start < word.size();) {
      size_t offset = start > 0 ? prefix.size() : 0;
      candidate.assign(prefix, 0, offset);
      candidate += word.substr(start, vocabulary.longest());
      size_t end = candidate.size();
      int32_t id = -1;
      while (end > offset && id < 0) {
        // Not in the middle of a character.
        if (start + end - offset == word.size() ||
            (static_cast<unsigned char>(word[start + end - offset]) & 0xC0) !=
                0x80)
          id = vocabulary.find(std::string_view(candidate).substr(0, end));
        if (id < 0)
          --end;
      }
      if (id < 0)
        return false;
      ids.push_back(id);
      start += end - offset;
    }
    return true;
  }

  const Vocabulary &vocabulary;
  std::string unknown;
  /// Precedes tokens that go on with a word, "##".
  std::string prefix;
  size_t mostCharacters;
};

} // namespace

Expected<std::unique_ptr<WordModel>> makeWordPiece(const Vocabulary &vocabulary,
                                                   const Json &options) {
  JsonFields fields(options, "model");
  std::string unknown = fields.string("unk_token");
  std::string prefix = fields.string("continuing_subword_prefix");
  int32_t most = fields.natural("max_input_chars_per_word");
  if (Error error = fields.takeError())
    return error;
  return std::unique_ptr<WordModel>(std::make_unique<WordPiece>(
      vocabulary, std::move(unknown), std::move(prefix), most));
}

} // namespace lq::tok
