//===- JsonFields.h - checked access to a JSON object -----------*- C++ -*-===//

#ifndef LQ_RUNTIME_TOKENIZER_JSONFIELDS_H
#define LQ_RUNTIME_TOKENIZER_JSONFIELDS_H

#include "runtime/Error.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lq::tok {

using Json = nlohmann::json;

/// Parses `text`, which `where` names in messages. Nesting deeper than any
/// tokenizer needs is refused, since json's destructor and writer recurse.
Expected<Json> parseJson(std::string_view text, const std::string &where);

/// Reads the fields of one object. The first failure is kept and the readers
/// return neutral values, so that a caller checks once, after reading them all.
class JsonFields {
public:
  /// `where` names the object in messages, e.g. "decoder.decoders[0]". The
  /// object must outlive this.
  JsonFields(const Json &object, std::string where);

  const std::string &where() const { return place; }
  std::string pathOf(std::string_view name) const;

  /// Null if the field is absent or null.
  const Json *find(std::string_view name) const;

  std::string string(std::string_view name);
  std::string string(std::string_view name, std::string_view absent);
  bool boolean(std::string_view name);
  bool boolean(std::string_view name, bool absent);
  /// A string of one character.
  char32_t character(std::string_view name);
  /// A number in 0 .. 2^31 - 1.
  int32_t natural(std::string_view name);
  std::optional<int32_t> optionalNatural(std::string_view name);
  /// An array or object; the empty one on failure.
  const Json &array(std::string_view name);
  const Json &object(std::string_view name);

  void fail(std::string_view name, std::string_view expected);
  Error takeError() { return std::move(failure); }

private:
  /// Null, and a failure, if the field is absent, null or `accepts` refuses it.
  template <typename Accepts>
  const Json *require(std::string_view name, std::string_view expected,
                      Accepts accepts);

  const Json &fields;
  std::string place;
  Error failure;
};

/// The value as a number in 0 .. 2^31 - 1.
std::optional<int32_t> asNatural(const Json &value);

/// The `type` field of a component; fails if it is no string.
Expected<std::string> componentType(const Json &component,
                                    const std::string &where);

} // namespace lq::tok

#endif // LQ_RUNTIME_TOKENIZER_JSONFIELDS_H
