//===- QuantizationConfig.cpp - how a checkpoint was quantized ------------===//

#include "passes/checkpoint/QuantizationConfig.h"

#include "dialects/common/WeightFile.h"
#include "passes/checkpoint/JsonFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace lq;
using namespace lq::checkpoint;

namespace {

/// One JSON object and the file it is from.
class Reader {
public:
  Reader(StringRef file, QuantizationConfig &config)
      : file(file), config(config) {}
  Error readModel(const json::Object &model);
  Error readQuantization(const json::Object &fields);

private:
  Error fail(const Twine &reason) const {
    return createStringError(inconvertibleErrorCode(),
                             quoted(file) + ": " + reason);
  }
  Error readGptq(const json::Object &fields);
  Error readAwq(const json::Object &fields);
  Error readCompressedTensors(const json::Object &fields);
  Error readGroup(const json::Object &fields);
  Error readBits(const json::Object &fields, StringRef name);
  Error readConfigGroups(const json::Object &groups);

  StringRef file;
  QuantizationConfig &config;
};

Expected<std::optional<json::Object>> readJson(StringRef folder,
                                               StringRef name) {
  SmallString<256> path(folder);
  sys::path::append(path, name);
  if (!sys::fs::exists(path))
    return std::nullopt;
  Expected<json::Object> object = readJsonObject(path);
  if (!object)
    return object.takeError();
  return std::move(*object);
}

} // namespace

Error Reader::readBits(const json::Object &fields, StringRef name) {
  const json::Value *value = fields.get(name);
  if (!value)
    return Error::success();
  config.bits = value->getAsInteger().value_or(0);
  if (config.bits < 2 || config.bits > 8)
    return fail("expected " + name + " to be an integer from 2 to 8");
  return Error::success();
}

/// "group_size": a positive number, or -1 for whole rows.
Error Reader::readGroup(const json::Object &fields) {
  std::optional<int64_t> group = fields.getInteger("group_size");
  if (!group)
    group = fields.getInteger("q_group_size");
  if (!group || *group == 0 || *group < -1)
    return fail("expected group_size to be positive, or -1 for whole rows");
  config.group = *group == -1 ? 0 : *group;
  return Error::success();
}

Error Reader::readGptq(const json::Object &fields) {
  config.method = PackingMethod::Gptq;
  StringRef format = fields.getString("checkpoint_format").value_or("gptq");
  if (format != "gptq" && format != "gptq_v2")
    return fail("the checkpoint_format " + quoted(format) +
                " is not supported; save the model as gptq or gptq_v2");
  config.zeroPointsLessOne = format == "gptq";
  // Bits and groups of modules whose names match.
  const json::Object *rules = fields.getObject("dynamic");
  config.isUniform = !rules || rules->empty();
  if (Error error = readBits(fields, "bits"))
    return error;
  return readGroup(fields);
}

Error Reader::readAwq(const json::Object &fields) {
  config.method = PackingMethod::Awq;
  StringRef version = fields.getString("version").value_or("gemm");
  if (!version.equals_insensitive("gemm"))
    return fail("the AWQ version " + quoted(version) +
                " is not supported; save the model as gemm");
  if (Error error = readBits(fields, fields.get("bits") ? "bits" : "w_bit"))
    return error;
  if (config.bits != 0 && config.bits != 4)
    return fail("AWQ of " + Twine(config.bits) +
                " bits is not supported; quantize with 4");
  return readGroup(fields);
}

Error Reader::readCompressedTensors(const json::Object &fields) {
  StringRef format = fields.getString("format").value_or("");
  if (format != "pack-quantized")
    return fail("the compressed-tensors format " + quoted(format) +
                " is not supported; expected pack-quantized");
  config.method = PackingMethod::CompressedTensors;
  const json::Object *groups = fields.getObject("config_groups");
  config.isUniform = groups && groups->size() == 1;
  return config.isUniform ? readConfigGroups(*groups) : Error::success();
}

/// The one way in which all weights are quantized: {"group_0": {"weights": {}}}.
Error Reader::readConfigGroups(const json::Object &groups) {
  const json::Object *group = groups.begin()->second.getAsObject();
  const json::Object *weights = group ? group->getObject("weights") : nullptr;
  if (!weights)
    return fail("expected config_groups to say how weights are quantized");
  if (Error error = readBits(*weights, "num_bits"))
    return error;
  // Whole rows have no group_size, or one of null.
  return weights->getInteger("group_size") ? readGroup(*weights)
                                           : Error::success();
}

Error Reader::readQuantization(const json::Object &fields) {
  // AutoGPTQ's own file has no method.
  StringRef method = fields.getString("quant_method").value_or("gptq");
  if (method == "gptq")
    return readGptq(fields);
  if (method == "awq")
    return readAwq(fields);
  if (method == "compressed-tensors")
    return readCompressedTensors(fields);
  if (method == "exl2") {
    config.method = PackingMethod::Exl2;
    return Error::success();
  }
  return fail("the quantization method " + quoted(method) +
              " is not supported; expected gptq, awq, compressed-tensors or "
              "exl2");
}

Error Reader::readModel(const json::Object &model) {
  config.modelType = model.getString("model_type").value_or("").str();
  config.tiedEmbeddings =
      model.getBoolean("tie_word_embeddings").value_or(false);
  if (const json::Object *fields = model.getObject("quantization_config"))
    return readQuantization(*fields);
  return Error::success();
}

bool checkpoint::storesNormsLessOne(StringRef modelType) {
  return is_contained({"gemma", "gemma2", "gemma3", "gemma3_text"}, modelType);
}

Expected<QuantizationConfig> checkpoint::readConfig(StringRef folder) {
  QuantizationConfig config;
  auto model = readJson(folder, "config.json");
  if (!model)
    return model.takeError();
  if (*model)
    if (Error error = Reader("config.json", config).readModel(**model))
      return std::move(error);
  if (config.method != PackingMethod::None)
    return config;
  auto own = readJson(folder, "quantize_config.json");
  if (!own)
    return own.takeError();
  if (*own)
    if (Error error =
            Reader("quantize_config.json", config).readQuantization(**own))
      return std::move(error);
  return config;
}
