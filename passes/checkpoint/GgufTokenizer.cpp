//===- GgufTokenizer.cpp - a tokenizer as llama.cpp reads it --------------===//
//
// llama.cpp does not run a tokenizer.json: it knows some ways of splitting text
// by name. A tokenizer is written only if it is one of them.
//
//===----------------------------------------------------------------------===//

#include "dialects/common/WeightFile.h"
#include "passes/checkpoint/GgufMetadata.h"
#include "runtime/tokenizer/TokenizerModel.h"

using namespace lq;
using namespace lq::checkpoint;
using llvm::StringRef;
using llvm::Twine;
namespace json = llvm::json;

static llvm::Error fail(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

/// The steps of a part of the pipeline, which is one or a sequence of them.
static std::vector<const json::Object *>
stepsOf(const json::Object &pipeline, StringRef part, StringRef sequence) {
  const json::Object *first = pipeline.getObject(part);
  if (!first)
    return {};
  const json::Array *steps = first->getArray(sequence);
  if (!steps)
    return {first};
  std::vector<const json::Object *> result;
  for (const json::Value &step : *steps)
    if (const json::Object *object = step.getAsObject())
      result.push_back(object);
  return result;
}

static StringRef typeOf(const json::Object *step) {
  return step->getString("type").value_or("");
}

/// llama.cpp's name for how a byte-level tokenizer splits text; empty if it
/// has none that is known here.
static std::string splitterName(const json::Object &pipeline) {
  std::string types, patterns;
  for (const json::Object *step :
       stepsOf(pipeline, "pre_tokenizer", "pretokenizers")) {
    if (step->getBoolean("add_prefix_space").value_or(false))
      return {};
    types += (typeOf(step) + " ").str();
    if (const json::Object *pattern = step->getObject("pattern"))
      patterns += pattern->getString("Regex").value_or("").str();
  }
  if (types == "ByteLevel ")
    return "gpt-2";
  if (types == "Digits ByteLevel ")
    return "smollm";
  if (types != "Split ByteLevel ")
    return {};
  // Llama 3 takes digits in threes, Qwen 2 one at a time.
  if (StringRef(patterns).contains("\\p{N}{1,3}"))
    return "llama-bpe";
  return StringRef(patterns).contains("\\p{N}|") ? "qwen2" : "";
}

namespace {
/// Special tokens around a text.
struct Ends {
  bool bos = false, eos = false;
};
} // namespace

/// Which special tokens the tokenizer puts around a text; nothing if llama.cpp
/// could not do the same.
static std::optional<Ends> findEnds(const json::Object &pipeline,
                                    const TokenizerModel &model) {
  Ends ends;
  auto is = [&](StringRef token, int32_t id) {
    return id >= 0 && token == StringRef(model.tokens[id]);
  };
  for (const json::Object *step :
       stepsOf(pipeline, "post_processor", "processors")) {
    if (typeOf(step) == "ByteLevel")
      continue;
    const json::Array *pieces = step->getArray("single");
    if (typeOf(step) != "TemplateProcessing" || !pieces)
      return std::nullopt;
    bool isAfter = false;
    for (const json::Value &piece : *pieces) {
      const json::Object *object = piece.getAsObject();
      const json::Object *special =
          object ? object->getObject("SpecialToken") : nullptr;
      if (!special) {
        isAfter = true;
        continue;
      }
      StringRef token = special->getString("id").value_or("");
      if (!isAfter && is(token, model.bosId) && !ends.bos)
        ends.bos = true;
      else if (isAfter && !model.eosIds.empty() &&
               is(token, model.eosIds.front()) && !ends.eos)
        ends.eos = true;
      else
        return std::nullopt;
    }
  }
  return ends;
}

llvm::Error checkpoint::writeTokenizerKeys(StringRef folder, int64_t vocabulary,
                                           GgufWriter &writer) {
  auto files = readTokenizerFiles(folder.str());
  if (!files)
    return fail(files.error().message());
  auto model = tokenizerModelFromJson(*files);
  if (!model)
    return fail(model.error().message());
  llvm::Expected<json::Value> parsed = json::parse(model->pipeline);
  if (!parsed)
    return parsed.takeError();
  const json::Object empty;
  const json::Object &pipeline =
      parsed->getAsObject() ? *parsed->getAsObject() : empty;
  std::string splitter = splitterName(pipeline);
  if (model->kind != TokenizerKind::Bpe || splitter.empty())
    return fail("the tokenizer in " + quoted(folder) +
                " splits text in a way that has no name in llama.cpp");
  std::optional<Ends> ends = findEnds(pipeline, *model);
  if (!ends)
    return fail("the tokenizer in " + quoted(folder) +
                " puts tokens around a text that llama.cpp would not");
  if (static_cast<int64_t>(model->tokens.size()) > vocabulary)
    return fail("the tokenizer in " + quoted(folder) + " has " +
                Twine(model->tokens.size()) + " tokens, the model " +
                Twine(vocabulary));
  // Models round their vocabulary up.
  for (int64_t id = static_cast<int64_t>(model->tokens.size()); id < vocabulary;
       ++id) {
    model->tokens.push_back("[PAD" + std::to_string(id) + "]");
    model->types.push_back(TokenType::Unused);
  }
  writeTokenizerMetadata(*model, writer);
  writer.setMetadata("tokenizer.ggml.pre", GgufValue(splitter));
  writer.setMetadata("tokenizer.ggml.add_space_prefix", GgufValue(false));
  writer.setMetadata("tokenizer.ggml.add_bos_token", GgufValue(ends->bos));
  writer.setMetadata("tokenizer.ggml.add_eos_token", GgufValue(ends->eos));
  return llvm::Error::success();
}
