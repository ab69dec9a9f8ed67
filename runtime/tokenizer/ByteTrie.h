//===- ByteTrie.h - prefixes of a text among many keys ----------*- C++ -*-===//

#ifndef LQ_RUNTIME_TOKENIZER_BYTETRIE_H
#define LQ_RUNTIME_TOKENIZER_BYTETRIE_H

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace lq::tok {

/// A trie over bytes, built once.
class ByteTrie {
public:
  using Key = std::pair<std::string_view, int32_t>;

  /// `keys` are texts with their values (>= 0). Empty texts are left out; of
  /// equal texts the largest value counts.
  explicit ByteTrie(std::vector<Key> keys);
  ByteTrie() : ByteTrie(std::vector<Key>()) {}

  bool empty() const { return nodes.size() == 1; }

  /// Calls `visit(length, value)` for each key that `text` starts with, short
  /// ones first.
  template <typename Visit>
  void prefixesOf(std::string_view text, Visit visit) const {
    if (text.empty())
      return;
    uint32_t node = roots[static_cast<unsigned char>(text[0])];
    for (size_t depth = 1; node != 0; ++depth) {
      if (nodes[node].value >= 0)
        visit(depth, nodes[node].value);
      if (depth == text.size())
        return;
      node = child(nodes[node], static_cast<unsigned char>(text[depth]));
    }
  }

private:
  struct Node {
    uint32_t firstChild = 0;
    uint16_t childCount = 0;
    unsigned char label = 0;
    int32_t value = -1;
  };

  uint32_t child(const Node &node, unsigned char label) const {
    uint32_t begin = node.firstChild;
    uint32_t end = begin + node.childCount;
    while (end - begin > 8) {
      uint32_t middle = begin + (end - begin) / 2;
      (nodes[middle].label <= label ? begin : end) = middle;
    }
    for (; begin < end; ++begin)
      if (nodes[begin].label == label)
        return begin;
    return 0;
  }

  /// The root is node 0; the children of a node stand side by side, by label.
  std::vector<Node> nodes;
  std::array<uint32_t, 256> roots{};
};

} // namespace lq::tok

#endif // LQ_RUNTIME_TOKENIZER_BYTETRIE_H
