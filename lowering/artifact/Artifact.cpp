//===- Artifact.cpp - write an artifact -----------------------------------===//

#include "lowering/artifact/Artifact.h"

#include "dialects/lq/LqOps.h"
#include "dialects/lq/Storage.h"
#include "runtime/Abi.h"
#include "runtime/Gguf.h"
#include "runtime/Sha256.h"
#include "runtime/tokenizer/TokenizerModel.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Parallel.h"

using namespace mlir;
namespace json = llvm::json;

namespace {

/// Alignment of tensors in the container: a page, so that each can be mapped.
constexpr uint32_t containerAlignment = 4096;

/// A piece of the container.
struct Section {
  std::string name;
  llvm::ArrayRef<char> bytes;
  std::string sha256;
};

std::span<const uint8_t> asBytes(llvm::ArrayRef<char> bytes) {
  return {reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()};
}

/// The manifest's name of an element type.
std::string elementName(Type type) {
  if (type.isInteger(1))
    return "bool";
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

json::Array dimsToJson(ArrayAttr dims) {
  json::Array array;
  for (Attribute dim : dims) {
    if (auto number = dyn_cast<IntegerAttr>(dim))
      array.push_back(number.getInt());
    else
      array.push_back(cast<StringAttr>(dim).getValue());
  }
  return array;
}

json::Array describeTensors(ArrayAttr tensors) {
  json::Array array;
  for (auto tensor : tensors.getAsRange<DictionaryAttr>())
    array.push_back(json::Object{
        {"name", tensor.getAs<StringAttr>("name").getValue()},
        {"type", elementName(tensor.getAs<TypeAttr>("type").getValue())},
        {"shape", dimsToJson(tensor.getAs<ArrayAttr>("dims"))}});
  return array;
}

json::Object describeCode(const lq::TargetCode &code) {
  json::Array entries;
  for (const lq::EntryCode &entry : code.entries)
    entries.push_back(
        json::Object{{"name", entry.name},
                     {"rows", json::Array{entry.leastRows, entry.mostRows}},
                     {"arena_bytes", entry.arenaBytes},
                     {"scratch_bytes", entry.scratchBytes}});
  return json::Object{{"target", code.target},
                      {"features", json::Array(code.features)},
                      {"tensor", "code/" + code.target},
                      {"entries", std::move(entries)}};
}

std::string encodingText(RankedTensorType type) {
  // Tiles are a matter of the target; users think of the format.
  Attribute encoding = type.getEncoding();
  if (lq::FormatAttrInterface format = lq::getFormat(type))
    encoding = format;
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (encoding)
    stream << encoding;
  else
    stream << type.getElementType();
  return text;
}

class ArtifactBuilder {
public:
  ArtifactBuilder(ModuleOp packed, lq::WeightFiles &files,
                  llvm::ArrayRef<lq::TargetCode> code,
                  const lq::ArtifactInfo &options)
      : packed(packed), files(files), code(code), options(options),
        model(packed->getAttrOfType<DictionaryAttr>("lq.model")),
        writer(containerAlignment) {}

  llvm::Error write(llvm::StringRef path) {
    if (llvm::Error error = collectSections())
      return error;
    llvm::parallelFor(0, sections.size(), [&](size_t i) {
      sections[i].sha256 = lq::sha256Hex(asBytes(sections[i].bytes));
    });
    writer.setMetadata("general.architecture", lq::GgufValue("lq"));
    writer.setMetadata("general.name", lq::GgufValue(options.name));
    if (options.tokenizer)
      lq::writeTokenizerMetadata(*options.tokenizer, writer);
    std::string manifest = describe();
    writer.setMetadata("lq.manifest", lq::GgufValue(manifest));
    writer.setMetadata("lq.manifest.sha256",
                       lq::GgufValue(lq::sha256Hex(manifest)));
    for (const Section &section : sections)
      writer.addBytes(section.name, asBytes(section.bytes));
    if (lq::Error error = writer.finish(path.str()))
      return llvm::createStringError(error.message());
    return llvm::Error::success();
  }

private:
  llvm::Error collectSections() {
    for (auto weight : packed.getOps<lq::WeightOp>()) {
      auto bytes = files.read(weight.getFile(), weight.getOffset(),
                              weight.getStorageBytes());
      if (!bytes)
        return bytes.takeError();
      sections.push_back({("weight/" + weight.getSymName()).str(), *bytes, {}});
    }
    for (const lq::TargetCode &object : code)
      sections.push_back({"code/" + object.target, object.bytes, {}});
    return llvm::Error::success();
  }

  json::Array describeWeights() {
    json::Array weights;
    for (auto weight : packed.getOps<lq::WeightOp>()) {
      RankedTensorType type = weight.getTensorType();
      weights.push_back(
          json::Object{{"name", weight.getSymName()},
                       {"tensor", ("weight/" + weight.getSymName()).str()},
                       {"shape", json::Array(type.getShape())},
                       {"encoding", encodingText(type)},
                       {"storage_bytes", weight.getStorageBytes()}});
    }
    return weights;
  }

  json::Array describeStates() {
    json::Array states;
    for (auto cache : packed.getOps<lq::CacheOp>()) {
      int64_t width = cache.getElementType().getIntOrFloatBitWidth() / 8;
      states.push_back(json::Object{
          {"name", cache.getSymName()},
          {"bytes_per_position",
           static_cast<int64_t>(cache.getHeads() * cache.getHeadSize()) *
               width},
          {"position_multiple", code.front().positionMultiple}});
    }
    return states;
  }

  std::string describe() {
    json::Array extents;
    for (auto dimension : packed.getOps<lq::DimensionOp>())
      extents.push_back(
          json::Object{{"name", dimension.getSymName()},
                       {"max", static_cast<int64_t>(dimension.getMax())}});
    json::Array objects;
    for (const lq::TargetCode &object : code)
      objects.push_back(describeCode(object));
    json::Object hashes;
    for (const Section &section : sections)
      hashes[section.name] = section.sha256;
    if (options.tokenizer)
      hashes["tokenizer"] = lq::hashTokenizerMetadata(writer.metadata());
    json::Object manifest{{"version", 1},
                          {"abi", LQ_ABI_VERSION},
                          {"kind", model.getAs<StringAttr>("kind").getValue()},
                          {"name", options.name},
                          {"producer", options.producer},
                          {"extents", std::move(extents)},
                          {"inputs", describeTensors(code.front().inputs)},
                          {"outputs", describeTensors(code.front().outputs)},
                          {"states", describeStates()},
                          {"weights", describeWeights()},
                          {"code", std::move(objects)},
                          {"sha256", std::move(hashes)}};
    for (llvm::StringRef key : {"context", "vocabulary"})
      if (auto number = model.getAs<IntegerAttr>(key))
        manifest[key] = number.getInt();
    std::string text;
    llvm::raw_string_ostream(text) << json::Value(std::move(manifest));
    return text;
  }

  ModuleOp packed;
  lq::WeightFiles &files;
  llvm::ArrayRef<lq::TargetCode> code;
  const lq::ArtifactInfo &options;
  DictionaryAttr model;
  lq::GgufWriter writer;
  std::vector<Section> sections;
};

} // namespace

llvm::Error lq::writeArtifact(ModuleOp packed, WeightFiles &files,
                              llvm::ArrayRef<TargetCode> code,
                              const ArtifactInfo &options,
                              llvm::StringRef path) {
  if (code.empty())
    return llvm::createStringError(
        "an artifact needs code for at least one target");
  auto model = packed->getAttrOfType<DictionaryAttr>("lq.model");
  if (!model || !model.getAs<StringAttr>("kind"))
    return llvm::createStringError(
        "expected the module to say what it is (lq.model), as lq-raise does");
  return ArtifactBuilder(packed, files, code, options).write(path);
}
