//===- Chunks.cpp - a text cut into pieces of tokens ----------------------===//

#include "tools/lq-eval/Chunks.h"

#include <algorithm>

using namespace lq;

/// Whether the tokenizer puts its beginning-of-text token before a text.
static Expected<bool> startsWithBos(const Tokenizer &tokenizer) {
  auto special = tokenizer.encode("", /*addSpecial=*/true);
  if (!special)
    return special.takeError();
  return !special->empty() && tokenizer.bosId() >= 0 &&
         special->front() == tokenizer.bosId();
}

Expected<Chunks> lq::cutIntoChunks(const Tokenizer &tokenizer,
                                   std::string_view text,
                                   const std::string &path,
                                   const ChunkOptions &options) {
  Chunks chunks;
  chunks.context = static_cast<size_t>(options.context);
  chunks.first = options.scoreAll ? 0 : chunks.context / 2;
  if (text.empty())
    return makeError(ErrorCode::InvalidArgument, path, ": the text is empty");
  auto tokens = tokenizer.encode(text, /*addSpecial=*/false);
  if (!tokens)
    return makeError(tokens.error().code(), path, ": ",
                     tokens.error().message());
  auto bos = startsWithBos(tokenizer);
  if (!bos)
    return bos.takeError();

  size_t available = tokens->size() / chunks.context;
  if (available == 0)
    return makeError(ErrorCode::InvalidArgument, path, ": the text has ",
                     tokens->size(), " tokens, fewer than a chunk of ",
                     chunks.context,
                     "; give a longer text or a smaller "
                     "--context");
  auto wanted = static_cast<size_t>(options.chunks);
  if (wanted > available)
    return makeError(ErrorCode::InvalidArgument, path, ": the text has ",
                     available, " chunks of ", chunks.context,
                     " tokens, but --chunks asks for ", wanted);
  tokens->resize((wanted ? wanted : available) * chunks.context);
  chunks.tokens = std::move(*tokens);
  for (size_t i = 0; *bos && i < chunks.count(); ++i)
    chunks.tokens[i * chunks.context] = tokenizer.bosId();
  return chunks;
}

Error lq::checkSameTokens(const Chunks &chunks, const Chunks &others,
                          const std::string &path) {
  auto [ours, theirs] = std::ranges::mismatch(chunks.tokens, others.tokens);
  if (ours == chunks.tokens.end() && theirs == others.tokens.end())
    return Error::success();
  if (ours == chunks.tokens.end() || theirs == others.tokens.end())
    return makeError(ErrorCode::InvalidArgument, path, ": ",
                     others.tokens.size(), " tokens, where the model has ",
                     chunks.tokens.size(),
                     " of the text; a reference must have the same tokenizer "
                     "and text");
  return makeError(ErrorCode::InvalidArgument, path, ": token ",
                   ours - chunks.tokens.begin(), " of the text is ", *theirs,
                   ", where the model has ", *ours,
                   "; a reference must have the same tokenizer and text");
}
