//===- Chunks.h - a text cut into pieces of tokens --------------*- C++ -*-===//

#ifndef LQ_TOOLS_LQ_EVAL_CHUNKS_H
#define LQ_TOOLS_LQ_EVAL_CHUNKS_H

#include "runtime/Error.h"
#include "runtime/Model.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lq {

/// Pieces of `context` tokens, one after another, what is left over at the
/// text's end dropped. A model reads each from an empty context; the logits at
/// the positions `first` to `context` - 2 are scored with the tokens that
/// follow.
struct Chunks {
  std::vector<int32_t> tokens;
  size_t context = 0;
  size_t first = 0;

  size_t count() const { return tokens.size() / context; }
  /// Scored positions of a chunk.
  size_t rows() const { return context - 1 - first; }
  std::span<const int32_t> chunk(size_t index) const {
    return std::span(tokens).subspan(index * context, context);
  }
};

struct ChunkOptions {
  int64_t context = 512;
  /// 0: as many as the text has.
  int64_t chunks = 0;
  /// Score all tokens but the first of each chunk, not just the second half.
  bool scoreAll = false;
};

/// Reads a text by the model's tokenizer, without special tokens. Where the
/// tokenizer starts a text with its beginning-of-text token, that takes the
/// place of the first token of each chunk. Fails, naming `path`, for a text
/// that has fewer chunks than asked for, or none.
Expected<Chunks> cutIntoChunks(const Tokenizer &tokenizer,
                               std::string_view text, const std::string &path,
                               const ChunkOptions &options);

/// Fails, naming `path`, if the text of `chunks` has other tokens for another
/// model, whose chunks of it are `others`.
Error checkSameTokens(const Chunks &chunks, const Chunks &others,
                      const std::string &path);

} // namespace lq

#endif // LQ_TOOLS_LQ_EVAL_CHUNKS_H
