//===- Charsmap.cpp - SentencePiece's precompiled normalizer --------------===//

#include "runtime/tokenizer/Charsmap.h"
#include "runtime/tokenizer/Unicode.h"

#include <cstring>

namespace lq::tok {

/// Standard alphabet with padding, RFC 4648 section 4; none if malformed.
static std::optional<std::string> decodeBase64(std::string_view text) {
  static constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0)
    return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  for (size_t i = 0; i < text.size(); i += 4) {
    uint32_t group = 0;
    bool last = i + 4 == text.size();
    for (size_t j = 0; j < 4; ++j) {
      size_t value = 0;
      if (!last || j < 4 - padding) {
        value = digits.find(text[i + j]);
        if (value == std::string_view::npos)
          return std::nullopt;
      }
      group = group << 6 | static_cast<uint32_t>(value);
    }
    for (size_t j = 0; j < (last ? 3 - padding : 3); ++j)
      bytes.push_back(static_cast<char>(group >> (16 - 8 * j)));
  }
  return bytes;
}

static uint32_t readU32(const char *bytes) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i)
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

Expected<Charsmap> Charsmap::fromBase64(std::string_view base64,
                                        const std::string &where) {
  auto malformed = [&](const char *what) {
    return makeError(ErrorCode::Corrupt, where, ": ", what);
  };
  std::optional<std::string> bytes = decodeBase64(base64);
  if (!bytes)
    return malformed("not base64");
  if (bytes->size() < 4)
    return malformed("too short for a character map");
  size_t trieBytes = readU32(bytes->data()) / 4 * size_t(4);
  if (trieBytes < 4 || trieBytes > bytes->size() - 4)
    return malformed("the trie's size does not fit the character map");
  Charsmap map;
  for (size_t i = 0; i < trieBytes; i += 4)
    map.units.push_back(readU32(bytes->data() + 4 + i));
  map.pool = bytes->substr(4 + trieBytes);
  if (!isWellFormed(map.pool))
    return malformed("the replacements are not UTF-8");
  return map;
}

std::optional<std::string_view>
Charsmap::replacement(std::string_view chunk) const {
  auto offsetOf = [](uint32_t unit) {
    return (unit >> 10) << ((unit & (1u << 9)) >> 6);
  };
  size_t node = offsetOf(units[0]);
  for (char c : chunk) {
    auto byte = static_cast<unsigned char>(c);
    if (byte == 0)
      break;
    node ^= byte;
    if (node >= units.size())
      return std::nullopt;
    uint32_t unit = units[node];
    if ((unit & (1u << 31 | 0xFF)) != byte)
      return std::nullopt;
    node ^= offsetOf(unit);
    bool hasLeaf = (unit >> 8 & 1) != 0;
    if (!hasLeaf)
      continue;
    if (node >= units.size())
      return std::nullopt;
    size_t begin = units[node] & 0x7FFFFFFF;
    // Not past the pool, nor in the middle of a character.
    if (begin > pool.size() ||
        (begin < pool.size() &&
         (static_cast<unsigned char>(pool[begin]) & 0xC0) == 0x80))
      return std::nullopt;
    size_t end = std::min(pool.find('\0', begin), pool.size());
    return std::string_view(pool).substr(begin, end - begin);
  }
  return std::nullopt;
}

std::string Charsmap::normalize(std::string_view text) const {
  // Longer clusters have no rules of their own.
  constexpr size_t longestCluster = 5;
  std::string result;
  result.reserve(text.size());
  size_t begin = 0;
  for (size_t end : graphemeEnds(text)) {
    std::string_view cluster = text.substr(begin, end - begin);
    begin = end;
    if (cluster.size() <= longestCluster) {
      if (std::optional<std::string_view> rule = replacement(cluster)) {
        result += *rule;
        continue;
      }
    }
    for (size_t at = 0; at < cluster.size();) {
      size_t start = at;
      nextCodePoint(cluster, at);
      std::string_view character = cluster.substr(start, at - start);
      result += replacement(character).value_or(character);
    }
  }
  return result;
}

} // namespace lq::tok
