//===- FormatChoice.h - what users name to quantize to ----------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_FORMATCHOICE_H
#define LQ_PASSES_QUANTIZE_FORMATCHOICE_H

#include "dialects/lq/LqAttributes.h"
#include "dialects/lq/formats/Mix.h"
#include "passes/quantize/Recipe.h"
#include "llvm/Support/Regex.h"

namespace lq {

/// A format for all weights, or a mix or a recipe that has one for each.
class FormatChoice {
public:
  /// What `text` means: the name of a format or of a mix, or the file of a recipe.
  /// The error says what there is to choose from, or what is wrong in the file.
  static llvm::Expected<FormatChoice> parse(mlir::MLIRContext &context,
                                            llvm::StringRef text);
  /// The names of formats and mixes, formats first.
  static std::vector<std::string> names(mlir::MLIRContext &context);

  /// The format of a weight; null if a recipe has none for it.
  FormatAttrInterface formatOf(llvm::StringRef weight,
                               const WeightPlace &place);

  /// Fails if a line of a recipe was asked for no weight.
  llvm::Error checkUsed() const;

private:
  /// A line of a recipe.
  struct Line {
    std::string text;
    llvm::Regex match;
    FormatAttrInterface format;
    bool isUsed = false;
  };

  static llvm::Expected<FormatChoice> readRecipe(mlir::MLIRContext &context,
                                                 llvm::StringRef path);

  mlir::MLIRContext *context = nullptr;
  FormatAttrInterface format;
  const FormatMix *mix = nullptr;
  std::string recipe;
  std::vector<Line> lines;
};

/// A format of integer codes with a scale for each `group` columns (-1: all), and
/// a zero point for each if `hasZeroPoints`: what most software calls by these
/// numbers. Null if there is none.
FormatAttrInterface findIntegerFormat(mlir::MLIRContext &context, unsigned bits,
                                      int64_t group, bool hasZeroPoints);

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_FORMATCHOICE_H
