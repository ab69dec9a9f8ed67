//===- GgufMetadata.cpp - what a GGUF file says of its model --------------===//
//
// The keys are those of gguf-py's constants.py; which of them a model has is as
// in llama.cpp's convert_hf_to_gguf.py.
//
//===----------------------------------------------------------------------===//

#include "passes/checkpoint/GgufMetadata.h"

#include "dialects/common/WeightFile.h"
#include <cmath>
#include <numbers>

using namespace lq;
using namespace lq::checkpoint;
using llvm::StringRef;
using llvm::Twine;
namespace json = llvm::json;

static llvm::Error fail(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

namespace {

/// A model type of Hugging Face's library, and what ggml calls it.
struct ModelType {
  StringRef type, architecture;
  bool interleaved;
};

constexpr ModelType modelTypes[] = {{"llama", "llama", true},
                                    {"mistral", "llama", true},
                                    {"qwen2", "qwen2", false},
                                    {"qwen3", "qwen3", false},
                                    {"gemma3_text", "gemma3", false}};

/// Reads numbers of config.json; the first that is missing is kept.
class ConfigReader {
public:
  ConfigReader(const json::Object &config, StringRef where)
      : config(config), where(where) {}

  int64_t integer(StringRef name) {
    if (std::optional<int64_t> value = config.getInteger(name); value)
      return *value;
    missing = missing.empty() ? name.str() : missing;
    return 1;
  }
  int64_t integer(StringRef name, int64_t absent) const {
    return config.getInteger(name).value_or(absent);
  }
  double number(StringRef name) {
    if (std::optional<double> value = config.getNumber(name); value)
      return *value;
    missing = missing.empty() ? name.str() : missing;
    return 1;
  }
  /// Whether a field is there and not null.
  bool has(StringRef name) const {
    const json::Value *value = config.get(name);
    return value && value->kind() != json::Value::Null;
  }
  const json::Object &object() const { return config; }
  StringRef place() const { return where; }

  /// Where rotary embeddings are described: fields of their own, or an object,
  /// or an object for each kind of layer.
  const json::Object *rope(StringRef layers = "full_attention") const {
    const json::Object *object = config.getObject("rope_parameters");
    if (const json::Object *own = object ? object->getObject(layers) : nullptr)
      return own;
    return object ? object : config.getObject("rope_scaling");
  }
  double ropeBase() const {
    if (auto base = config.getNumber("rope_theta"))
      return *base;
    const json::Object *object = rope();
    return (object ? object->getNumber("rope_theta") : std::nullopt)
        .value_or(10000.0);
  }
  llvm::Error takeError() const {
    return missing.empty()
               ? llvm::Error::success()
               : fail(quoted(where) + " has no number " + quoted(missing));
  }

private:
  const json::Object &config;
  StringRef where;
  std::string missing;
};

} // namespace

/// Llama 3.1's rule: low frequencies are divided by `factor`, high ones stay,
/// those between are blended.
static std::vector<float> llama3Factors(const json::Object &scaling,
                                        double base, int64_t size) {
  double factor = scaling.getNumber("factor").value_or(8);
  double low = scaling.getNumber("low_freq_factor").value_or(1);
  double high = scaling.getNumber("high_freq_factor").value_or(4);
  double positions =
      scaling.getNumber("original_max_position_embeddings").value_or(8192);
  std::vector<float> factors;
  for (int64_t i = 0; i < size; i += 2) {
    double wave =
        2 * std::numbers::pi *
        std::pow(base, static_cast<double>(i) / static_cast<double>(size));
    double blend = (positions / wave - low) / (high - low);
    if (wave < positions / high)
      factors.push_back(1);
    else if (wave > positions / low)
      factors.push_back(static_cast<float>(factor));
    else
      factors.push_back(static_cast<float>(1 / ((1 - blend) / factor + blend)));
  }
  return factors;
}

/// Rotary embeddings that are not plain.
static llvm::Error writeScaling(const ConfigReader &reader, int64_t size,
                                GgufModel &model, GgufWriter &writer) {
  const json::Object *scaling = reader.rope();
  if (!scaling)
    return llvm::Error::success();
  StringRef type =
      scaling->getString("rope_type")
          .value_or(scaling->getString("type").value_or("default"));
  if (type == "default")
    return llvm::Error::success();
  if (type == "llama3") {
    model.ropeFactors = llama3Factors(*scaling, reader.ropeBase(), size);
    return llvm::Error::success();
  }
  std::optional<double> factor = scaling->getNumber("factor");
  if (type != "linear" || !factor)
    return fail("rotary embeddings of type " + quoted(type) +
                " cannot be exported to GGUF; expected default, linear or "
                "llama3");
  writer.setMetadata(model.architecture + ".rope.scaling.type",
                     GgufValue("linear"));
  writer.setMetadata(model.architecture + ".rope.scaling.factor",
                     GgufValue(static_cast<float>(*factor)));
  return llvm::Error::success();
}

/// Says which layers slide a window, unless it is five of six, as llama.cpp
/// takes for granted.
static llvm::Error writeSlidingLayers(const ConfigReader &reader,
                                      const std::string &key,
                                      GgufWriter &writer) {
  constexpr int64_t usual = 6;
  const json::Array *types = reader.object().getArray("layer_types");
  if (!types) {
    int64_t pattern = reader.integer("sliding_window_pattern", usual);
    if (pattern < 1)
      return fail(quoted(reader.place()) +
                  ": expected a positive sliding_window_pattern");
    if (pattern != usual)
      writer.setMetadata(key, GgufValue(static_cast<uint32_t>(pattern)));
    return llvm::Error::success();
  }
  int64_t layers = reader.integer("num_hidden_layers", 0);
  if (static_cast<int64_t>(types->size()) != layers)
    return fail(quoted(reader.place()) + ": expected " + Twine(layers) +
                " layer_types, got " + Twine(types->size()));
  std::vector<uint32_t> sliding;
  bool isUsual = true;
  for (auto [layer, type] : llvm::enumerate(*types)) {
    sliding.push_back(type.getAsString() == "sliding_attention");
    isUsual &= (sliding.back() != 0) == ((layer + 1) % usual != 0);
  }
  if (!isUsual)
    writer.setMetadata(key, GgufValue(sliding));
  return llvm::Error::success();
}

/// What Gemma 3 has besides. llama.cpp scales scores by 1 / sqrt(head size),
/// but for the model of 62 layers.
static llvm::Error writeGemmaKeys(const ConfigReader &reader, int64_t size,
                                  GgufModel &model, GgufWriter &writer) {
  constexpr int64_t layersOf27b = 62;
  const json::Object &config = reader.object();
  auto refuse = [&](const Twine &what) {
    return fail(quoted(reader.place()) + ": a model of type gemma3_text " +
                what + " cannot be exported to GGUF");
  };
  int64_t scale = size;
  if (reader.integer("num_hidden_layers", 0) == layersOf27b)
    scale = reader.integer("hidden_size", 0) / model.heads;
  if (config.getNumber("query_pre_attn_scalar").value_or(256) !=
      static_cast<double>(scale))
    return refuse("whose query_pre_attn_scalar is not " + Twine(scale));
  constexpr StringRef activation = "gelu_pytorch_tanh";
  if (config.getString("hidden_activation").value_or(activation) != activation)
    return refuse("whose hidden_activation is not gelu_pytorch_tanh");
  if (config.getBoolean("use_bidirectional_attention").value_or(false) ||
      reader.has("attn_logit_softcapping"))
    return refuse("with bidirectional attention or capped scores");
  const std::string prefix = model.architecture + ".";
  if (auto cap = config.getNumber("final_logit_softcapping"))
    writer.setMetadata(prefix + "final_logit_softcapping",
                       GgufValue(static_cast<float>(*cap)));
  model.window = reader.integer("sliding_window", 0);
  if (model.window < 1)
    return refuse("without a sliding_window");
  writer.setMetadata(prefix + "attention.sliding_window",
                     GgufValue(static_cast<uint32_t>(model.window)));
  if (llvm::Error error = writeSlidingLayers(
          reader, prefix + "attention.sliding_window_pattern", writer))
    return error;
  const json::Object *local = reader.rope("sliding_attention");
  double base =
      (local ? local->getNumber("rope_theta") : std::nullopt).value_or(10000);
  writer.setMetadata(
      prefix + "rope.freq_base_swa",
      GgufValue(static_cast<float>(
          config.getNumber("rope_local_base_freq").value_or(base))));
  return llvm::Error::success();
}

llvm::Expected<GgufModel>
checkpoint::writeModelMetadata(const json::Object &config, StringRef where,
                               GgufWriter &writer) {
  StringRef type = config.getString("model_type").value_or("");
  const ModelType *found = llvm::find_if(
      modelTypes, [&](const ModelType &each) { return each.type == type; });
  if (found == std::end(modelTypes))
    return fail(quoted(where) + ": models of type " + quoted(type) +
                " cannot be exported to GGUF; expected llama, mistral, qwen2, "
                "qwen3 or gemma3_text");
  ConfigReader reader(config, where);
  GgufModel model;
  model.architecture = found->architecture.str();
  model.interleaved = found->interleaved;
  int64_t hidden = reader.integer("hidden_size");
  model.heads = reader.integer("num_attention_heads");
  model.keyHeads = reader.integer("num_key_value_heads", model.heads);
  if (model.heads < 1 || model.keyHeads < 1)
    return fail(quoted(where) + ": expected a positive number of heads");
  int64_t size = reader.integer("head_dim", hidden / model.heads);
  auto set = [&](StringRef key, int64_t value) {
    writer.setMetadata(model.architecture + "." + key.str(),
                       GgufValue(static_cast<uint32_t>(value)));
  };
  writer.setMetadata("general.architecture", GgufValue(model.architecture));
  writer.setMetadata("general.quantization_version", GgufValue(uint32_t(2)));
  set("block_count", reader.integer("num_hidden_layers"));
  int64_t context = reader.integer("max_position_embeddings");
  // llama.cpp has no window for Mistral: it is the same up to its size.
  if (type == "mistral" && reader.has("sliding_window"))
    context = std::min(context, reader.integer("sliding_window", context));
  set("context_length", context);
  set("embedding_length", hidden);
  set("feed_forward_length", reader.integer("intermediate_size"));
  set("attention.head_count", model.heads);
  set("attention.head_count_kv", model.keyHeads);
  set("attention.key_length", size);
  set("attention.value_length", size);
  set("rope.dimension_count", size);
  set("vocab_size", reader.integer("vocab_size"));
  writer.setMetadata(model.architecture + ".rope.freq_base",
                     GgufValue(static_cast<float>(reader.ropeBase())));
  writer.setMetadata(
      model.architecture + ".attention.layer_norm_rms_epsilon",
      GgufValue(static_cast<float>(reader.number("rms_norm_eps"))));
  if (llvm::Error error = writeScaling(reader, size, model, writer))
    return std::move(error);
  if (model.architecture == "gemma3")
    if (llvm::Error error = writeGemmaKeys(reader, size, model, writer))
      return std::move(error);
  if (llvm::Error error = reader.takeError())
    return std::move(error);
  return model;
}
