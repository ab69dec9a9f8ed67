//===- QuantizationConfig.cpp - how a checkpoint was quantized ------------===//

#include "passes/checkpoint/QuantizationConfig.h"

#include "dialects/common/WeightFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
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

  StringRef file;
  QuantizationConfig &config;
};

Expected<std::optional<json::Object>> readJson(StringRef folder,
                                               StringRef name) {
  SmallString<256> path(folder);
  sys::path::append(path, name);
  if (!sys::fs::exists(path))
    return std::nullopt;
  auto buffer = MemoryBuffer::getFile(path);
  if (!buffer)
    return createStringError(buffer.getError(),
                             "cannot read " + quoted(path) + ": " +
                                 buffer.getError().message());
  Expected<json::Value> value = json::parse((*buffer)->getBuffer());
  if (!value)
    return createStringError(
        inconvertibleErrorCode(),
        quoted(path) + " is not JSON: " + toString(value.takeError()));
  if (json::Object *object = value->getAsObject())
    return std::move(*object);
  return createStringError(inconvertibleErrorCode(),
                           quoted(path) + ": expected an object");
}

} // namespace

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
  return readGroup(fields);
}

Error Reader::readAwq(const json::Object &fields) {
  config.method = PackingMethod::Awq;
  StringRef version = fields.getString("version").value_or("gemm");
  if (!version.equals_insensitive("gemm"))
    return fail("the AWQ version " + quoted(version) +
                " is not supported; save the model as gemm");
  return readGroup(fields);
}

Error Reader::readCompressedTensors(const json::Object &fields) {
  StringRef format = fields.getString("format").value_or("");
  if (format != "pack-quantized")
    return fail("the compressed-tensors format " + quoted(format) +
                " is not supported; expected pack-quantized");
  config.method = PackingMethod::CompressedTensors;
  return Error::success();
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
