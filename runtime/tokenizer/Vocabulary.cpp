//===- Vocabulary.cpp - token texts and their ids -------------------------===//

#include "runtime/tokenizer/Vocabulary.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <functional>

namespace lq::tok {

static uint32_t hashOf(std::string_view text) {
  return static_cast<uint32_t>(std::hash<std::string_view>()(text));
}

Vocabulary::Vocabulary(const std::vector<std::string> &tokens,
                       const std::vector<bool> &isMember)
    : tokens(tokens), member(isMember) {
  slots.assign(std::bit_ceil(std::max<size_t>(tokens.size(), 4) * 2), {0, -1});
  size_t mask = slots.size() - 1;
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (!member[id])
      continue;
    ++count;
    longestText = std::max(longestText, tokens[id].size());
    uint32_t hash = hashOf(tokens[id]);
    size_t slot = hash & mask;
    while (slots[slot].id >= 0 &&
           (slots[slot].hash != hash || tokens[slots[slot].id] != tokens[id]))
      slot = (slot + 1) & mask;
    slots[slot] = {hash, static_cast<int32_t>(id)};
  }
}

int32_t Vocabulary::find(std::string_view text) const {
  size_t mask = slots.size() - 1;
  uint32_t hash = hashOf(text);
  for (size_t slot = hash & mask; slots[slot].id >= 0; slot = (slot + 1) & mask)
    if (slots[slot].hash == hash && tokens[slots[slot].id] == text)
      return slots[slot].id;
  return -1;
}

std::array<int32_t, 256> Vocabulary::byteTokens() const {
  std::array<int32_t, 256> ids;
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof(text), "<0x%02X>", byte);
    ids[byte] = find(text);
  }
  return ids;
}

} // namespace lq::tok
