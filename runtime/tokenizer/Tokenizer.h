//===- Tokenizer.h - text to token ids and back -----------------*- C++ -*-===//
//
// Gives the same ids and the same text as Hugging Face's `tokenizers` library
// for the tokenizer.json it was made from: byte-level and SentencePiece-style
// BPE, Unigram and WordPiece, with their normalizers, pre-tokenizers,
// post-processors, decoders and added tokens. Truncation and padding, which a
// tokenizer.json may ask for, are left to the caller.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_RUNTIME_TOKENIZER_TOKENIZER_H
#define LQ_RUNTIME_TOKENIZER_TOKENIZER_H

#include "runtime/Error.h"
#include "runtime/tokenizer/TokenizerModel.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lq {

/// Turns text into ids and ids into text. Immutable after loading: threads may
/// share one.
class Tokenizer {
public:
  Tokenizer(Tokenizer &&) noexcept;
  Tokenizer &operator=(Tokenizer &&) noexcept;
  ~Tokenizer();

  /// Checks the model and builds its tables. Fails with Corrupt for a model
  /// that contradicts itself and with Unsupported, naming it, for a component
  /// that lq does not know.
  static Expected<Tokenizer> fromModel(TokenizerModel model);

  /// The ids of `text` (UTF-8; each malformed sequence counts as U+FFFD).
  /// `addSpecial` applies the post-processor's template, such as a leading
  /// beginning-of-text token; special tokens spelt out in the text are always
  /// recognised. Fails where `tokenizers` does: an unknown character without an
  /// unknown token, or a regular expression past its limits.
  Expected<std::vector<int32_t>> encode(std::string_view text,
                                        bool addSpecial) const;

  /// The text of `ids`, well-formed UTF-8. Ids outside the vocabulary are
  /// skipped, and with `skipSpecial` also special tokens.
  std::string decode(std::span<const int32_t> ids, bool skipSpecial) const;

  /// One more than the largest id.
  size_t vocabularySize() const;
  /// The token as it is spelt in tokenizer.json; empty outside the vocabulary.
  std::string_view tokenText(int32_t id) const;
  /// The id of a token as it is spelt in tokenizer.json.
  std::optional<int32_t> findToken(std::string_view text) const;

  /// -1 if the model has none.
  int32_t bosId() const;
  /// The id of what the vocabulary does not have; -1 if the model has none.
  int32_t unknownId() const;
  /// The first of `eosIds`; -1 if the model has none.
  int32_t eosId() const;
  /// Every id that ends a generation.
  std::span<const int32_t> eosIds() const;
  bool isEos(int32_t id) const;
  /// A Jinja template; empty if the model has none.
  const std::string &chatTemplate() const;

private:
  friend class StreamDecoder;
  struct Impl;
  explicit Tokenizer(std::unique_ptr<const Impl> impl);

  std::unique_ptr<const Impl> impl;
};

/// Decodes ids one at a time. The pieces are well-formed UTF-8, and all of them
/// together equal `Tokenizer::decode` of all the ids; what later ids can still
/// change is held back. The tokenizer must outlive it.
class StreamDecoder {
public:
  StreamDecoder(const Tokenizer &tokenizer, bool skipSpecial);
  StreamDecoder(StreamDecoder &&) noexcept;
  StreamDecoder &operator=(StreamDecoder &&) noexcept;
  ~StreamDecoder();

  /// The text that became certain with this id; may be empty.
  std::string push(int32_t id);
  /// The text held back so far. The decoder then starts afresh.
  std::string finish();

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace lq

#endif // LQ_RUNTIME_TOKENIZER_TOKENIZER_H
