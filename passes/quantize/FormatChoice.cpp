//===- FormatChoice.cpp - what users name to quantize to ------------------===//

#include "passes/quantize/FormatChoice.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace lq;
using llvm::Expected;
using llvm::StringRef;

Expected<FormatChoice> FormatChoice::readRecipe(mlir::MLIRContext &context,
                                                StringRef path) {
  Expected<Recipe> recipe = Recipe::read(path);
  if (!recipe)
    return recipe.takeError();
  FormatChoice choice;
  choice.recipe = path.str();
  for (const RecipeLine &line : recipe->weights) {
    FormatAttrInterface format = lookupFormat(context, line.format);
    if (!format)
      return llvm::createStringError("recipe '" + path + "': unknown format '" +
                                     line.format + "' for '" + line.match +
                                     "'");
    choice.lines.push_back(
        {line.match, llvm::Regex("^(" + line.match + ")$"), format, false});
  }
  return choice;
}

Expected<FormatChoice> FormatChoice::parse(mlir::MLIRContext &context,
                                           StringRef text) {
  if (Recipe::isFileName(text))
    return readRecipe(context, text);
  FormatChoice choice;
  choice.context = &context;
  choice.format = lookupFormat(context, text);
  choice.mix = choice.format ? nullptr : lookupMix(text);
  if (choice.format || choice.mix)
    return choice;
  return llvm::createStringError(
      (text.empty() ? "it is required" : "unknown format \"" + text + "\"") +
      ", choose one of " + llvm::join(names(context), ", "));
}

std::vector<std::string> FormatChoice::names(mlir::MLIRContext &context) {
  std::vector<std::string> names;
  for (FormatAttrInterface format : listFormats(context))
    names.push_back(format.getFormatName().str());
  for (const FormatMix &mix : listMixes())
    names.push_back(mix.name.str());
  return names;
}

FormatAttrInterface FormatChoice::formatOf(StringRef weight,
                                           const WeightPlace &place) {
  if (recipe.empty())
    return mix ? lookupFormat(*context, mix->formatOf(place)) : format;
  FormatAttrInterface found;
  // Lines that others hide are no mistake: a later one may be for all the rest.
  for (Line &line : lines)
    if (line.match.match(weight)) {
      line.isUsed = true;
      found = found ? found : line.format;
    }
  return found;
}

llvm::Error FormatChoice::checkUsed() const {
  for (const Line &line : lines)
    if (!line.isUsed)
      return llvm::createStringError(
          "recipe '" + recipe + "': no weight matches '" + line.text + "'");
  return llvm::Error::success();
}

FormatAttrInterface lq::findIntegerFormat(mlir::MLIRContext &context,
                                          unsigned bits, int64_t group,
                                          bool hasZeroPoints) {
  if (group == -1)
    group = FormatDescription::wholeRow;
  for (FormatAttrInterface format : listFormats(context)) {
    FormatDescription description = format.getDescription();
    if (hasIntegerGroups(description) && description.bits == bits &&
        description.group == group &&
        description.offset.exists() == hasZeroPoints)
      return format;
  }
  return {};
}
