//===- JsonFields.cpp - checked access to a JSON object -------------------===//

#include "runtime/tokenizer/JsonFields.h"
#include "runtime/JsonDepth.h"
#include "runtime/tokenizer/Unicode.h"

namespace lq::tok {

/// Pipelines nest a few levels; this leaves room and keeps recursion small.
static constexpr int maximumDepth = 64;

Expected<Json> parseJson(std::string_view text, const std::string &where) {
  if (jsonDepth(text) > maximumDepth)
    return makeError(ErrorCode::Corrupt, where, ": nested more than ",
                     maximumDepth, " levels deep");
  try {
    return Json::parse(text);
  } catch (const Json::parse_error &error) {
    return makeError(ErrorCode::Corrupt, where, ": not valid JSON at byte ",
                     error.byte);
  }
}

JsonFields::JsonFields(const Json &object, std::string where)
    : fields(object), place(std::move(where)) {
  if (!fields.is_object())
    failure = makeError(ErrorCode::Corrupt, place, ": expected an object, got ",
                        fields.type_name());
}

std::string JsonFields::pathOf(std::string_view name) const {
  return place.empty() ? std::string(name) : place + "." + std::string(name);
}

const Json *JsonFields::find(std::string_view name) const {
  if (!fields.is_object())
    return nullptr;
  auto found = fields.find(name);
  return found == fields.end() || found->is_null() ? nullptr : &*found;
}

void JsonFields::fail(std::string_view name, std::string_view expected) {
  if (failure)
    return;
  const Json *value = find(name);
  failure = makeError(ErrorCode::Corrupt, pathOf(name), ": expected ", expected,
                      ", got ", value ? value->type_name() : "nothing");
}

template <typename Accepts>
const Json *JsonFields::require(std::string_view name,
                                std::string_view expected, Accepts accepts) {
  const Json *value = find(name);
  if (value && accepts(*value))
    return value;
  fail(name, expected);
  return nullptr;
}

std::string JsonFields::string(std::string_view name) {
  const Json *value =
      require(name, "a string", [](const Json &v) { return v.is_string(); });
  return value ? value->get_ref<const std::string &>() : std::string();
}

std::string JsonFields::string(std::string_view name, std::string_view absent) {
  return find(name) ? string(name) : std::string(absent);
}

bool JsonFields::boolean(std::string_view name) {
  const Json *value = require(name, "true or false",
                              [](const Json &v) { return v.is_boolean(); });
  return value && value->get<bool>();
}

bool JsonFields::boolean(std::string_view name, bool absent) {
  return find(name) ? boolean(name) : absent;
}

char32_t JsonFields::character(std::string_view name) {
  std::string text = string(name);
  size_t position = 0;
  char32_t c = text.empty() ? 0 : nextCodePoint(text, position);
  if (text.empty() || position != text.size())
    fail(name, "a string of one character");
  return c;
}

std::optional<int32_t> asNatural(const Json &value) {
  if (!value.is_number_integer())
    return std::nullopt;
  if (value.is_number_unsigned() ? value.get<uint64_t>() > INT32_MAX
                                 : value.get<int64_t>() < 0)
    return std::nullopt;
  return value.get<int32_t>();
}

int32_t JsonFields::natural(std::string_view name) {
  const Json *value =
      require(name, "a whole number from 0 to 2147483647",
              [](const Json &v) { return asNatural(v).has_value(); });
  return value ? *asNatural(*value) : 0;
}

std::optional<int32_t> JsonFields::optionalNatural(std::string_view name) {
  if (!find(name))
    return std::nullopt;
  return natural(name);
}

const Json &JsonFields::array(std::string_view name) {
  static const Json empty = Json::array();
  const Json *value =
      require(name, "an array", [](const Json &v) { return v.is_array(); });
  return value ? *value : empty;
}

const Json &JsonFields::object(std::string_view name) {
  static const Json empty = Json::object();
  const Json *value =
      require(name, "an object", [](const Json &v) { return v.is_object(); });
  return value ? *value : empty;
}

Expected<std::string> componentType(const Json &component,
                                    const std::string &where) {
  JsonFields fields(component, where);
  std::string type = fields.string("type");
  if (Error error = fields.takeError())
    return error;
  return type;
}

} // namespace lq::tok
