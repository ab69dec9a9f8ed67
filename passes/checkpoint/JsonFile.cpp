//===- JsonFile.cpp - JSON files beside a model ---------------------------===//

#include "passes/checkpoint/JsonFile.h"

#include "dialects/common/WeightFile.h"
#include "runtime/JsonDepth.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;
using namespace lq;

/// Configurations nest a few levels.
static constexpr int maxDepth = 64;

Expected<json::Value> checkpoint::readJsonFile(StringRef path) {
  auto buffer = MemoryBuffer::getFile(path);
  if (!buffer)
    return createStringError(buffer.getError(),
                             "cannot read " + quoted(path) + ": " +
                                 buffer.getError().message());
  StringRef text = (*buffer)->getBuffer();
  if (jsonDepth(text) > maxDepth)
    return createStringError(inconvertibleErrorCode(),
                             quoted(path) + " nests more than " +
                                 Twine(maxDepth) + " levels deep");
  Expected<json::Value> value = json::parse(text);
  if (value)
    return value;
  return createStringError(inconvertibleErrorCode(),
                           quoted(path) +
                               " is not JSON: " + toString(value.takeError()));
}

Expected<json::Object> checkpoint::readJsonObject(StringRef path) {
  Expected<json::Value> value = readJsonFile(path);
  if (!value)
    return value.takeError();
  if (json::Object *object = value->getAsObject())
    return std::move(*object);
  return createStringError(inconvertibleErrorCode(),
                           quoted(path) + ": expected an object");
}
