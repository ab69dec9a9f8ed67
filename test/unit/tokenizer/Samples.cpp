//===- Samples.cpp - small tokenizers for tests ---------------------------===//

#include "Samples.h"

#include "runtime/tokenizer/ByteLevel.h"

#include <cstdio>

namespace lq::test {

static Json addedToken(int id, const char *content) {
  Json token = Json::parse(R"({"single_word": false, "lstrip": false,
      "rstrip": false, "normalized": false, "special": true})");
  token["id"] = id;
  token["content"] = content;
  return token;
}

static Json templateWith(const char *token, int id) {
  Json result = Json::parse(R"({"type": "TemplateProcessing", "pair": [],
      "single": [{"SpecialToken": {"id": "", "type_id": 0}},
                 {"Sequence": {"id": "A", "type_id": 0}}]})");
  result["single"][0]["SpecialToken"]["id"] = token;
  result["special_tokens"][token]["ids"] = std::vector<int>{id};
  return result;
}

Json byteLevelSample() {
  Json json = Json::parse(R"({"version": "1.0", "normalizer": null,
      "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false,
                        "trim_offsets": true, "use_regex": true},
      "decoder": {"type": "ByteLevel", "add_prefix_space": false},
      "model": {"type": "BPE", "unk_token": null,
                "merges": ["h e", "l l", "ll o", "he llo", "Ġ w", "a a",
                           "aa aa"]}})");
  Json &vocabulary = json["model"]["vocab"];
  for (int byte = 0; byte < 256; ++byte) {
    std::string text;
    char bytes[] = {static_cast<char>(byte)};
    tok::appendByteLevel(text, {bytes, 1});
    vocabulary[text] = byte;
  }
  int next = 256;
  for (const char *token : {"he", "ll", "llo", "hello", "Ġw", "aa", "aaaa"})
    vocabulary[token] = next++;
  json["added_tokens"] = std::vector<Json>{addedToken(next, "<|end|>")};
  json["post_processor"] = templateWith("<|end|>", next);
  return json;
}

Json sentencePieceSample() {
  Json json = Json::parse(R"({"version": "1.0",
      "normalizer": {"type": "Sequence", "normalizers": [
          {"type": "Prepend", "prepend": "▁"},
          {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
      "pre_tokenizer": null,
      "decoder": {"type": "Sequence", "decoders": [
          {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
          {"type": "ByteFallback"}, {"type": "Fuse"},
          {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
      "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true,
                "byte_fallback": true,
                "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2},
                "merges": ["▁ a", "a b", "▁a b"]}})");
  Json &vocabulary = json["model"]["vocab"];
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof(text), "<0x%02X>", byte);
    vocabulary[text] = 3 + byte;
  }
  int next = 259;
  for (const char *token : {"▁", "a", "b", "c", "▁a", "ab", "▁ab"})
    vocabulary[token] = next++;
  json["added_tokens"] = std::vector<Json>{
      addedToken(0, "<unk>"), addedToken(1, "<s>"), addedToken(2, "</s>")};
  json["post_processor"] = templateWith("<s>", 1);
  return json;
}

Json unigramSample() {
  Json json = Json::parse(R"({"version": "1.0",
      "normalizer": {"type": "NFKC"},
      "pre_tokenizer": {"type": "Metaspace", "replacement": "▁",
                        "prepend_scheme": "always", "split": true},
      "post_processor": null,
      "decoder": {"type": "Metaspace", "replacement": "▁",
                  "prepend_scheme": "always", "split": true},
      "model": {"type": "Unigram", "unk_id": 0, "vocab": [
          ["<unk>", 0], ["▁", -2], ["a", -3], ["b", -3.5], ["▁a", -4.25],
          ["ab", -6.75], ["▁ab", -6.1]]}})");
  json["added_tokens"] = std::vector<Json>{addedToken(0, "<unk>")};
  return json;
}

Json wordPieceSample() {
  Json json = Json::parse(R"({"version": "1.0",
      "normalizer": {"type": "BertNormalizer", "clean_text": true,
                     "handle_chinese_chars": true, "strip_accents": null,
                     "lowercase": true},
      "pre_tokenizer": {"type": "BertPreTokenizer"},
      "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
      "model": {"type": "WordPiece", "unk_token": "[UNK]",
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100,
                "vocab": {"[UNK]": 0, "[CLS]": 1, "un": 2, "##aff": 3,
                          "##able": 4, "cafe": 5, ".": 6}}})");
  json["added_tokens"] =
      std::vector<Json>{addedToken(0, "[UNK]"), addedToken(1, "[CLS]")};
  json["post_processor"] = templateWith("[CLS]", 1);
  return json;
}

TokenizerModel modelOf(const Json &tokenizer, TokenizerFiles files) {
  files.tokenizer = tokenizer.dump();
  Expected<TokenizerModel> model = tokenizerModelFromJson(files);
  if (model)
    return std::move(*model);
  ADD_FAILURE() << model.error().message();
  return {};
}

Tokenizer load(const Json &tokenizer) {
  Expected<Tokenizer> made = Tokenizer::fromModel(modelOf(tokenizer));
  if (!made) {
    std::fprintf(stderr, "%s\n", made.error().message().c_str());
    std::abort();
  }
  return std::move(*made);
}

std::string errorOf(const std::string &tokenizerJson) {
  TokenizerFiles files;
  files.tokenizer = tokenizerJson;
  Expected<TokenizerModel> model = tokenizerModelFromJson(files);
  if (!model)
    return model.error().message();
  Expected<Tokenizer> tokenizer = Tokenizer::fromModel(std::move(*model));
  return tokenizer ? "" : tokenizer.error().message();
}

Ids encode(const Tokenizer &tokenizer, std::string_view text, bool addSpecial) {
  Expected<Ids> ids = tokenizer.encode(text, addSpecial);
  if (ids)
    return *ids;
  ADD_FAILURE() << ids.error().message();
  return {};
}

std::string mutated(std::string bytes, std::mt19937 &random) {
  auto below = [&](size_t limit) { return random() % limit; };
  if (below(10) == 0)
    return bytes.substr(0, below(bytes.size()));
  static constexpr std::string_view likely = "0129-\"{}[],:\\\x80 \xff.eE";
  for (size_t count = 1 + below(3); count > 0 && !bytes.empty(); --count) {
    size_t at = below(bytes.size());
    char byte =
        below(2) ? likely[below(likely.size())] : static_cast<char>(below(256));
    switch (below(4)) {
    case 0:
      bytes.erase(at, 1 + below(20));
      break;
    case 1:
      bytes.insert(at, 1 + below(3), byte);
      break;
    case 2:
      bytes.insert(at, bytes.substr(below(bytes.size()), below(40)));
      break;
    default:
      bytes[at] = byte;
    }
  }
  return bytes;
}

} // namespace lq::test
