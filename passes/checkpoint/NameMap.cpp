//===- NameMap.cpp - a user's names for weights ---------------------------===//

#include "passes/checkpoint/NameMap.h"

#include "dialects/common/WeightFile.h"
#include "passes/checkpoint/JsonFile.h"

using namespace llvm;
using namespace lq;
using namespace lq::checkpoint;

Expected<NameMap> NameMap::read(StringRef path) {
  auto fail = [&](const Twine &reason) {
    return createStringError(inconvertibleErrorCode(),
                             quoted(path) + ": " + reason);
  };
  Expected<json::Value> value = readJsonFile(path);
  if (!value)
    return value.takeError();
  NameMap result;
  const json::Array *pairs = value->getAsArray();
  if (!pairs)
    return fail("expected an array of pairs [\"expression\", \"name\"]");
  for (const json::Value &each : *pairs) {
    const json::Array *pair = each.getAsArray();
    std::optional<StringRef> expression, name;
    if (pair && pair->size() == 2) {
      expression = (*pair)[0].getAsString();
      name = (*pair)[1].getAsString();
    }
    if (!expression || !name)
      return fail("expected pairs [\"expression\", \"name\"]");
    Regex regex(("^(" + *expression + ")$").str());
    std::string reason;
    if (!regex.isValid(reason))
      return fail("no regular expression: " + quoted(*expression) + ": " +
                  reason);
    result.rules.push_back({std::move(regex), name->str()});
  }
  return result;
}

/// `name` with \1 .. \9 replaced by what the groups matched. The whole
/// expression stands in a group of its own.
static std::string fillGroups(StringRef name, ArrayRef<StringRef> groups) {
  std::string result;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '\\' && i + 1 < name.size() && name[i + 1] >= '1' &&
        name[i + 1] <= '9') {
      size_t group = static_cast<size_t>(name[++i] - '0') + 1;
      if (group < groups.size())
        result += groups[group];
    } else {
      result += name[i];
    }
  }
  return result;
}

std::string NameMap::map(StringRef name) const {
  for (const Rule &rule : rules) {
    SmallVector<StringRef> groups;
    if (rule.expression.match(name, &groups))
      return fillGroups(rule.name, groups);
  }
  return {};
}
