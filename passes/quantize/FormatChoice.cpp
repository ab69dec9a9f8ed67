//===- FormatChoice.cpp - what users name to quantize to ------------------===//

#include "passes/quantize/FormatChoice.h"

using namespace lq;

std::optional<FormatChoice> FormatChoice::find(mlir::MLIRContext &context,
                                               llvm::StringRef name) {
  FormatChoice choice;
  choice.context = &context;
  choice.format = lookupFormat(context, name);
  choice.mix = choice.format ? nullptr : lookupMix(name);
  if (!choice.format && !choice.mix)
    return std::nullopt;
  return choice;
}

std::vector<std::string> FormatChoice::names(mlir::MLIRContext &context) {
  std::vector<std::string> names;
  for (FormatAttrInterface format : listFormats(context))
    names.push_back(format.getFormatName().str());
  for (const FormatMix &mix : listMixes())
    names.push_back(mix.name.str());
  return names;
}

FormatAttrInterface FormatChoice::formatOf(const WeightPlace &place) const {
  return mix ? lookupFormat(*context, mix->formatOf(place)) : format;
}
