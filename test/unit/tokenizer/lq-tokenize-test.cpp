//===- lq-tokenize-test.cpp - a tokenizer on JSON lines -------------------===//
//
// Loads a tokenizer.json, through the metadata of a GGUF file and back, and
// answers requests, one JSON object a line on standard input:
//   {"text": ..., "special": bool}  ->  {"ids": [...]} or {"error": ...}
//   {"ids": [...], "skip": bool}    ->  {"text": ..., "stream": ...}
// "stream" is what the streaming decoder makes of the same ids.
//
//===----------------------------------------------------------------------===//

#include "runtime/Gguf.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

using lq::Error;
using lq::Expected;
using Json = nlohmann::json;

static std::string readFile(const char *path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// The model after a trip through the file `path`.
static Expected<lq::TokenizerModel> throughGguf(const lq::TokenizerModel &model,
                                                const std::string &path) {
  lq::GgufWriter writer;
  lq::writeTokenizerMetadata(model, writer);
  if (Error error = writer.finish(path))
    return error;
  Expected<lq::GgufReader> reader = lq::GgufReader::open(path);
  if (!reader)
    return reader.takeError();
  return lq::readTokenizerMetadata(*reader);
}

static Expected<lq::Tokenizer> load(const char *jsonPath,
                                    const char *ggufPath) {
  lq::TokenizerFiles files;
  files.tokenizer = readFile(jsonPath);
  Expected<lq::TokenizerModel> model = lq::tokenizerModelFromJson(files);
  if (!model)
    return model.takeError();
  Expected<lq::TokenizerModel> again = throughGguf(*model, ggufPath);
  if (!again)
    return again.takeError();
  return lq::Tokenizer::fromModel(std::move(*again));
}

static Json answer(const lq::Tokenizer &tokenizer, const Json &request) {
  if (request.contains("text")) {
    auto ids = tokenizer.encode(request["text"].get<std::string>(),
                                request.value("special", false));
    if (!ids)
      return {{"error", ids.error().message()}};
    return {{"ids", *ids}};
  }
  auto ids = request["ids"].get<std::vector<int32_t>>();
  bool skip = request.value("skip", false);
  lq::StreamDecoder decoder(tokenizer, skip);
  std::string stream;
  for (int32_t id : ids)
    stream += decoder.push(id);
  stream += decoder.finish();
  return {{"text", tokenizer.decode(ids, skip)}, {"stream", stream}};
}

int main(int argc, char **argv) {
  if (argc != 3) {
    std::fprintf(stderr,
                 "usage: lq-tokenize-test tokenizer.json scratch.gguf\n");
    return 2;
  }
  Expected<lq::Tokenizer> tokenizer = load(argv[1], argv[2]);
  if (!tokenizer) {
    std::fprintf(stderr, "error: %s\n", tokenizer.error().message().c_str());
    return 1;
  }
  for (std::string line; std::getline(std::cin, line);)
    std::cout << answer(*tokenizer, Json::parse(line)).dump() << "\n";
  return 0;
}
