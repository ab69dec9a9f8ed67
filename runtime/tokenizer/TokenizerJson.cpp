//===- TokenizerJson.cpp - tokenizers from tokenizer.json -----------------===//

#include "runtime/tokenizer/AddedTokens.h"
#include "runtime/tokenizer/JsonFields.h"
#include "runtime/tokenizer/TokenizerModel.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unordered_map>
#include <unordered_set>

namespace lq {

using namespace tok;

namespace {

/// A table by id has room for holes, but not for any number of them.
bool isPlausibleId(int32_t id, size_t count) {
  return static_cast<size_t>(id) < 4 * count + 100000;
}

/// Builds the model; the functions stop at the first failure, which is kept.
class Builder {
public:
  explicit Builder(Json tokenizer) : json(std::move(tokenizer)) {}

  Expected<TokenizerModel> run(const TokenizerFiles &files);

private:
  void readKind(JsonFields &options);
  void readVocabulary(JsonFields &options);
  void readScoredVocabulary(JsonFields &options);
  void readMerges(JsonFields &options);
  void readMerge(const Json &merge, size_t rank);
  void readAddedTokens(JsonFields &root);
  void placeAddedToken(AddedToken &token);
  void classifyTokens(JsonFields &options);
  void makePipeline();
  void readSpecialIds(const TokenizerFiles &files);

  void setToken(int32_t id, const std::string &text, TokenType type);
  int32_t find(const std::string &text) const {
    auto found = ids.find(text);
    return found == ids.end() ? -1 : found->second;
  }
  void fail(ErrorCode code, const std::string &where, std::string_view what) {
    if (!failure)
      failure = makeError(code, "tokenizer.json: ", where, ": ", what);
  }
  /// Keeps the failure of a reader of fields.
  void keep(JsonFields &fields) {
    if (Error error = fields.takeError())
      fail(error.code(), error.message());
  }
  void fail(ErrorCode code, const std::string &message) {
    if (!failure)
      failure = makeError(code, "tokenizer.json: ", message);
  }

  Json json;
  TokenizerModel model;
  std::string continuingPrefix;
  /// The model's vocabulary, then added tokens as well.
  std::unordered_map<std::string, int32_t> ids;
  std::vector<AddedToken> added;
  /// The contents of those that the model's vocabulary does not have.
  std::unordered_set<std::string> addedOnly;
  Error failure;
};

void Builder::readKind(JsonFields &options) {
  std::string type = options.string("type", "");
  // Old files have no type.
  if (type == "BPE" || (type.empty() && options.find("merges")))
    model.kind = TokenizerKind::Bpe;
  else if (type == "Unigram" || (type.empty() && options.find("unk_id")))
    model.kind = TokenizerKind::Unigram;
  else if (type == "WordPiece" || type.empty())
    model.kind = TokenizerKind::WordPiece;
  else
    fail(ErrorCode::Unsupported, "model.type",
         "unknown kind of model '" + type + "'");
}

void Builder::setToken(int32_t id, const std::string &text, TokenType type) {
  if (static_cast<size_t>(id) >= model.tokens.size()) {
    model.tokens.resize(id + 1);
    model.types.resize(id + 1, TokenType::Unused);
  }
  model.tokens[id] = text;
  model.types[id] = type;
}

void Builder::readVocabulary(JsonFields &options) {
  const Json &vocabulary = options.object("vocab");
  keep(options);
  for (const auto &[text, value] : vocabulary.items()) {
    if (failure)
      return;
    std::optional<int32_t> id = asNatural(value);
    if (!id)
      return fail(ErrorCode::Corrupt, "model.vocab['" + text + "']",
                  "expected an id");
    if (!isPlausibleId(*id, vocabulary.size()))
      return fail(ErrorCode::Corrupt, "model.vocab['" + text + "']",
                  "id " + std::to_string(*id) + " is far beyond the " +
                      std::to_string(vocabulary.size()) + " tokens");
    if (static_cast<size_t>(*id) < model.types.size() &&
        model.types[*id] != TokenType::Unused)
      return fail(ErrorCode::Corrupt, "model.vocab['" + text + "']",
                  "id " + std::to_string(*id) + " is taken by '" +
                      model.tokens[*id] + "'");
    setToken(*id, text, TokenType::Normal);
    ids[text] = *id;
  }
}

void Builder::readScoredVocabulary(JsonFields &options) {
  const Json &vocabulary = options.array("vocab");
  keep(options);
  for (size_t id = 0; id < vocabulary.size() && !failure; ++id) {
    const Json &entry = vocabulary[id];
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() ||
        !entry[1].is_number())
      return fail(ErrorCode::Corrupt, "model.vocab[" + std::to_string(id) + "]",
                  "expected a token and its score");
    const auto &text = entry[0].get_ref<const std::string &>();
    setToken(static_cast<int32_t>(id), text, TokenType::Normal);
    model.scores.push_back(entry[1].get<double>());
    ids[text] = static_cast<int32_t>(id);
  }
}

void Builder::readMerge(const Json &merge, size_t rank) {
  std::string where = "model.merges[" + std::to_string(rank) + "]";
  std::string left, right;
  if (merge.is_string()) {
    const auto &text = merge.get_ref<const std::string &>();
    if (text.starts_with("#version"))
      return;
    if (std::count(text.begin(), text.end(), ' ') != 1)
      return fail(ErrorCode::Corrupt, where,
                  "expected two tokens with a space between");
    left = text.substr(0, text.find(' '));
    right = text.substr(text.find(' ') + 1);
  } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
             merge[1].is_string()) {
    left = merge[0].get_ref<const std::string &>();
    right = merge[1].get_ref<const std::string &>();
  } else {
    return fail(ErrorCode::Corrupt, where, "expected two tokens");
  }
  // The right one comes without the mark that it goes on with a word.
  size_t mark = std::min(continuingPrefix.size(), right.size());
  std::string joined = left + right.substr(mark);
  for (const std::string &token : {left, right, joined})
    if (find(token) < 0)
      return fail(ErrorCode::Corrupt, where,
                  "'" + token + "' is not in the vocabulary");
  model.merges.push_back({find(left), find(right), find(joined)});
}

void Builder::readMerges(JsonFields &options) {
  const Json &merges = options.array("merges");
  continuingPrefix = options.string("continuing_subword_prefix", "");
  keep(options);
  model.merges.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size() && !failure; ++rank)
    readMerge(merges[rank], rank);
}

/// `tokenizers` gives ids by the text, whatever the file says: that of the
/// vocabulary, or the next free one.
void Builder::placeAddedToken(AddedToken &token) {
  int32_t known = find(token.content);
  if (known >= 0)
    token.id = known;
  else
    addedOnly.insert(token.content);
  token.inModel = !addedOnly.contains(token.content);
  TokenType type = token.special ? TokenType::Control : TokenType::UserDefined;
  setToken(token.id, token.content, type);
  ids[token.content] = token.id;
}

void Builder::readAddedTokens(JsonFields &root) {
  if (!root.find("added_tokens"))
    return;
  const Json &list = root.array("added_tokens");
  keep(root);
  auto nextId = static_cast<int32_t>(ids.size());
  if (model.kind == TokenizerKind::Unigram)
    nextId = static_cast<int32_t>(model.tokens.size());
  for (size_t i = 0; i < list.size() && !failure; ++i) {
    std::string where = "added_tokens[" + std::to_string(i) + "]";
    Expected<AddedToken> token = readAddedToken(list[i], where);
    if (!token)
      return fail(token.error().code(), token.error().message());
    if (token->content.empty())
      continue;
    bool isNew = find(token->content) < 0;
    if (isNew)
      token->id = nextId++;
    if (isNew && static_cast<size_t>(token->id) < model.types.size() &&
        model.types[token->id] != TokenType::Unused)
      return fail(ErrorCode::Corrupt, where,
                  "its id " + std::to_string(token->id) + " is taken by '" +
                      model.tokens[token->id] +
                      "'; the vocabulary's ids have gaps");
    placeAddedToken(*token);
    added.push_back(std::move(*token));
  }
}

void Builder::classifyTokens(JsonFields &options) {
  if (model.kind == TokenizerKind::Unigram) {
    model.unkId = options.optionalNatural("unk_id").value_or(-1);
    model.scores.resize(model.tokens.size());
  } else {
    model.unkId = find(options.string("unk_token", ""));
  }
  if (model.unkId >= 0 && static_cast<size_t>(model.unkId) < model.types.size())
    model.types[model.unkId] = TokenType::Unknown;
  if (options.boolean("byte_fallback", false)) {
    static constexpr char digits[] = "0123456789ABCDEF";
    for (int byte = 0; byte < 256; ++byte) {
      std::string text = "<0x";
      text += digits[byte >> 4];
      text += digits[byte & 15];
      int32_t id = find(text + ">");
      if (id >= 0 && model.types[id] == TokenType::Normal)
        model.types[id] = TokenType::Byte;
    }
  }
  keep(options);
  for (size_t id = 0; id < model.tokens.size(); ++id)
    if (model.types[id] == TokenType::Unused)
      model.tokens[id] = "[PAD" + std::to_string(id) + "]";
}

void Builder::makePipeline() {
  Json pipeline;
  for (const char *part :
       {"normalizer", "pre_tokenizer", "post_processor", "decoder"})
    pipeline[part] = json.value(part, Json());
  Json &tokens = pipeline["added_tokens"] = Json::array();
  for (const AddedToken &token : added)
    tokens.push_back({{"id", token.id},
                      {"content", token.content},
                      {"single_word", token.singleWord},
                      {"lstrip", token.leftStrip},
                      {"rstrip", token.rightStrip},
                      {"normalized", token.normalized},
                      {"special", token.special},
                      {"in_model", token.inModel}});
  Json &options = pipeline["model"] = json["model"];
  options.erase("vocab");
  options.erase("merges");
  model.pipeline = pipeline.dump();
}

/// A special token of tokenizer_config.json: a text, or an object with one.
std::string specialText(const JsonFields &config, const char *name) {
  const Json *value = config.find(name);
  if (value && value->is_object())
    value = JsonFields(*value, name).find("content");
  return value && value->is_string() ? value->get_ref<const std::string &>()
                                     : std::string();
}

/// The ids in a field that holds one or several; others are left out, for
/// some models write -1 for none.
std::vector<int32_t> idsIn(const JsonFields &config, const char *name) {
  std::vector<int32_t> result;
  const Json *value = config.find(name);
  if (!value)
    return result;
  if (std::optional<int32_t> id = asNatural(*value))
    return {*id};
  if (value->is_array())
    for (const Json &entry : *value)
      if (std::optional<int32_t> id = asNatural(entry))
        result.push_back(*id);
  return result;
}

/// A template is a text, or one of several with names.
std::string chatTemplateIn(const JsonFields &config) {
  const Json *value = config.find("chat_template");
  if (!value)
    return {};
  if (value->is_string())
    return value->get_ref<const std::string &>();
  std::string first;
  if (!value->is_array())
    return first;
  for (const Json &entry : *value) {
    JsonFields fields(entry, "chat_template");
    const Json *text = fields.find("template");
    if (!text || !text->is_string())
      continue;
    if (fields.string("name", "") == "default")
      return text->get_ref<const std::string &>();
    if (first.empty())
      first = text->get_ref<const std::string &>();
  }
  return first;
}

void Builder::readSpecialIds(const TokenizerFiles &files) {
  auto parse = [&](const std::string &text, const char *name) {
    Json empty = Json::object();
    if (text.empty())
      return empty;
    Expected<Json> parsed = parseJson(text, name);
    if (parsed && parsed->is_object())
      return std::move(*parsed);
    if (!failure)
      failure =
          parsed ? makeError(ErrorCode::Corrupt, name, ": expected an object")
                 : parsed.takeError();
    return empty;
  };
  Json tokenizerJson = parse(files.tokenizerConfig, "tokenizer_config.json");
  Json generationJson = parse(files.generationConfig, "generation_config.json");
  Json configJson = parse(files.config, "config.json");
  JsonFields tokenizer(tokenizerJson, "tokenizer_config.json");
  JsonFields generation(generationJson, "generation_config.json");
  JsonFields config(configJson, "config.json");
  if (failure)
    return;

  auto idOf = [&](const char *name, const char *idName) {
    if (tokenizerJson.contains(name))
      return find(specialText(tokenizer, name));
    for (const JsonFields *other : {&generation, &config})
      if (std::vector<int32_t> found = idsIn(*other, idName); !found.empty())
        return found.front();
    return -1;
  };
  model.bosId = idOf("bos_token", "bos_token_id");
  model.padId = idOf("pad_token", "pad_token_id");
  if (model.unkId < 0)
    model.unkId = find(specialText(tokenizer, "unk_token"));

  auto addEos = [&](int32_t id) {
    if (id >= 0 && std::find(model.eosIds.begin(), model.eosIds.end(), id) ==
                       model.eosIds.end())
      model.eosIds.push_back(id);
  };
  addEos(find(specialText(tokenizer, "eos_token")));
  bool hasGeneration = generation.find("eos_token_id") != nullptr;
  for (int32_t id : idsIn(hasGeneration ? generation : config, "eos_token_id"))
    addEos(id);

  model.chatTemplate = !files.chatTemplate.empty() ? files.chatTemplate
                                                   : chatTemplateIn(tokenizer);
}

Expected<TokenizerModel> Builder::run(const TokenizerFiles &files) {
  JsonFields root(json, "");
  if (root.string("version", "1.0") != "1.0")
    fail(ErrorCode::Unsupported, "version", "expected 1.0");
  JsonFields options(root.object("model"), "model");
  keep(root);
  if (!failure)
    readKind(options);
  if (!failure)
    model.kind == TokenizerKind::Unigram ? readScoredVocabulary(options)
                                         : readVocabulary(options);
  if (!failure && model.kind == TokenizerKind::Bpe)
    readMerges(options);
  if (!failure)
    readAddedTokens(root);
  if (!failure)
    classifyTokens(options);
  if (!failure)
    readSpecialIds(files);
  if (failure)
    return std::move(failure);
  makePipeline();
  return std::move(model);
}

} // namespace

Expected<TokenizerFiles> readTokenizerFiles(const std::string &folder) {
  TokenizerFiles files;
  const std::pair<const char *, std::string *> parts[] = {
      {"tokenizer.json", &files.tokenizer},
      {"tokenizer_config.json", &files.tokenizerConfig},
      {"generation_config.json", &files.generationConfig},
      {"config.json", &files.config},
      {"chat_template.jinja", &files.chatTemplate},
  };
  for (auto [name, text] : parts) {
    std::string path = (std::filesystem::path(folder) / name).string();
    std::error_code status;
    bool isRequired = text == &files.tokenizer;
    if (!isRequired && !std::filesystem::exists(path, status))
      continue;
    std::ifstream stream(path, std::ios::binary);
    if (stream)
      text->assign(std::istreambuf_iterator<char>(stream), {});
    if (!stream || !std::filesystem::is_regular_file(path, status))
      return makeError(ErrorCode::Io, path, ": cannot read it: ",
                       std::strerror(errno ? errno : EINVAL));
  }
  return files;
}

Expected<TokenizerModel> tokenizerModelFromJson(const TokenizerFiles &files) {
  try {
    Expected<Json> json = parseJson(files.tokenizer, "tokenizer.json");
    if (!json)
      return json.takeError();
    return Builder(std::move(*json)).run(files);
  } catch (const std::bad_alloc &) {
    return makeError(ErrorCode::OutOfMemory, "tokenizer.json: out of memory");
  } catch (const std::exception &error) {
    return makeError(ErrorCode::Corrupt, "tokenizer.json: ", error.what());
  }
}

} // namespace lq
