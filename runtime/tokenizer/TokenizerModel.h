//===- TokenizerModel.h - a tokenizer as plain data -------------*- C++ -*-===//
//
// What a tokenizer is made from, read from the JSON files beside a model or
// from the metadata of an artifact, where it stands in the standard
// `tokenizer.ggml.*` keys plus `lq.tokenizer.pipeline`.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_RUNTIME_TOKENIZER_TOKENIZERMODEL_H
#define LQ_RUNTIME_TOKENIZER_TOKENIZERMODEL_H

#include "runtime/Error.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lq {

class GgufReader;
class GgufWriter;

enum class TokenizerKind { Bpe, Unigram, WordPiece };

/// ggml's numbers, as in `tokenizer.ggml.token_type`.
enum class TokenType : int32_t {
  Normal = 1,
  Unknown = 2,
  Control = 3,     ///< special: left out of decoded text
  UserDefined = 4, ///< added to the vocabulary, but not special
  Unused = 5,      ///< an id without a token
  Byte = 6,        ///< <0x00> .. <0xFF> of a vocabulary with byte fallback
};

/// Two tokens that BPE joins to a third. The merge's rank is its index.
struct TokenizerMerge {
  int32_t left;
  int32_t right;
  int32_t result;
};

struct TokenizerModel {
  TokenizerKind kind = TokenizerKind::Bpe;
  /// The text of each token by id, as spelt in tokenizer.json.
  std::vector<std::string> tokens;
  /// One a token.
  std::vector<TokenType> types;
  /// Log probabilities, one a token; Unigram only.
  std::vector<double> scores;
  /// BPE only.
  std::vector<TokenizerMerge> merges;

  /// -1 where there is none.
  int32_t bosId = -1;
  int32_t unkId = -1;
  int32_t padId = -1;
  /// Every id that ends a generation; the first is the tokenizer's own.
  std::vector<int32_t> eosIds;
  /// A Jinja template, or empty.
  std::string chatTemplate;
  /// tokenizer.json without vocabulary and merges; each of its `added_tokens`
  /// also says in `in_model` whether the model's vocabulary has it too.
  std::string pipeline;
};

/// The texts of the files of a model's folder; empty where there is none.
struct TokenizerFiles {
  std::string tokenizer;        ///< tokenizer.json; required
  std::string tokenizerConfig;  ///< tokenizer_config.json
  std::string generationConfig; ///< generation_config.json: end-of-text ids
  std::string config;           ///< config.json: ids the others do not give
  std::string chatTemplate;     ///< chat_template.jinja
};

/// Reads the files named above from a folder. Only tokenizer.json must exist.
Expected<TokenizerFiles> readTokenizerFiles(const std::string &folder);

/// Fails with Corrupt, naming the file and the field, for malformed JSON, and
/// with Unsupported for a kind of model that lq does not know.
Expected<TokenizerModel> tokenizerModelFromJson(const TokenizerFiles &files);

/// Sets `tokenizer.ggml.{model,tokens,scores,token_type,merges}`, the special
/// ids, `tokenizer.chat_template` and `lq.tokenizer.*`.
void writeTokenizerMetadata(const TokenizerModel &model, GgufWriter &writer);

/// The inverse; exact. Fails with InvalidArgument if the file has no
/// `lq.tokenizer.pipeline`, and with Corrupt for malformed values.
Expected<TokenizerModel> readTokenizerMetadata(const GgufReader &reader);

} // namespace lq

#endif // LQ_RUNTIME_TOKENIZER_TOKENIZERMODEL_H
