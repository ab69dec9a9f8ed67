//===- ByteTrie.cpp - prefixes of a text among many keys ------------------===//

#include "runtime/tokenizer/ByteTrie.h"

#include <algorithm>

namespace lq::tok {

ByteTrie::ByteTrie(std::vector<Key> keys) {
  std::sort(keys.begin(), keys.end());

  /// Keys [begin, end) share their first `depth` bytes and lie below `node`.
  struct Range {
    size_t begin, end, depth;
    uint32_t node;
  };
  nodes.emplace_back();
  std::vector<Range> work = {{0, keys.size(), 0, 0}};
  for (size_t next = 0; next < work.size(); ++next) {
    Range range = work[next];
    size_t i = range.begin;
    for (; i < range.end && keys[i].first.size() == range.depth; ++i)
      if (range.depth > 0)
        nodes[range.node].value = keys[i].second;
    nodes[range.node].firstChild = static_cast<uint32_t>(nodes.size());
    while (i < range.end) {
      char label = keys[i].first[range.depth];
      size_t start = i;
      while (i < range.end && keys[i].first[range.depth] == label)
        ++i;
      work.push_back(
          {start, i, range.depth + 1, static_cast<uint32_t>(nodes.size())});
      nodes.push_back({0, 0, static_cast<unsigned char>(label), -1});
      ++nodes[range.node].childCount;
    }
  }
  for (uint32_t i = 0; i < nodes[0].childCount; ++i)
    roots[nodes[nodes[0].firstChild + i].label] = nodes[0].firstChild + i;
}

} // namespace lq::tok
