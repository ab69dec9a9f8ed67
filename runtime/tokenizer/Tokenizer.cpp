//===- Tokenizer.cpp - text to token ids and back -------------------------===//

#include "runtime/tokenizer/Tokenizer.h"
#include "runtime/tokenizer/AddedTokens.h"
#include "runtime/tokenizer/Decoder.h"
#include "runtime/tokenizer/JsonFields.h"
#include "runtime/tokenizer/Normalizer.h"
#include "runtime/tokenizer/PostProcessor.h"
#include "runtime/tokenizer/PreTokenizer.h"
#include "runtime/tokenizer/Unicode.h"
#include "runtime/tokenizer/WordModel.h"

#include <algorithm>
#include <functional>
#include <mutex>
#include <unordered_map>

namespace lq {

using namespace tok;

namespace {

/// Positions in a text are 32 bits wide in the libraries below.
constexpr size_t longestText = size_t(1) << 30;

/// Remembers the ids of words; most of a text is words seen before.
class WordCache {
public:
  const std::vector<int32_t> *find(std::string_view word) const {
    auto found = words.find(word);
    return found == words.end() ? nullptr : &found->second;
  }
  void insert(std::string_view word, std::span<const int32_t> ids) {
    if (word.size() > longestWord)
      return;
    if (words.size() >= mostWords)
      words.clear();
    words.emplace(word, std::vector<int32_t>(ids.begin(), ids.end()));
  }

private:
  static constexpr size_t mostWords = 1 << 16;
  static constexpr size_t longestWord = 64;

  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, std::vector<int32_t>, Hash, std::equal_to<>>
      words;
};

Error checkModel(const TokenizerModel &model) {
  size_t count = model.tokens.size();
  if (count == 0)
    return makeError(ErrorCode::Corrupt, "the tokenizer has no tokens");
  if (model.types.size() != count)
    return makeError(ErrorCode::Corrupt, "the tokenizer has ", count,
                     " tokens, but ", model.types.size(), " token types");
  if (model.kind == TokenizerKind::Unigram && model.scores.size() != count)
    return makeError(ErrorCode::Corrupt, "the tokenizer has ", count,
                     " tokens, but ", model.scores.size(), " scores");
  for (size_t id = 0; id < count; ++id)
    if (!isWellFormed(model.tokens[id]))
      return makeError(ErrorCode::Corrupt, "token ", id, " is not UTF-8");
  return Error::success();
}

/// Calls `work`, whose exceptions (out of memory, from the standard library)
/// become errors.
template <typename Work> auto guarded(Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc &) {
    return makeError(ErrorCode::OutOfMemory, "tokenizer: out of memory");
  } catch (const std::exception &error) {
    return makeError(ErrorCode::Corrupt, "tokenizer: ", error.what());
  }
}

} // namespace

struct Tokenizer::Impl {
  TokenizerModel model;
  std::optional<Vocabulary> vocabulary;
  std::unique_ptr<Normalizer> normalizer;
  std::unique_ptr<PreTokenizer> preTokenizer;
  AddedTokens added;
  std::unique_ptr<WordModel> words;
  PostProcessor postProcessor;
  Decoder decoder;
  /// A thread that finds the cache taken does without.
  mutable std::mutex cacheMutex;
  mutable WordCache cache;

  Error build();
  Error buildVocabulary(const Json &pipeline);
  Error encodePieces(const PieceList &pieces, WordCache *cache,
                     std::vector<int32_t> &ids) const;
  Expected<std::vector<int32_t>> encode(std::string_view text,
                                        bool addSpecial) const;
  /// The text that decoders see; null if the id is skipped.
  const std::string *decodedToken(int32_t id, bool skipSpecial) const;
};

Error Tokenizer::Impl::buildVocabulary(const Json &pipeline) {
  JsonFields fields(pipeline, "");
  std::vector<AddedToken> list;
  std::vector<bool> isMember(model.tokens.size());
  for (size_t id = 0; id < isMember.size(); ++id)
    isMember[id] = model.types[id] != TokenType::Unused;
  if (fields.find("added_tokens")) {
    const Json &entries = fields.array("added_tokens");
    for (size_t i = 0; i < entries.size(); ++i) {
      std::string where = "added_tokens[" + std::to_string(i) + "]";
      Expected<AddedToken> token = readAddedToken(entries[i], where);
      if (!token)
        return token.takeError();
      if (static_cast<size_t>(token->id) >= model.tokens.size())
        return makeError(ErrorCode::Corrupt, where, ": id ", token->id,
                         " is outside the vocabulary of ", model.tokens.size());
      if (!token->inModel)
        isMember[token->id] = false;
      list.push_back(std::move(*token));
    }
  }
  if (Error error = fields.takeError())
    return error;
  vocabulary.emplace(model.tokens, isMember);
  Expected<AddedTokens> made = AddedTokens::make(list, normalizer.get());
  if (!made)
    return made.takeError();
  added = std::move(*made);
  return Error::success();
}

Error Tokenizer::Impl::build() {
  if (Error error = checkModel(model))
    return error;
  Expected<Json> parsed = parseJson(model.pipeline, "tokenizer pipeline");
  if (!parsed)
    return parsed.takeError();
  const Json &pipeline = *parsed;
  JsonFields fields(pipeline, "tokenizer pipeline");
  static const Json nothing;
  auto part = [&](const char *name) -> const Json & {
    const Json *value = fields.find(name);
    return value ? *value : nothing;
  };
  const Json &options = fields.object("model");
  if (Error error = fields.takeError())
    return error;

  auto assign = [](auto made, auto &target) {
    if (made)
      target = std::move(*made);
    return made.takeError();
  };
  if (Error error = assign(makeNormalizer(part("normalizer")), normalizer))
    return error;
  if (Error error = buildVocabulary(pipeline))
    return error;
  if (Error error =
          assign(makePreTokenizer(part("pre_tokenizer")), preTokenizer))
    return error;
  if (Error error = assign(
          PostProcessor::make(part("post_processor"), model.tokens.size()),
          postProcessor))
    return error;
  if (Error error = assign(Decoder::make(part("decoder")), decoder))
    return error;
  return assign(makeWordModel(model, *vocabulary, options), words);
}

Error Tokenizer::Impl::encodePieces(const PieceList &pieces, WordCache *cache,
                                    std::vector<int32_t> &ids) const {
  for (const Piece &piece : pieces.pieces) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
      continue;
    }
    std::string_view word = pieces.textOf(piece);
    if (word.empty())
      continue;
    if (cache)
      if (const std::vector<int32_t> *known = cache->find(word)) {
        ids.insert(ids.end(), known->begin(), known->end());
        continue;
      }
    size_t start = ids.size();
    if (Error error = words->encode(word, ids))
      return error;
    if (cache)
      cache->insert(word, std::span(ids).subspan(start));
  }
  return Error::success();
}

Expected<std::vector<int32_t>> Tokenizer::Impl::encode(std::string_view text,
                                                       bool addSpecial) const {
  if (text.size() > longestText)
    return makeError(ErrorCode::InvalidArgument, "a text of ", text.size(),
                     " bytes is too long to tokenize; the limit is ",
                     longestText);
  std::string repaired;
  if (!isWellFormed(text)) {
    std::string bytes(text);
    drainLossy(bytes, repaired, true);
    text = repaired;
  }
  Expected<PieceList> pieces = added.split(text, normalizer.get());
  if (!pieces)
    return pieces.takeError();
  if (preTokenizer)
    if (Error error = preTokenizer->preTokenize(*pieces))
      return error;
  std::vector<int32_t> ids;
  std::unique_lock lock(cacheMutex, std::try_to_lock);
  if (Error error = encodePieces(*pieces, lock ? &cache : nullptr, ids))
    return error;
  return postProcessor.apply(std::move(ids), addSpecial);
}

const std::string *Tokenizer::Impl::decodedToken(int32_t id,
                                                 bool skipSpecial) const {
  const std::string *text = added.textOf(id);
  if (!text && vocabulary->contains(id))
    text = &vocabulary->text(id);
  if (text && skipSpecial && added.isSpecial(*text))
    return nullptr;
  return text;
}

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl)
    : impl(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer &&) noexcept = default;
Tokenizer &Tokenizer::operator=(Tokenizer &&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Expected<Tokenizer> Tokenizer::fromModel(TokenizerModel model) {
  return guarded([&]() -> Expected<Tokenizer> {
    auto made = std::make_unique<Impl>();
    made->model = std::move(model);
    if (Error error = made->build())
      return error;
    return Tokenizer(std::move(made));
  });
}

Expected<std::vector<int32_t>> Tokenizer::encode(std::string_view text,
                                                 bool addSpecial) const {
  return guarded([&] { return impl->encode(text, addSpecial); });
}

std::string Tokenizer::decode(std::span<const int32_t> ids,
                              bool skipSpecial) const {
  StreamDecoder decoder(*this, skipSpecial);
  std::string text;
  for (int32_t id : ids)
    text += decoder.push(id);
  return text += decoder.finish();
}

size_t Tokenizer::vocabularySize() const { return impl->model.tokens.size(); }

std::string_view Tokenizer::tokenText(int32_t id) const {
  if (id < 0 || static_cast<size_t>(id) >= impl->model.tokens.size() ||
      impl->model.types[id] == TokenType::Unused)
    return {};
  return impl->model.tokens[id];
}

std::optional<int32_t> Tokenizer::findToken(std::string_view text) const {
  int32_t id = impl->added.find(text);
  if (id < 0)
    id = impl->vocabulary->find(text);
  return id < 0 ? std::nullopt : std::optional(id);
}

int32_t Tokenizer::bosId() const { return impl->model.bosId; }

int32_t Tokenizer::unknownId() const { return impl->model.unkId; }

int32_t Tokenizer::eosId() const {
  return impl->model.eosIds.empty() ? -1 : impl->model.eosIds.front();
}

std::span<const int32_t> Tokenizer::eosIds() const {
  return impl->model.eosIds;
}

bool Tokenizer::isEos(int32_t id) const {
  const std::vector<int32_t> &ids = impl->model.eosIds;
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

const std::string &Tokenizer::chatTemplate() const {
  return impl->model.chatTemplate;
}

struct StreamDecoder::Impl {
  const Tokenizer::Impl *tokenizer;
  bool skipSpecial;
  DecodeRun run;
};

StreamDecoder::StreamDecoder(const Tokenizer &tokenizer, bool skipSpecial)
    : impl(std::make_unique<Impl>(Impl{tokenizer.impl.get(), skipSpecial,
                                       tokenizer.impl->decoder.start()})) {}
StreamDecoder::StreamDecoder(StreamDecoder &&) noexcept = default;
StreamDecoder &StreamDecoder::operator=(StreamDecoder &&) noexcept = default;
StreamDecoder::~StreamDecoder() = default;

std::string StreamDecoder::push(int32_t id) {
  const std::string *token =
      impl->tokenizer->decodedToken(id, impl->skipSpecial);
  if (!token)
    return {};
  impl->run.push(*token);
  return impl->run.take();
}

std::string StreamDecoder::finish() { return impl->run.finish(); }

} // namespace lq
