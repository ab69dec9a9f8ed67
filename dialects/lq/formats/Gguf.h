//===- Gguf.h - the block formats of GGUF -----------------------*- C++ -*-===//

#ifndef LQ_DIALECTS_LQ_FORMATS_GGUF_H
#define LQ_DIALECTS_LQ_FORMATS_GGUF_H

#include "dialects/lq/Format.h"

namespace lq {

/// A format whose rows are sequences of blocks of one group each.
struct GgufFormat {
  llvm::StringLiteral name;
  FormatDescription description;
  /// Bytes of a block.
  int64_t blockBytes;
  /// A block to `description.group` codes and a scale, and back.
  void (*decodeBlock)(const char *block, uint8_t *codes, float &scale);
  void (*encodeBlock)(const uint8_t *codes, float scale, char *block);
};

} // namespace lq

#endif // LQ_DIALECTS_LQ_FORMATS_GGUF_H
