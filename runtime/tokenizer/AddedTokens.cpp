//===- AddedTokens.cpp - tokens found in the text as a whole --------------===//

#include "runtime/tokenizer/AddedTokens.h"
#include "runtime/tokenizer/Unicode.h"

#include <algorithm>

namespace lq::tok {

Expected<AddedToken> readAddedToken(const Json &json,
                                    const std::string &where) {
  JsonFields fields(json, where);
  AddedToken token;
  token.content = fields.string("content");
  token.id = fields.natural("id");
  token.singleWord = fields.boolean("single_word");
  token.leftStrip = fields.boolean("lstrip");
  token.rightStrip = fields.boolean("rstrip");
  token.normalized = fields.boolean("normalized");
  token.special = fields.boolean("special");
  token.inModel = fields.boolean("in_model", false);
  if (Error error = fields.takeError())
    return error;
  return token;
}

Expected<AddedTokens> AddedTokens::make(const std::vector<AddedToken> &list,
                                        const Normalizer *normalizer) {
  AddedTokens result;
  for (const AddedToken &token : list) {
    if (token.content.empty())
      continue;
    if (token.special)
      result.specials.insert(token.content);
    if (token.normalized && normalizer) {
      NormalizedText form{token.content, 0};
      if (Error error = normalizer->normalize(form))
        return error;
      if (form.text != token.content)
        result.normalizedForms[token.id] = std::move(form.text);
    }
    result.ids[token.content] = token.id;
    result.tokens[token.id] = token;
  }
  std::vector<ByteTrie::Key> raw, normalized;
  for (const auto &[id, token] : result.tokens) {
    if (!token.normalized)
      raw.emplace_back(token.content, id);
    else
      normalized.emplace_back(*result.textOf(id), id);
  }
  result.rawTrie = ByteTrie(std::move(raw));
  result.normalizedTrie = ByteTrie(std::move(normalized));
  return result;
}

const std::string *AddedTokens::textOf(int32_t id) const {
  auto form = normalizedForms.find(id);
  if (form != normalizedForms.end())
    return &form->second;
  auto token = tokens.find(id);
  return token == tokens.end() ? nullptr : &token->second.content;
}

int32_t AddedTokens::find(std::string_view content) const {
  auto found = ids.find(std::string(content));
  return found == ids.end() ? -1 : found->second;
}

/// Whether nothing in `text` continues a word across `begin` or `end`.
static bool standsAlone(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && isWordCharacter(codePointBefore(text, begin)))
    return false;
  return end == text.size() || !isWordCharacter(nextCodePoint(text, end));
}

std::vector<AddedTokens::Match>
AddedTokens::matches(std::string_view text, const ByteTrie &trie) const {
  std::vector<Match> found;
  size_t done = 0;
  for (size_t at = 0; !trie.empty() && at < text.size();) {
    Match match{at, at, -1};
    trie.prefixesOf(text.substr(at), [&](size_t length, int32_t id) {
      match = {at, at + length, id};
    });
    if (match.id < 0) {
      ++at;
      continue;
    }
    at = match.end;
    const AddedToken &token = tokens.find(match.id)->second;
    if (token.singleWord && !standsAlone(text, match.begin, match.end))
      continue;
    if (token.leftStrip) {
      size_t begin = match.begin;
      while (begin > 0) {
        char32_t c = codePointBefore(text, begin);
        if (!isWhiteSpace(c))
          break;
        begin -= toUtf8(c).size();
      }
      match.begin = std::max(begin, done);
    }
    if (token.rightStrip)
      for (size_t next = match.end; next < text.size(); match.end = next)
        if (!isWhiteSpace(nextCodePoint(text, next)))
          break;
    if (done < match.begin)
      found.push_back({done, match.begin, -1});
    found.push_back(match);
    done = match.end;
  }
  if (done != text.size())
    found.push_back({done, text.size(), -1});
  return found;
}

Expected<PieceList> AddedTokens::split(std::string_view text,
                                       const Normalizer *normalizer) const {
  PieceList list;
  if (!normalizer)
    list.text.reserve(text.size());
  size_t firstCharacter =
      text.empty() ? 0 : sequenceLength(static_cast<unsigned char>(text[0]));
  for (const Match &match : matches(text, rawTrie)) {
    if (match.id >= 0) {
      list.pieces.push_back({list.text.size(), list.text.size(), match.id});
      continue;
    }
    NormalizedText part{
        std::string(text.substr(match.begin, match.end - match.begin)),
        match.begin == 0 ? firstCharacter : 0};
    if (normalizer)
      if (Error error = normalizer->normalize(part))
        return error;
    size_t base = list.text.size();
    for (const Match &inner : matches(part.text, normalizedTrie)) {
      if (inner.id < 0 && inner.begin == inner.end)
        continue;
      size_t fromStart = part.fromStart > inner.begin
                             ? std::min(part.fromStart, inner.end) - inner.begin
                             : 0;
      list.pieces.push_back(
          {base + inner.begin, base + inner.end, inner.id, fromStart});
    }
    list.text += part.text;
  }
  return list;
}

} // namespace lq::tok
