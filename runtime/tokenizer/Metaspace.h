//===- Metaspace.h - a visible character for spaces -------------*- C++ -*-===//

#ifndef LQ_RUNTIME_TOKENIZER_METASPACE_H
#define LQ_RUNTIME_TOKENIZER_METASPACE_H

#include "runtime/tokenizer/JsonFields.h"

namespace lq::tok {

/// Options that Metaspace has as pre-tokenizer and as decoder.
struct Metaspace {
  enum class Scheme { Always, First, Never };

  char32_t replacement = U'\u2581';
  Scheme scheme = Scheme::Always;
  bool split = true;

  /// Whether a piece gets a mark in front.
  bool prepends(bool isTextStart) const {
    return scheme == Scheme::Always || (scheme == Scheme::First && isTextStart);
  }
};

inline Expected<Metaspace> readMetaspace(const Json &json,
                                         const std::string &where) {
  JsonFields fields(json, where);
  Metaspace options;
  options.replacement = fields.character("replacement");
  options.split = fields.boolean("split", true);
  std::string scheme = fields.string("prepend_scheme", "always");
  if (scheme == "first")
    options.scheme = Metaspace::Scheme::First;
  else if (scheme == "never")
    options.scheme = Metaspace::Scheme::Never;
  else if (scheme != "always")
    fields.fail("prepend_scheme", "always, first or never");
  // Files from before there were schemes have `add_prefix_space`.
  if (!fields.boolean("add_prefix_space", true)) {
    if (fields.find("prepend_scheme") && scheme != "never")
      fields.fail("add_prefix_space",
                  "a value that prepend_scheme agrees with");
    options.scheme = Metaspace::Scheme::Never;
  }
  if (Error error = fields.takeError())
    return error;
  return options;
}

} // namespace lq::tok

#endif // LQ_RUNTIME_TOKENIZER_METASPACE_H
