//===- Recipe.cpp - a format for each weight, in a file -------------------===//

#include "passes/quantize/Recipe.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/YAMLTraits.h"

using namespace llvm;
using namespace lq;

LLVM_YAML_IS_SEQUENCE_VECTOR(lq::RecipeLine)

template <> struct llvm::yaml::MappingTraits<RecipeLine> {
  static void mapping(IO &io, RecipeLine &line) {
    io.mapRequired("match", line.match);
    io.mapRequired("format", line.format);
  }
  static std::string validate(IO &, RecipeLine &line) {
    std::string reason;
    if (!Regex(line.match).isValid(reason))
      return "match is no regular expression: " + reason;
    return {};
  }
};

template <> struct llvm::yaml::MappingTraits<Recipe> {
  static void mapping(IO &io, Recipe &recipe) {
    io.mapRequired("weights", recipe.weights);
  }
  static std::string validate(IO &, Recipe &recipe) {
    return recipe.weights.empty() ? "the list of weights is empty" : "";
  }
};

bool Recipe::isFileName(StringRef name) {
  StringRef extension = sys::path::extension(name);
  return extension == ".yaml" || extension == ".yml";
}

/// The first diagnostic of the parser, with its line.
static void keepFirst(const SMDiagnostic &diagnostic, void *context) {
  auto &text = *static_cast<std::string *>(context);
  if (text.empty())
    text = "line " + std::to_string(diagnostic.getLineNo()) + ": " +
           diagnostic.getMessage().str();
}

Expected<Recipe> Recipe::read(StringRef path) {
  auto file = MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!file)
    return createStringError(file.getError(),
                             "cannot read the recipe '" + path +
                                 "': " + file.getError().message());
  std::string problem;
  yaml::Input input(**file, nullptr, keepFirst, &problem);
  Recipe recipe;
  input >> recipe;
  if (!input.error() && problem.empty())
    return recipe;
  return createStringError("'" + path + "' is no recipe: " +
                           (problem.empty() ? "the file is empty" : problem));
}

std::string Recipe::print(StringRef comment) const {
  std::string text;
  raw_string_ostream stream(text);
  SmallVector<StringRef> lines;
  comment.split(lines, '\n', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  for (StringRef line : lines)
    stream << "# " << line << "\n";
  stream << "weights:\n";
  for (const RecipeLine &line : weights) {
    // In single quotes a quote alone is written otherwise.
    stream << "  - match: '";
    for (char c : line.match)
      stream << (c == '\'' ? "''" : StringRef(&c, 1));
    stream << "'\n    format: " << line.format << "\n";
  }
  return text;
}

std::string lq::matchExactly(StringRef name) { return Regex::escape(name); }
