//===- PieceList.cpp - a text cut into pieces -----------------------------===//

#include "runtime/tokenizer/PieceList.h"
#include "runtime/tokenizer/Unicode.h"

#include <algorithm>

namespace lq::tok {

std::optional<SplitBehavior> splitBehaviorFromName(std::string_view name) {
  static constexpr std::pair<std::string_view, SplitBehavior> names[] = {
      {"Removed", SplitBehavior::Removed},
      {"Isolated", SplitBehavior::Isolated},
      {"MergedWithPrevious", SplitBehavior::MergedWithPrevious},
      {"MergedWithNext", SplitBehavior::MergedWithNext},
      {"Contiguous", SplitBehavior::Contiguous},
  };
  for (auto [known, behavior] : names)
    if (name == known)
      return behavior;
  return std::nullopt;
}

/// Joins spans as `behavior` says; the spans that remain are pieces.
static void arrange(std::vector<Span> &spans, SplitBehavior behavior) {
  size_t kept = 0;
  bool previousMatch = false;
  auto joinPrevious = [&](const Span &span, bool joins) {
    if (joins && kept > 0)
      spans[kept - 1].end = span.end;
    else
      spans[kept++] = span;
    previousMatch = span.isMatch;
  };
  switch (behavior) {
  case SplitBehavior::Isolated:
    return;
  case SplitBehavior::Removed:
    std::erase_if(spans, [](const Span &span) { return span.isMatch; });
    return;
  case SplitBehavior::Contiguous:
    for (size_t i = 0; i < spans.size(); ++i)
      joinPrevious(spans[i], spans[i].isMatch == previousMatch);
    break;
  case SplitBehavior::MergedWithPrevious:
    for (size_t i = 0; i < spans.size(); ++i)
      joinPrevious(spans[i], spans[i].isMatch && !previousMatch);
    break;
  case SplitBehavior::MergedWithNext:
    std::reverse(spans.begin(), spans.end());
    for (size_t i = 0; i < spans.size(); ++i) {
      Span span = spans[i];
      if (span.isMatch && !previousMatch && kept > 0)
        spans[kept - 1].begin = span.begin;
      else
        spans[kept++] = span;
      previousMatch = span.isMatch;
    }
    spans.resize(kept);
    std::reverse(spans.begin(), spans.end());
    return;
  }
  spans.resize(kept);
}

Error PieceList::split(SplitBehavior behavior, bool invert,
                       const Splitter &splitter) {
  std::vector<Piece> cut;
  cut.reserve(pieces.size());
  std::vector<Span> spans;
  for (const Piece &piece : pieces) {
    if (piece.id >= 0) {
      cut.push_back(piece);
      continue;
    }
    if (Error error = splitter(textOf(piece), spans))
      return error;
    if (invert)
      for (Span &span : spans)
        span.isMatch = !span.isMatch;
    arrange(spans, behavior);
    for (const Span &span : spans)
      if (span.begin < span.end)
        cut.push_back({piece.begin + span.begin, piece.begin + span.end, -1,
                       piece.fromStart > span.begin
                           ? std::min(piece.fromStart, span.end) - span.begin
                           : 0});
  }
  pieces = std::move(cut);
  return Error::success();
}

void PieceList::splitAt(SplitBehavior behavior, Predicate isSeparator) {
  auto splitter = [&](std::string_view piece, std::vector<Span> &spans) {
    spans.clear();
    size_t done = 0;
    for (size_t at = 0; at < piece.size();) {
      size_t begin = at;
      if (!isSeparator(nextCodePoint(piece, at)))
        continue;
      if (done < begin)
        spans.push_back({done, begin, false});
      spans.push_back({begin, at, true});
      done = at;
    }
    if (done < piece.size())
      spans.push_back({done, piece.size(), false});
    return Error::success();
  };
  (void)split(behavior, false, splitter);
}

void PieceList::rewrite(const Rewriter &rewriter) {
  std::string rewritten;
  rewritten.reserve(text.size() + text.size() / 2);
  for (Piece &piece : pieces) {
    size_t begin = rewritten.size();
    if (piece.id < 0) {
      size_t fromStart = 0;
      rewriter(textOf(piece), piece.fromStart, rewritten, fromStart);
      piece.fromStart = fromStart;
    }
    piece.begin = begin;
    piece.end = rewritten.size();
  }
  text = std::move(rewritten);
}

} // namespace lq::tok
