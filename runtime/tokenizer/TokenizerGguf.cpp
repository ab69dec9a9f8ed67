//===- TokenizerGguf.cpp - tokenizers in GGUF metadata --------------------===//

#include "runtime/Gguf.h"
#include "runtime/tokenizer/TokenizerModel.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <unordered_map>

namespace lq {

namespace {

// Keys of the format that every GGUF reader knows.
constexpr char modelKey[] = "tokenizer.ggml.model";
constexpr char tokensKey[] = "tokenizer.ggml.tokens";
constexpr char scoresKey[] = "tokenizer.ggml.scores";
constexpr char typesKey[] = "tokenizer.ggml.token_type";
constexpr char mergesKey[] = "tokenizer.ggml.merges";
constexpr char bosKey[] = "tokenizer.ggml.bos_token_id";
constexpr char eosKey[] = "tokenizer.ggml.eos_token_id";
constexpr char unkKey[] = "tokenizer.ggml.unknown_token_id";
constexpr char padKey[] = "tokenizer.ggml.padding_token_id";
constexpr char chatKey[] = "tokenizer.chat_template";

// What those have no room for.
constexpr char pipelineKey[] = "lq.tokenizer.pipeline";
/// i32: all ids that end a generation.
constexpr char eosIdsKey[] = "lq.tokenizer.eos_token_ids";
/// f64: the scores, if single precision would change them.
constexpr char exactScoresKey[] = "lq.tokenizer.scores";
/// i32 pairs: index of a merge whose tokens have spaces, bytes of its left one.
constexpr char mergeSplitsKey[] = "lq.tokenizer.merge_splits";

const char *ggmlModelName(const TokenizerModel &model) {
  switch (model.kind) {
  case TokenizerKind::Unigram:
    return "t5";
  case TokenizerKind::WordPiece:
    return "bert";
  case TokenizerKind::Bpe:
    break;
  }
  bool isByteLevel = model.pipeline.find("\"ByteLevel\"") != std::string::npos;
  return isByteLevel ? "gpt2" : "llama";
}

void writeMerges(const TokenizerModel &model, GgufWriter &writer) {
  std::vector<std::string> merges;
  merges.reserve(model.merges.size());
  std::vector<int32_t> splits;
  for (auto [left, right] : model.merges) {
    const std::string &first = model.tokens[left];
    const std::string &second = model.tokens[right];
    if (first.find(' ') != std::string::npos ||
        second.find(' ') != std::string::npos) {
      splits.push_back(static_cast<int32_t>(merges.size()));
      splits.push_back(static_cast<int32_t>(first.size()));
    }
    merges.push_back(first + " " + second);
  }
  writer.setMetadata(mergesKey, GgufValue(merges));
  if (!splits.empty())
    writer.setMetadata(mergeSplitsKey, GgufValue(splits));
}

void writeScores(const TokenizerModel &model, GgufWriter &writer) {
  std::vector<float> rounded(model.scores.begin(), model.scores.end());
  writer.setMetadata(scoresKey, GgufValue(rounded));
  if (!std::equal(rounded.begin(), rounded.end(), model.scores.begin(),
                  [](float a, double b) { return a == b; }))
    writer.setMetadata(exactScoresKey, GgufValue(model.scores));
}

/// Reads values of one file; the first failure is kept.
class Metadata {
public:
  explicit Metadata(const GgufReader &reader) : reader(reader) {}

  bool has(const char *key) const { return reader.find(key) != nullptr; }
  Error takeError() { return std::move(failure); }

  std::string_view string(const char *key) {
    return get(key, &GgufValue::asString);
  }
  std::vector<std::string_view> strings(const char *key) {
    return get(key, &GgufValue::asStrings);
  }
  std::vector<int64_t> integers(const char *key) {
    return get(key, &GgufValue::asIntegers);
  }
  std::vector<double> doubles(const char *key);
  /// -1 if there is no such key.
  int32_t id(const char *key);

  void fail(const char *key, std::string_view what) {
    if (!failure)
      failure =
          makeError(ErrorCode::Corrupt, reader.path(), ": ", key, ": ", what);
  }

private:
  template <typename T>
  T get(const char *key, Expected<T> (GgufValue::*read)() const) {
    const GgufValue *value = reader.find(key);
    if (!value) {
      fail(key, "missing");
      return {};
    }
    Expected<T> result = (value->*read)();
    if (result)
      return std::move(*result);
    fail(key, result.error().message());
    return {};
  }

  const GgufReader &reader;
  Error failure;
};

std::vector<double> Metadata::doubles(const char *key) {
  const GgufValue *value = reader.find(key);
  if (!value || value->type() != GgufType::Array ||
      value->elementType() != GgufType::F64) {
    std::vector<float> narrow = get(key, &GgufValue::asFloats);
    return {narrow.begin(), narrow.end()};
  }
  std::vector<double> result(value->size());
  std::string_view data = value->bytes();
  size_t bytes = result.size() * sizeof(double);
  if (bytes != 0)
    std::memcpy(result.data(), data.data() + (data.size() - bytes), bytes);
  return result;
}

int32_t Metadata::id(const char *key) {
  const GgufValue *value = reader.find(key);
  if (!value)
    return -1;
  Expected<int64_t> number = value->asInteger();
  if (number && *number >= 0 && *number <= INT32_MAX)
    return static_cast<int32_t>(*number);
  fail(key, "expected a token id");
  return -1;
}

/// "left right" by id; `splits` has the bytes of the left token where spaces
/// leave it open.
void readMerges(const std::vector<std::string_view> &texts,
                const std::vector<int64_t> &splits, TokenizerModel &model,
                Metadata &metadata) {
  std::unordered_map<std::string_view, int32_t> ids;
  ids.reserve(model.tokens.size());
  for (size_t id = 0; id < model.tokens.size(); ++id)
    if (model.types[id] != TokenType::Unused)
      ids.emplace(model.tokens[id], static_cast<int32_t>(id));

  model.merges.reserve(texts.size());
  size_t nextSplit = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    std::string_view text = texts[i];
    size_t space = text.find(' ');
    if (nextSplit + 1 < splits.size() &&
        splits[nextSplit] == static_cast<int64_t>(i)) {
      int64_t bytes = splits[nextSplit + 1];
      bool fits = bytes >= 0 && bytes < static_cast<int64_t>(text.size());
      space = fits ? static_cast<size_t>(bytes) : std::string_view::npos;
      nextSplit += 2;
    }
    if (space == std::string_view::npos || text[space] != ' ')
      return metadata.fail(mergesKey, "a merge that is not two tokens");
    auto left = ids.find(text.substr(0, space));
    auto right = ids.find(text.substr(space + 1));
    if (left == ids.end() || right == ids.end())
      return metadata.fail(mergesKey, "a merge of unknown tokens");
    model.merges.push_back({left->second, right->second});
  }
}

void readTypes(TokenizerModel &model, Metadata &metadata) {
  for (int64_t type : metadata.integers(typesKey)) {
    if (type < 1 || type > 6)
      return metadata.fail(typesKey, "a type that is not 1 to 6");
    model.types.push_back(static_cast<TokenType>(type));
  }
  if (model.types.size() != model.tokens.size())
    metadata.fail(typesKey, "not as many as tokens");
}

} // namespace

void writeTokenizerMetadata(const TokenizerModel &model, GgufWriter &writer) {
  writer.setMetadata(modelKey, GgufValue(ggmlModelName(model)));
  writer.setMetadata(tokensKey, GgufValue(model.tokens));
  std::vector<int32_t> types;
  for (TokenType type : model.types)
    types.push_back(static_cast<int32_t>(type));
  writer.setMetadata(typesKey, GgufValue(types));
  if (model.kind == TokenizerKind::Unigram)
    writeScores(model, writer);
  if (model.kind == TokenizerKind::Bpe)
    writeMerges(model, writer);

  auto setId = [&](const char *key, int32_t id) {
    if (id >= 0)
      writer.setMetadata(key, GgufValue(static_cast<uint32_t>(id)));
  };
  setId(bosKey, model.bosId);
  setId(unkKey, model.unkId);
  setId(padKey, model.padId);
  if (!model.eosIds.empty()) {
    setId(eosKey, model.eosIds.front());
    writer.setMetadata(eosIdsKey, GgufValue(model.eosIds));
  }
  if (!model.chatTemplate.empty())
    writer.setMetadata(chatKey, GgufValue(model.chatTemplate));
  writer.setMetadata(pipelineKey, GgufValue(model.pipeline));
}

Expected<TokenizerModel> readTokenizerMetadata(const GgufReader &reader) {
  if (!reader.find(pipelineKey))
    return makeError(ErrorCode::InvalidArgument, reader.path(),
                     ": has no tokenizer (", pipelineKey, ")");
  Metadata metadata(reader);
  TokenizerModel model;
  std::string_view kind = metadata.string(modelKey);
  if (kind == "gpt2" || kind == "llama")
    model.kind = TokenizerKind::Bpe;
  else if (kind == "t5")
    model.kind = TokenizerKind::Unigram;
  else if (kind == "bert")
    model.kind = TokenizerKind::WordPiece;
  else
    metadata.fail(modelKey, "an unknown kind of tokenizer");

  for (std::string_view token : metadata.strings(tokensKey))
    model.tokens.emplace_back(token);
  readTypes(model, metadata);
  if (model.kind == TokenizerKind::Unigram)
    model.scores = metadata.doubles(
        metadata.has(exactScoresKey) ? exactScoresKey : scoresKey);
  model.bosId = metadata.id(bosKey);
  model.unkId = metadata.id(unkKey);
  model.padId = metadata.id(padKey);
  if (metadata.has(eosIdsKey))
    for (int64_t id : metadata.integers(eosIdsKey))
      model.eosIds.push_back(static_cast<int32_t>(id));
  if (metadata.has(chatKey))
    model.chatTemplate = metadata.string(chatKey);
  model.pipeline = metadata.string(pipelineKey);
  if (Error error = metadata.takeError())
    return error;

  if (model.kind == TokenizerKind::Bpe) {
    std::vector<int64_t> splits;
    if (metadata.has(mergeSplitsKey))
      splits = metadata.integers(mergeSplitsKey);
    readMerges(metadata.strings(mergesKey), splits, model, metadata);
  }
  if (Error error = metadata.takeError())
    return error;
  return model;
}

} // namespace lq
