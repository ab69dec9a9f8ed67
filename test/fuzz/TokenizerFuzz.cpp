//===- TokenizerFuzz.cpp - any tokenizer.json, on any text ----------------===//
//
// An input is a tokenizer.json and, after a zero byte, a text. Whatever they are,
// the tokenizer is refused with a message, or its ids are those of tokens and
// stand for text in UTF-8.
//
//===----------------------------------------------------------------------===//

#include "runtime/tokenizer/Tokenizer.h"

#include <cstdlib>

using namespace lq;

static void require(bool holds) {
  if (!holds)
    std::abort();
}

static void use(const Tokenizer &tokenizer, std::string_view text) {
  auto ids = tokenizer.encode(text, /*addSpecial=*/true);
  if (!ids)
    return require(!ids.error().message().empty());
  for (int32_t id : *ids)
    require(id >= 0 && static_cast<size_t>(id) < tokenizer.vocabularySize());
  // Ids that no text gave.
  for (int32_t id = -1; id < 8; ++id)
    ids->push_back(id);
  ids->push_back(static_cast<int32_t>(tokenizer.vocabularySize()));
  for (bool skipSpecial : {false, true}) {
    std::string whole = tokenizer.decode(*ids, skipSpecial), pieces;
    StreamDecoder decoder(tokenizer, skipSpecial);
    for (int32_t id : *ids)
      pieces += decoder.push(id);
    pieces += decoder.finish();
    require(whole == pieces);
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view input(reinterpret_cast<const char *>(data), size);
  size_t end = input.find('\0');
  TokenizerFiles files;
  files.tokenizer = input.substr(0, end);
  std::string_view text = "Hello, w\xc3\xb6rld! 12 <s>\xff\n\xe4\xb8\x96";
  if (end != std::string_view::npos)
    text = input.substr(end + 1);
  auto model = tokenizerModelFromJson(files);
  if (!model) {
    require(!model.error().message().empty());
    return 0;
  }
  auto tokenizer = Tokenizer::fromModel(std::move(*model));
  if (tokenizer)
    use(*tokenizer, text);
  else
    require(!tokenizer.error().message().empty());
  return 0;
}
