//===- Charsmap.h - SentencePiece's precompiled normalizer ------*- C++ -*-===//

#ifndef LQ_RUNTIME_TOKENIZER_CHARSMAP_H
#define LQ_RUNTIME_TOKENIZER_CHARSMAP_H

#include "runtime/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lq::tok {

/// The rewrite rules that a SentencePiece model carries: a double-array trie
/// (darts-clone's units) from texts to offsets into a pool of zero-terminated
/// replacements.
class Charsmap {
public:
  /// From base64 of: u32 bytes of the trie, the trie's u32 units, the pool; all
  /// little endian. `where` is for messages.
  static Expected<Charsmap> fromBase64(std::string_view base64,
                                       const std::string &where);

  /// Rewrites each grapheme cluster, or else each character, that has a rule.
  std::string normalize(std::string_view text) const;

private:
  Charsmap() = default;

  /// The replacement of the shortest rule that `chunk` starts with, which
  /// stands for all of `chunk`. That it is the shortest, not the longest, is
  /// as in `tokenizers`.
  std::optional<std::string_view> replacement(std::string_view chunk) const;

  std::vector<uint32_t> units;
  std::string pool;
};

} // namespace lq::tok

#endif // LQ_RUNTIME_TOKENIZER_CHARSMAP_H
