//===- PieceList.h - a text cut into pieces ---------------------*- C++ -*-===//

#ifndef LQ_RUNTIME_TOKENIZER_PIECELIST_H
#define LQ_RUNTIME_TOKENIZER_PIECELIST_H

#include "runtime/Error.h"
#include "runtime/tokenizer/Regex.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lq::tok {

/// Part of a text. Pieces that are added tokens are done; the rest is cut
/// further and, in the end, given to the model.
struct Piece {
  size_t begin;
  size_t end;
  /// An added token's id, or -1.
  int32_t id = -1;
  /// Number of leading bytes that come from the very first character of the
  /// original text. Not 0 only for pieces where the text begins, which
  /// Metaspace's "first" treats differently.
  size_t fromStart = 0;
};

/// What happens to a separator (`tokenizers`' names).
enum class SplitBehavior {
  Removed,
  Isolated,
  MergedWithPrevious,
  MergedWithNext,
  Contiguous,
};

std::optional<SplitBehavior> splitBehaviorFromName(std::string_view name);

/// A text and the pieces it is cut into, in order. What lies between pieces is
/// dropped.
struct PieceList {
  std::string text;
  std::vector<Piece> pieces;

  std::string_view textOf(const Piece &piece) const {
    return std::string_view(text).substr(piece.begin, piece.end - piece.begin);
  }

  using Splitter = std::function<Error(std::string_view, std::vector<Span> &)>;
  /// Cuts each piece that is not an added token at the matches that `splitter`
  /// finds in it.
  Error split(SplitBehavior behavior, bool invert, const Splitter &splitter);

  using Predicate = bool (*)(char32_t);
  /// Cuts at single characters.
  void splitAt(SplitBehavior behavior, Predicate isSeparator);

  /// A piece's new text, and how much of it is from the first character.
  using Rewriter = std::function<void(std::string_view, size_t fromStart,
                                      std::string &, size_t &newFromStart)>;
  /// Replaces the text of each piece that is not an added token; the rewriter
  /// appends it.
  void rewrite(const Rewriter &rewriter);
};

} // namespace lq::tok

#endif // LQ_RUNTIME_TOKENIZER_PIECELIST_H
