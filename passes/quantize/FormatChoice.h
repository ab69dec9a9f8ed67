//===- FormatChoice.h - what users name to quantize to ----------*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_FORMATCHOICE_H
#define LQ_PASSES_QUANTIZE_FORMATCHOICE_H

#include "dialects/lq/LqAttributes.h"
#include "dialects/lq/formats/Mix.h"
#include <optional>

namespace lq {

/// A format for all weights, or a mix that has one for each.
class FormatChoice {
public:
  /// The format or mix called `name`; nothing if there is none.
  static std::optional<FormatChoice> find(mlir::MLIRContext &context,
                                          llvm::StringRef name);
  /// The names of all, formats first.
  static std::vector<std::string> names(mlir::MLIRContext &context);

  FormatAttrInterface formatOf(const WeightPlace &place) const;

private:
  mlir::MLIRContext *context = nullptr;
  FormatAttrInterface format;
  const FormatMix *mix = nullptr;
};

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_FORMATCHOICE_H
