//===- Model.cpp - an artifact with its tokenizer -------------------------===//

#include "runtime/Model.h"

using namespace lq;

Expected<std::unique_ptr<const Model>>
Model::open(const std::string &path, const ArtifactOptions &options) {
  auto artifact = Artifact::open(path, options);
  if (!artifact)
    return artifact.takeError();
  return std::unique_ptr<const Model>(new Model(std::move(*artifact)));
}

bool Model::hasTokenizer() const {
  const GgufReader::Metadata &metadata = file->container().metadata();
  auto first = metadata.lower_bound("tokenizer.");
  return first != metadata.end() && first->first.starts_with("tokenizer.");
}

Expected<const Tokenizer *> Model::tokenizer() const {
  std::lock_guard<std::mutex> lock(tokenizerMutex);
  if (loadedTokenizer)
    return &*loadedTokenizer;
  const GgufReader &reader = file->container();
  if (!hasTokenizer())
    return makeError(ErrorCode::Unsupported, reader.path(),
                     ": the artifact has no tokenizer; pass token ids");
  auto model = readTokenizerMetadata(reader);
  if (!model)
    return makeError(model.error().code(), reader.path(), ": ",
                     model.error().message());
  auto tokenizer = Tokenizer::fromModel(std::move(*model));
  if (!tokenizer)
    return makeError(tokenizer.error().code(), reader.path(), ": ",
                     tokenizer.error().message());
  loadedTokenizer.emplace(std::move(*tokenizer));
  return &*loadedTokenizer;
}
