//===- TokenizerGguf.cpp - tokenizers in GGUF metadata --------------------===//

#include "runtime/Gguf.h"
#include "runtime/tokenizer/TokenizerModel.h"

#include <algorithm>
#include <cstring>

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
/// i32 triples: left, right and resulting id of each merge. The texts of the
/// standard key are ambiguous for tokens with spaces, and slow to look up.
constexpr char mergeIdsKey[] = "lq.tokenizer.merges";

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
  std::vector<std::string> texts;
  std::vector<int32_t> ids;
  texts.reserve(model.merges.size());
  ids.reserve(3 * model.merges.size());
  for (auto [left, right, result] : model.merges) {
    texts.push_back(model.tokens[left] + " " + model.tokens[right]);
    ids.insert(ids.end(), {left, right, result});
  }
  writer.setMetadata(mergesKey, GgufValue(texts));
  writer.setMetadata(mergeIdsKey, GgufValue(ids));
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
  template <typename T> std::vector<T> array(const char *key);
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

template <typename T> std::vector<T> Metadata::array(const char *key) {
  const GgufValue *value = reader.find(key);
  if (!value || value->type() != GgufType::Array ||
      value->elementType() != ggufTypeOf<T>()) {
    fail(key, value ? "not an array of the expected type" : "missing");
    return {};
  }
  // The elements are the last bytes of the value.
  std::vector<T> result(value->size());
  size_t bytes = result.size() * sizeof(T);
  if (bytes != 0)
    std::memcpy(result.data(),
                value->bytes().data() + (value->bytes().size() - bytes), bytes);
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

void readMerges(TokenizerModel &model, Metadata &metadata) {
  std::vector<int32_t> ids = metadata.array<int32_t>(mergeIdsKey);
  if (ids.size() % 3 != 0)
    return metadata.fail(mergeIdsKey, "not three ids a merge");
  model.merges.reserve(ids.size() / 3);
  for (size_t i = 0; i < ids.size(); i += 3)
    model.merges.push_back({ids[i], ids[i + 1], ids[i + 2]});
}

void readScores(TokenizerModel &model, Metadata &metadata) {
  if (metadata.has(exactScoresKey)) {
    model.scores = metadata.array<double>(exactScoresKey);
    return;
  }
  std::vector<float> scores = metadata.array<float>(scoresKey);
  model.scores.assign(scores.begin(), scores.end());
}

void readTypes(TokenizerModel &model, Metadata &metadata) {
  for (int32_t type : metadata.array<int32_t>(typesKey)) {
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
    readScores(model, metadata);
  if (model.kind == TokenizerKind::Bpe)
    readMerges(model, metadata);
  model.bosId = metadata.id(bosKey);
  model.unkId = metadata.id(unkKey);
  model.padId = metadata.id(padKey);
  if (metadata.has(eosIdsKey))
    model.eosIds = metadata.array<int32_t>(eosIdsKey);
  if (metadata.has(chatKey))
    model.chatTemplate = metadata.string(chatKey);
  model.pipeline = metadata.string(pipelineKey);
  if (Error error = metadata.takeError())
    return error;

  return model;
}

} // namespace lq
