//===- Unigram.cpp - the most probable segmentation -----------------------===//

#include "runtime/tokenizer/ByteTrie.h"
#include "runtime/tokenizer/JsonFields.h"
#include "runtime/tokenizer/Unicode.h"
#include "runtime/tokenizer/WordModel.h"

#include <algorithm>
#include <limits>

namespace lq::tok {

namespace {

/// The language model of Kudo, "Subword Regularization" (2018), section 3.1;
/// the best segmentation by dynamic programming over end positions.
class Unigram : public WordModel {
public:
  Unigram(const Vocabulary &vocabulary, const std::vector<double> &scores,
          int32_t unknown, bool byteFallback)
      : vocabulary(vocabulary), scores(scores), unknown(unknown),
        byteFallback(byteFallback), bytes(vocabulary.byteTokens()),
        trie(keysOf(vocabulary)) {
    double least = std::numeric_limits<double>::infinity();
    for (size_t id = 0; id < vocabulary.idCount(); ++id)
      if (vocabulary.contains(static_cast<int32_t>(id)))
        least = std::min(least, scores[id]);
    // SentencePiece's penalty for a character without token.
    unknownScore = least - 10.0;
  }

  Error encode(std::string_view word,
               std::vector<int32_t> &ids) const override {
    std::vector<Step> best(word.size() + 1);
    for (size_t begin = 0; begin < word.size();) {
      size_t next = begin;
      nextCodePoint(word, next);
      if (Error error = extend(word, begin, next, best))
        return error;
      begin = next;
    }

    // Back along the best path; runs of unknown characters become one piece.
    std::vector<Piece> path;
    for (size_t end = word.size(); end > 0;) {
      const Step &step = best[end];
      bool fuses =
          step.id == unknown && !path.empty() && path.back().id == unknown;
      if (fuses)
        path.back().begin = step.begin;
      else
        path.push_back({step.begin, end, step.id});
      end = step.begin;
    }
    for (auto piece = path.rbegin(); piece != path.rend(); ++piece)
      emit(word, *piece, ids);
    return Error::success();
  }

private:
  /// The last token of the best segmentation that ends at a position.
  struct Step {
    double score = 0;
    size_t begin = none;
    int32_t id = 0;
  };
  struct Piece {
    size_t begin, end;
    int32_t id;
  };
  static constexpr size_t none = std::numeric_limits<size_t>::max();

  static std::vector<ByteTrie::Key> keysOf(const Vocabulary &vocabulary) {
    std::vector<ByteTrie::Key> keys;
    keys.reserve(vocabulary.size());
    for (size_t id = 0; id < vocabulary.idCount(); ++id)
      if (vocabulary.contains(static_cast<int32_t>(id)))
        keys.emplace_back(vocabulary.text(static_cast<int32_t>(id)),
                          static_cast<int32_t>(id));
    return keys;
  }

  /// Tries all tokens that begin at `begin`, where a character up to `next`
  /// stands.
  Error extend(std::string_view word, size_t begin, size_t next,
               std::vector<Step> &best) const {
    double soFar = best[begin].score;
    auto reach = [&](size_t end, double score, int32_t id) {
      Step &step = best[end];
      if (step.begin == none || score > step.score)
        step = {score, begin, id};
    };
    bool hasCharacter = false;
    trie.prefixesOf(word.substr(begin), [&](size_t length, int32_t id) {
      reach(begin + length, scores[id] + soFar, id);
      hasCharacter |= begin + length == next;
    });
    if (hasCharacter)
      return Error::success();
    double score = unknownScore + soFar;
    if (best[next].begin == none || score > best[next].score) {
      if (unknown < 0)
        return makeError(
            ErrorCode::Unsupported,
            "the text has a character outside the vocabulary, and the "
            "tokenizer has no unknown token (unk_id)");
      reach(next, score, unknown);
    }
    return Error::success();
  }

  void emit(std::string_view word, const Piece &piece,
            std::vector<int32_t> &ids) const {
    if (piece.id != unknown) {
      ids.push_back(piece.id);
      return;
    }
    std::string_view text = word.substr(piece.begin, piece.end - piece.begin);
    int32_t id = vocabulary.find(text);
    if (id >= 0) {
      ids.push_back(id);
      return;
    }
    auto byteId = [&](char c) { return bytes[static_cast<unsigned char>(c)]; };
    if (byteFallback && std::all_of(text.begin(), text.end(),
                                    [&](char c) { return byteId(c) >= 0; }))
      for (char c : text)
        ids.push_back(byteId(c));
    else
      ids.push_back(unknown);
  }

  const Vocabulary &vocabulary;
  const std::vector<double> &scores;
  int32_t unknown;
  bool byteFallback;
  std::array<int32_t, 256> bytes;
  ByteTrie trie;
  double unknownScore;
};

} // namespace

Expected<std::unique_ptr<WordModel>> makeUnigram(const TokenizerModel &model,
                                                 const Vocabulary &vocabulary,
                                                 const Json &options) {
  JsonFields fields(options, "model");
  std::optional<int32_t> unknown = fields.optionalNatural("unk_id");
  bool byteFallback = fields.boolean("byte_fallback", false);
  if (unknown && !vocabulary.contains(*unknown))
    fields.fail("unk_id", "an id of the vocabulary");
  if (Error error = fields.takeError())
    return error;
  return std::unique_ptr<WordModel>(std::make_unique<Unigram>(
      vocabulary, model.scores, unknown.value_or(-1), byteFallback));
}

} // namespace lq::tok
