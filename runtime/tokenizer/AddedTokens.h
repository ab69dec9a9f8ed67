//===- AddedTokens.h - tokens found in the text as a whole ------*- C++ -*-===//

#ifndef LQ_RUNTIME_TOKENIZER_ADDEDTOKENS_H
#define LQ_RUNTIME_TOKENIZER_ADDEDTOKENS_H

#include "runtime/tokenizer/ByteTrie.h"
#include "runtime/tokenizer/JsonFields.h"
#include "runtime/tokenizer/Normalizer.h"
#include "runtime/tokenizer/PieceList.h"

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace lq::tok {

/// An entry of `added_tokens`.
struct AddedToken {
  std::string content;
  int32_t id = -1;
  bool singleWord = false;
  bool leftStrip = false;
  bool rightStrip = false;
  /// Looked for in normalized text, in its own normalized form.
  bool normalized = true;
  bool special = false;
  /// Whether the model's vocabulary has it too.
  bool inModel = false;
};

/// `where` names the entry in messages.
Expected<AddedToken> readAddedToken(const Json &json, const std::string &where);

/// Tokens that are cut out of the text before anything else sees it, such as
/// "<|im_start|>".
class AddedTokens {
public:
  /// Entries with empty content do not count; of entries with one id the last
  /// one does. `normalizer` may be null.
  static Expected<AddedTokens> make(const std::vector<AddedToken> &tokens,
                                    const Normalizer *normalizer);

  /// Cuts `text`, normalizes what is not an added token, and cuts again. The
  /// text must be well-formed UTF-8.
  Expected<PieceList> split(std::string_view text,
                            const Normalizer *normalizer) const;

  /// The token's text for decoders (a normalized form, maybe), null if `id` is
  /// no added token's.
  const std::string *textOf(int32_t id) const;
  /// The id of a token's content, -1 if there is no such token.
  int32_t find(std::string_view content) const;
  /// Whether a token of this text is left out of clean text.
  bool isSpecial(std::string_view text) const {
    return specials.contains(std::string(text));
  }

private:
  struct Match {
    size_t begin, end;
    int32_t id;
  };
  /// Matches, leftmost and then longest, and the parts between (id -1). With
  /// stripping, matches can overlap what is before them.
  std::vector<Match> matches(std::string_view text, const ByteTrie &trie) const;

  std::unordered_map<int32_t, AddedToken> tokens;
  std::unordered_map<std::string, int32_t> ids;
  /// Normalized forms by id, where they differ from the content.
  std::unordered_map<int32_t, std::string> normalizedForms;
  std::unordered_set<std::string> specials;
  ByteTrie rawTrie;
  ByteTrie normalizedTrie;
};

} // namespace lq::tok

#endif // LQ_RUNTIME_TOKENIZER_ADDEDTOKENS_H
