//===- Codebook.h - codes that stand for levels of a table ------*- C++ -*-===//

#ifndef LQ_DIALECTS_LQ_FORMATS_CODEBOOK_H
#define LQ_DIALECTS_LQ_FORMATS_CODEBOOK_H

#include "dialects/lq/Format.h"

namespace lq {

/// A line of the table of codebook formats.
struct CodebookFormat {
  llvm::StringLiteral name;
  FormatDescription description;
};

} // namespace lq

#endif // LQ_DIALECTS_LQ_FORMATS_CODEBOOK_H
