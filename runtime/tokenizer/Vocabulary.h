//===- Vocabulary.h - token texts and their ids -----------------*- C++ -*-===//

#ifndef LQ_RUNTIME_TOKENIZER_VOCABULARY_H
#define LQ_RUNTIME_TOKENIZER_VOCABULARY_H

#include "runtime/Error.h"
#include "runtime/tokenizer/TokenizerModel.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lq::tok {

/// The vocabulary of a model, without tokens that were only added to it. Does
/// not own the texts.
class Vocabulary {
public:
  /// Ids with `isMember` false are left out. Of equal texts the last one counts
  /// (which only Unigram vocabularies have).
  Vocabulary(const std::vector<std::string> &tokens,
             const std::vector<bool> &isMember);

  /// -1 if there is no such token.
  int32_t find(std::string_view text) const;
  const std::string &text(int32_t id) const { return tokens[id]; }
  bool contains(int32_t id) const {
    return id >= 0 && static_cast<size_t>(id) < member.size() && member[id];
  }
  /// One more than the largest id, members or not.
  size_t idCount() const { return tokens.size(); }
  /// Number of members.
  size_t size() const { return count; }
  /// Bytes of the longest member.
  size_t longest() const { return longestText; }

  /// Ids of <0x00> .. <0xFF>, -1 for those that are missing.
  std::array<int32_t, 256> byteTokens() const;

private:
  const std::vector<std::string> &tokens;
  std::vector<bool> member;
  /// Open addressing with linear probing; at most half full.
  struct Slot {
    uint32_t hash;
    int32_t id;
  };
  std::vector<Slot> slots;
  size_t count = 0;
  size_t longestText = 0;
};

} // namespace lq::tok

#endif // LQ_RUNTIME_TOKENIZER_VOCABULARY_H
