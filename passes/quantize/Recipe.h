//===- Recipe.h - a format for each weight, in a file -----------*- C++ -*-===//
//
// A recipe is YAML that people read and edit:
//
//   weights:
//     - match: 'model\.layers\.[0-3]\..*'
//       format: q6_k
//     - match: '.*'
//       format: q4_k
//
// A weight gets the format of the first line whose regular expression matches its
// whole name; one that no line matches stays as it is.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_QUANTIZE_RECIPE_H
#define LQ_PASSES_QUANTIZE_RECIPE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace lq {

struct RecipeLine {
  /// POSIX extended regular expression.
  std::string match;
  /// The name of a format.
  std::string format;
};

struct Recipe {
  std::vector<RecipeLine> weights;

  /// Whether users mean a recipe by this name of a format: that of a YAML file.
  static bool isFileName(llvm::StringRef name);

  /// Reads a file. The error names it, the line and what is wrong.
  static llvm::Expected<Recipe> read(llvm::StringRef path);

  /// The text of a file, with `comment` (lines of text) at its head.
  std::string print(llvm::StringRef comment) const;
};

/// A regular expression that matches `name` alone.
std::string matchExactly(llvm::StringRef name);

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_RECIPE_H
