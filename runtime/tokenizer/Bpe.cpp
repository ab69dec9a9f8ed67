//===- Bpe.cpp - byte pair encoding ---------------------------------------===//
//
// Sennrich et al., "Neural Machine Translation of Rare Words with Subword
// Units" (2016), with the merges applied by rank from a priority queue.
//
//===----------------------------------------------------------------------===//

#include "runtime/tokenizer/JsonFields.h"
#include "runtime/tokenizer/Unicode.h"
#include "runtime/tokenizer/WordModel.h"

#include <algorithm>
#include <bit>
#include <mutex>
#include <unordered_set>

namespace lq::tok {

namespace {

/// What a pair of tokens becomes.
struct Merged {
  uint32_t rank;
  int32_t id;
};

/// From pairs of ids to their merge; open addressing with linear probing.
class MergeTable {
public:
  explicit MergeTable(size_t count)
      : slots(std::bit_ceil(std::max<size_t>(count, 4) * 2)) {}

  /// A pair that is there already is replaced.
  void insert(int32_t left, int32_t right, Merged merged) {
    Slot &slot = slots[place(keyOf(left, right))];
    slot = {keyOf(left, right), merged};
  }

  /// Null if the pair does not merge.
  const Merged *find(int32_t left, int32_t right) const {
    const Slot &slot = slots[place(keyOf(left, right))];
    return slot.key == empty ? nullptr : &slot.merged;
  }

private:
  static constexpr uint64_t empty = ~uint64_t(0);
  struct Slot {
    uint64_t key = empty;
    Merged merged{};
  };

  static uint64_t keyOf(int32_t left, int32_t right) {
    return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
  }
  /// Where the key is or would go.
  size_t place(uint64_t key) const {
    size_t mask = slots.size() - 1;
    size_t slot = (key * 0x9E3779B97F4A7C15u) >> 32 & mask;
    while (slots[slot].key != key && slots[slot].key != empty)
      slot = (slot + 1) & mask;
    return slot;
  }

  std::vector<Slot> slots;
};

/// A token of the word so far, in a doubly linked list; -1 ends it.
struct Symbol {
  int32_t id;
  int32_t previous;
  int32_t next;
  bool removed;
};

/// A merge of the symbol at `position` with its successor that was possible
/// when it was queued.
struct Candidate {
  uint32_t rank;
  int32_t position;
  int32_t id;

  /// For the standard heap: the lowest rank, then the leftmost, is on top.
  bool operator<(const Candidate &other) const {
    return rank != other.rank ? rank > other.rank : position > other.position;
  }
};

struct BpeOptions {
  std::string unknown;
  bool hasUnknown = false;
  std::string continuingPrefix;
  std::string wordSuffix;
  bool fuseUnknown = false;
  bool byteFallback = false;
  bool ignoreMerges = false;
};

class Bpe : public WordModel {
public:
  Bpe(const Vocabulary &vocabulary, BpeOptions options, MergeTable merges)
      : vocabulary(vocabulary), options(std::move(options)),
        merges(std::move(merges)), bytes(vocabulary.byteTokens()),
        unknownId(this->options.hasUnknown
                      ? vocabulary.find(this->options.unknown)
                      : -1),
        lowCharacters(0x800, -1) {
    for (size_t c = 0; c < lowCharacters.size(); ++c)
      lowCharacters[c] = vocabulary.find(toUtf8(static_cast<char32_t>(c)));
  }

  Error encode(std::string_view word,
               std::vector<int32_t> &ids) const override {
    if (options.ignoreMerges) {
      int32_t id = vocabulary.find(word);
      if (id >= 0) {
        ids.push_back(id);
        return Error::success();
      }
    }
    if (word.size() <= longWord || !options.continuingPrefix.empty() ||
        !options.wordSuffix.empty())
      return encodePart(word, ids);
    return encodeLong(word, ids);
  }

private:
  /// Words beyond this many bytes are first cut where nothing can merge.
  static constexpr size_t longWord = 256;

  /// Without pre-tokenizer, as in SentencePiece's BPE, a whole text is one
  /// word. No token has certain pairs of characters side by side, such as a
  /// letter and a space mark; nothing merges across those.
  Error encodeLong(std::string_view word, std::vector<int32_t> &ids) const {
    std::call_once(neighboursOnce, [this] { collectNeighbours(); });
    size_t begin = 0;
    size_t at = 0;
    char32_t previous = nextCodePoint(word, at);
    bool previousKnown = characterId(previous) >= 0;
    while (at < word.size()) {
      size_t here = at;
      char32_t c = nextCodePoint(word, at);
      bool known = characterId(c) >= 0;
      if (previousKnown && known &&
          !neighbours.contains(uint64_t(previous) << 32 | c)) {
        if (Error error = encodePart(word.substr(begin, here - begin), ids))
          return error;
        begin = here;
      }
      previous = c;
      previousKnown = known;
    }
    return encodePart(word.substr(begin), ids);
  }

  void collectNeighbours() const {
    for (size_t id = 0; id < vocabulary.idCount(); ++id) {
      if (!vocabulary.contains(static_cast<int32_t>(id)))
        continue;
      std::string_view text = vocabulary.text(static_cast<int32_t>(id));
      char32_t previous = 0;
      for (size_t at = 0; at < text.size();) {
        bool first = at == 0;
        char32_t c = nextCodePoint(text, at);
        if (!first)
          neighbours.insert(uint64_t(previous) << 32 | c);
        previous = c;
      }
    }
  }

  int32_t characterId(char32_t c) const {
    if (c < lowCharacters.size())
      return lowCharacters[c];
    return vocabulary.find(toUtf8(c));
  }

  Error encodePart(std::string_view word, std::vector<int32_t> &ids) const {
    // One allocation a thread instead of one a word.
    thread_local std::vector<Symbol> symbols;
    symbols.clear();
    if (Error error = spell(word, symbols))
      return error;
    merge(symbols);
    for (const Symbol &symbol : symbols)
      if (!symbol.removed)
        ids.push_back(symbol.id);
    return Error::success();
  }

  /// The word character by character, with what stands for unknown ones.
  Error spell(std::string_view word, std::vector<Symbol> &symbols) const {
    auto add = [&](int32_t id) {
      auto index = static_cast<int32_t>(symbols.size());
      if (index > 0)
        symbols.back().next = index;
      symbols.push_back({id, index - 1, -1, false});
    };
    // An unknown token is held back: a following one may fuse with it, and
    // tokens of bytes overtake it.
    bool pending = false;
    std::string decorated;
    for (size_t at = 0; at < word.size();) {
      size_t begin = at;
      char32_t c = nextCodePoint(word, at);
      std::string_view text = word.substr(begin, at - begin);
      bool prefixed = begin > 0 && !options.continuingPrefix.empty();
      bool suffixed = at == word.size() && !options.wordSuffix.empty();
      int32_t id;
      if (prefixed || suffixed) {
        decorated = prefixed ? options.continuingPrefix : "";
        decorated += text;
        if (suffixed)
          decorated += options.wordSuffix;
        text = decorated;
        id = vocabulary.find(text);
      } else {
        id = characterId(c);
      }
      if (id >= 0) {
        if (pending)
          add(unknownId);
        pending = false;
        add(id);
        continue;
      }
      auto byteId = [&](char b) {
        return bytes[static_cast<unsigned char>(b)];
      };
      if (options.byteFallback &&
          std::all_of(text.begin(), text.end(),
                      [&](char b) { return byteId(b) >= 0; })) {
        for (char b : text)
          add(byteId(b));
        continue;
      }
      if (!options.hasUnknown)
        continue;
      if (unknownId < 0)
        return makeError(ErrorCode::Unsupported, "the unknown token '",
                         options.unknown, "' is not in the vocabulary");
      if (pending && !options.fuseUnknown)
        add(unknownId);
      pending = true;
    }
    if (pending)
      add(unknownId);
    return Error::success();
  }

  void merge(std::vector<Symbol> &symbols) const {
    thread_local std::vector<Candidate> queue;
    queue.clear();
    for (size_t i = 0; i + 1 < symbols.size(); ++i)
      if (const Merged *merged = merges.find(symbols[i].id, symbols[i + 1].id))
        queue.push_back({merged->rank, static_cast<int32_t>(i), merged->id});
    std::make_heap(queue.begin(), queue.end());

    auto offer = [&](int32_t left, int32_t right) {
      const Merged *merged = merges.find(symbols[left].id, symbols[right].id);
      if (!merged)
        return;
      queue.push_back({merged->rank, left, merged->id});
      std::push_heap(queue.begin(), queue.end());
    };
    while (!queue.empty()) {
      std::pop_heap(queue.begin(), queue.end());
      Candidate top = queue.back();
      queue.pop_back();
      Symbol &left = symbols[top.position];
      if (left.removed || left.next < 0)
        continue;
      Symbol &right = symbols[left.next];
      // The pair may have changed since it was queued.
      const Merged *now = merges.find(left.id, right.id);
      if (!now || now->id != top.id)
        continue;
      left.id = top.id;
      left.next = right.next;
      right.removed = true;
      if (left.next >= 0)
        symbols[left.next].previous = top.position;
      if (left.previous >= 0)
        offer(left.previous, top.position);
      if (left.next >= 0)
        offer(top.position, left.next);
    }
  }

  const Vocabulary &vocabulary;
  BpeOptions options;
  MergeTable merges;
  std::array<int32_t, 256> bytes;
  int32_t unknownId;
  /// Ids of the characters below U+0800.
  std::vector<int32_t> lowCharacters;
  /// Pairs of characters that stand side by side in some token. Only long words
  /// need it.
  mutable std::once_flag neighboursOnce;
  mutable std::unordered_set<uint64_t> neighbours;
};

/// The table of merges; fails if a token is not in the vocabulary.
Expected<MergeTable> tabulate(const TokenizerModel &model,
                              const Vocabulary &vocabulary) {
  MergeTable table(model.merges.size());
  for (size_t rank = 0; rank < model.merges.size(); ++rank) {
    auto [left, right, result] = model.merges[rank];
    if (!vocabulary.contains(left) || !vocabulary.contains(right) ||
        !vocabulary.contains(result))
      return makeError(ErrorCode::Corrupt, "model.merges[", rank,
                       "]: a token outside the vocabulary");
    table.insert(left, right, {static_cast<uint32_t>(rank), result});
  }
  return table;
}

} // namespace

Expected<std::unique_ptr<WordModel>> makeBpe(const TokenizerModel &model,
                                             const Vocabulary &vocabulary,
                                             const Json &json) {
  JsonFields fields(json, "model");
  BpeOptions options;
  options.hasUnknown = fields.find("unk_token") != nullptr;
  options.unknown = fields.string("unk_token", "");
  options.continuingPrefix = fields.string("continuing_subword_prefix", "");
  options.wordSuffix = fields.string("end_of_word_suffix", "");
  options.fuseUnknown = fields.boolean("fuse_unk", false);
  options.byteFallback = fields.boolean("byte_fallback", false);
  options.ignoreMerges = fields.boolean("ignore_merges", false);
  if (Error error = fields.takeError())
    return error;
  Expected<MergeTable> merges = tabulate(model, vocabulary);
  if (!merges)
    return merges.takeError();
  return std::unique_ptr<WordModel>(std::make_unique<Bpe>(
      vocabulary, std::move(options), std::move(*merges)));
}

} // namespace lq::tok
