//===- TextPattern.h - the `pattern` field of components --------*- C++ -*-===//

#ifndef LQ_RUNTIME_TOKENIZER_TEXTPATTERN_H
#define LQ_RUNTIME_TOKENIZER_TEXTPATTERN_H

#include "runtime/tokenizer/JsonFields.h"
#include "runtime/tokenizer/Regex.h"

namespace lq::tok {

/// The text of a `{"String": "..."}` or `{"Regex": "..."}` in the field
/// `pattern` of a component; `isRegex` says which.
inline std::string patternText(JsonFields &component, bool &isRegex) {
  JsonFields pattern(component.object("pattern"), component.pathOf("pattern"));
  isRegex = pattern.find("Regex") != nullptr;
  const char *kind = isRegex ? "Regex" : "String";
  if (const Json *text = pattern.find(kind); text && text->is_string())
    return text->get_ref<const std::string &>();
  component.fail("pattern", "a String or Regex");
  return {};
}

/// Compiles the field `pattern` of a component.
inline Expected<Regex> makeTextPattern(const Json &component,
                                       const std::string &where) {
  JsonFields fields(component, where);
  bool isRegex = false;
  std::string text = patternText(fields, isRegex);
  if (Error error = fields.takeError())
    return error;
  Expected<Regex> regex =
      isRegex ? Regex::compile(text) : Regex::compileLiteral(text);
  if (!regex)
    return makeError(regex.error().code(), where,
                     ".pattern: ", regex.error().message());
  return regex;
}

} // namespace lq::tok

#endif // LQ_RUNTIME_TOKENIZER_TEXTPATTERN_H
