//===- GgufTokenizer.cpp - a tokenizer as llama.cpp reads it --------------===//
//
// llama.cpp does not run a tokenizer.json: it knows some ways of splitting text
// by name. A tokenizer is written only if it is one of them.
//
//===----------------------------------------------------------------------===//

#include "dialects/common/WeightFile.h"
#include "passes/checkpoint/GgufMetadata.h"
#include "runtime/tokenizer/TokenizerModel.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringMap.h"

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

//===----------------------------------------------------------------------===//
// SentencePiece
//===----------------------------------------------------------------------===//

/// U+2581, which stands for a space.
static constexpr llvm::StringLiteral spaceMark = "\xe2\x96\x81";

/// Whether a step turns spaces, and nothing else, into the mark.
static bool marksSpaces(const json::Object *step) {
  const json::Object *pattern = step->getObject("pattern");
  return typeOf(step) == "Replace" && pattern &&
         pattern->getString("String") == " " &&
         step->getString("content") == spaceMark;
}

/// Whether a step splits at spaces, of which none is left.
static bool splitsAtSpaces(const json::Object *step) {
  const json::Object *pattern = step->getObject("pattern");
  return typeOf(step) == "Split" && pattern &&
         pattern->getString("String") == " " &&
         !step->getBoolean("invert").value_or(false);
}

/// Of a tokenizer that does as SentencePiece does, whether it puts a space
/// before the text; nothing of others. Spaces are marked, and what no token
/// covers becomes bytes.
static std::optional<bool> findSpacePrefix(const json::Object &pipeline) {
  const json::Object *model = pipeline.getObject("model");
  if (!model || !model->getBoolean("byte_fallback").value_or(false) ||
      model->getBoolean("ignore_merges").value_or(false))
    return std::nullopt;
  auto normalizers = stepsOf(pipeline, "normalizer", "normalizers");
  auto splitters = stepsOf(pipeline, "pre_tokenizer", "pretokenizers");
  if (normalizers.empty() && splitters.size() == 1 &&
      typeOf(splitters[0]) == "Metaspace") {
    StringRef scheme = splitters[0]->getString("prepend_scheme").value_or("");
    bool isPlain = splitters[0]->getString("replacement") == spaceMark &&
                   !splitters[0]->getBoolean("split").value_or(true) &&
                   (scheme == "always" || scheme == "never");
    return isPlain ? std::optional(scheme == "always") : std::nullopt;
  }
  if (!llvm::all_of(splitters, splitsAtSpaces))
    return std::nullopt;
  bool prefixes = normalizers.size() == 2 &&
                  typeOf(normalizers[0]) == "Prepend" &&
                  normalizers[0]->getString("prepend") == spaceMark;
  if (normalizers.size() != (prefixes ? 2 : 1) ||
      !marksSpaces(normalizers.back()))
    return std::nullopt;
  return prefixes;
}

/// The bytes of the character at the start of `text`.
static size_t characterSize(StringRef text) {
  size_t size = 1;
  while (size < text.size() && (text[size] & 0xc0) == 0x80)
    ++size;
  return size;
}

/// Whether the merges are all ways to join two tokens to a third, as
/// SentencePiece joins any neighbours whose text is a token.
static bool areMergesComplete(const TokenizerModel &model) {
  llvm::StringMap<int32_t> ids;
  for (auto [id, token] : llvm::enumerate(model.tokens))
    if (model.types[id] == TokenType::Normal)
      ids[token] = static_cast<int32_t>(id);
  llvm::DenseSet<std::pair<int32_t, int32_t>> merges;
  for (auto [left, right, result] : model.merges)
    merges.insert({left, right});
  auto isSymbol = [&](StringRef text) {
    return ids.contains(text) || characterSize(text) == text.size();
  };
  for (const auto &entry : ids) {
    StringRef token = entry.first();
    for (size_t at = characterSize(token); at < token.size();
         at += characterSize(token.substr(at))) {
      StringRef left = token.take_front(at), right = token.substr(at);
      if (!isSymbol(left) || !isSymbol(right))
        continue;
      auto first = ids.find(left), second = ids.find(right);
      if (first == ids.end() || second == ids.end() ||
          !merges.contains({first->second, second->second}))
        return false;
    }
  }
  return true;
}

/// Scores by which SentencePiece joins in the order of the merges: that of the
/// n-th token they make is -n, that of tokens they do not make the lowest.
/// Nothing if no scores do that.
static std::optional<std::vector<float>>
findScores(const TokenizerModel &model) {
  if (!areMergesComplete(model))
    return std::nullopt;
  std::vector<float> scores(model.tokens.size(), 1);
  int32_t last = -1, made = 0;
  for (auto [left, right, result] : model.merges) {
    if (result == last)
      continue;
    if (scores[result] <= 0)
      return std::nullopt;
    scores[result] = -static_cast<float>(made++);
    last = result;
  }
  for (float &score : scores)
    if (score > 0)
      score = -static_cast<float>(made);
  return scores;
}

//===----------------------------------------------------------------------===//
// All tokenizers
//===----------------------------------------------------------------------===//

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
    return id >= 0 && id < static_cast<int64_t>(model.tokens.size()) &&
           token == StringRef(model.tokens[id]);
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
  std::optional<bool> prefix;
  std::optional<std::vector<float>> scores;
  if (splitter.empty()) {
    prefix = findSpacePrefix(pipeline);
    splitter = prefix ? "default" : "";
    if (prefix)
      scores = findScores(*model);
  }
  if (model->kind != TokenizerKind::Bpe || splitter.empty() ||
      (prefix && !scores))
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
  if (scores)
    scores->resize(vocabulary, -static_cast<float>(model->merges.size()));
  // Models round their vocabulary up.
  for (int64_t id = static_cast<int64_t>(model->tokens.size()); id < vocabulary;
       ++id) {
    model->tokens.push_back("[PAD" + std::to_string(id) + "]");
    model->types.push_back(TokenType::Unused);
  }
  writeTokenizerMetadata(*model, writer);
  writer.setMetadata("tokenizer.ggml.pre", GgufValue(splitter));
  if (scores)
    writer.setMetadata("tokenizer.ggml.scores", GgufValue(*scores));
  writer.setMetadata("tokenizer.ggml.add_space_prefix",
                     GgufValue(prefix.value_or(false)));
  writer.setMetadata("tokenizer.ggml.add_bos_token", GgufValue(ends->bos));
  writer.setMetadata("tokenizer.ggml.add_eos_token", GgufValue(ends->eos));
  return llvm::Error::success();
}
