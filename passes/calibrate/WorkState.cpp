//===- WorkState.cpp - where an interrupted run goes on -------------------===//

#include "passes/calibrate/WorkState.h"

#include "runtime/AtomicFile.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace lq;

static constexpr StringLiteral stateFile = "state.json";

llvm::Expected<WorkState> WorkState::open(StringRef path, StringRef key) {
  WorkState state;
  state.key = key.str();
  if (std::error_code error = sys::fs::create_directories(path))
    return createStringError("cannot make the work folder " + path + ": " +
                             error.message());
  SmallString<256> absolute(path);
  sys::fs::make_absolute(absolute);
  state.folder = std::string(absolute);
  state.read();
  return std::move(state);
}

/// Takes over what the folder says, if it is of the same run.
void WorkState::read() {
  auto text = MemoryBuffer::getFile(file(stateFile));
  if (!text)
    return;
  llvm::Expected<json::Value> value = json::parse((*text)->getBuffer());
  if (!value)
    return consumeError(value.takeError());
  const json::Object *fields = value->getAsObject();
  const json::Array *sizes = fields ? fields->getArray("shape") : nullptr;
  auto finished = fields ? fields->getInteger("finished") : std::nullopt;
  if (!sizes || !finished || *finished < 0 || fields->getString("key") != key)
    return;
  blocks = static_cast<size_t>(*finished);
  for (const json::Value &size : *sizes)
    streamShape.push_back(size.getAsInteger().value_or(0));
}

llvm::Error WorkState::advance(ArrayRef<int64_t> shape) {
  streamShape = shape.vec();
  ++blocks;
  std::string text;
  raw_string_ostream(text) << json::Value(
      json::Object{{"key", key},
                   {"finished", static_cast<int64_t>(blocks)},
                   {"shape", json::Array(streamShape)}});
  if (lq::Error error = writeFileAtomically(file(stateFile), text))
    return createStringError(error.message());
  return llvm::Error::success();
}

std::string WorkState::file(const Twine &name) const {
  SmallString<256> path(folder);
  sys::path::append(path, name);
  return std::string(path);
}

void WorkState::remove() { sys::fs::remove_directories(folder); }
