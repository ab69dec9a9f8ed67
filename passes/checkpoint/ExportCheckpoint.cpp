//===- ExportCheckpoint.cpp - write a Hugging Face checkpoint -------------===//

#include "dialects/common/ModuleWeights.h"
#include "dialects/lq/Storage.h"
#include "passes/checkpoint/JsonFile.h"
#include "passes/checkpoint/ModelFolder.h"
#include "passes/checkpoint/ModelWeights.h"
#include "passes/checkpoint/Packing.h"
#include "passes/checkpoint/Passes.h"
#include "passes/checkpoint/QuantizationConfig.h"
#include "passes/quantize/ColumnOrder.h"
#include "passes/quantize/WeightSource.h"
#include "runtime/Safetensors.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

namespace lq {
#define GEN_PASS_DEF_EXPORTCHECKPOINT
#include "passes/checkpoint/Passes.h.inc"
} // namespace lq

using namespace mlir;
using namespace lq;
using namespace lq::checkpoint;
namespace json = llvm::json;

namespace {

struct Library {
  StringRef name;
  PackingMethod method;
};

constexpr Library libraries[] = {
    {"gptq", PackingMethod::Gptq},
    {"awq", PackingMethod::Awq},
    {"compressed-tensors", PackingMethod::CompressedTensors},
    {"exl2", PackingMethod::Exl2}};

/// Writes one folder.
class CheckpointExporter {
public:
  CheckpointExporter(ModuleOp module, PackingMethod method, StringRef folder,
                     StringRef model)
      : module(module), method(method), folder(folder), model(model) {}
  LogicalResult run();

private:
  LogicalResult fail(const Twine &message) {
    return emitError(module.getLoc()) << message;
  }
  LogicalResult add(const NamedWeight &named);
  LogicalResult addDense(WeightOp weight, StringRef name);
  LogicalResult addPacked(const NamedWeight &named);
  LogicalResult checkSame(WeightOp weight, const FormatDescription &format);
  json::Object quantizationConfig() const;
  LogicalResult writeConfig();

  ModuleOp module;
  PackingMethod method;
  StringRef folder, model;
  std::unique_ptr<WeightFiles> files;
  SafetensorsWriter writer;
  /// What all packed matrices have in common.
  std::optional<FormatDescription> common;
  bool packsHead = false, hasHead = false, hasOrders = false;
  /// Bits and weights of packed matrices without the head, and of the head.
  double bits = 0, weights = 0, headBits = 0, headWeights = 0;
};

} // namespace

/// What Hugging Face's libraries call a weight: its name in the ONNX file where
/// that is one of the names of its role, else the first of these.
static std::string moduleName(StringRef own, ArrayRef<std::string> roles) {
  StringRef unwrapped = own;
  unwrapped.consume_front("model.");
  if (roles.empty())
    return own.str();
  for (StringRef each : {own, unwrapped})
    if (llvm::is_contained(roles, each))
      return each.str();
  return roles.front();
}

/// All packed matrices must agree: the configuration is one for all.
LogicalResult CheckpointExporter::checkSame(WeightOp weight,
                                            const FormatDescription &format) {
  if (!common)
    common = format;
  // There each matrix says its own.
  if (method == PackingMethod::Exl2)
    return success();
  if (common->bits == format.bits && common->group == format.group &&
      common->offset.exists() == format.offset.exists())
    return success();
  return emitError(weight.getLoc())
         << "weight @" << weight.getSymName()
         << " has another number of bits, group or kind of zero points than "
            "the weights before, which a checkpoint's configuration cannot say";
}

LogicalResult CheckpointExporter::addPacked(const NamedWeight &named) {
  WeightOp weight = named.weight;
  StringRef name = named.name;
  RankedTensorType type = weight.getTensorType();
  FormatAttrInterface format = lq::getFormat(type);
  FormatDescription description = format.getDescription();
  std::string reason =
      isTiled(type) ? "it is packed"
                    : checkPackable(method, description, type.getDimSize(0),
                                    type.getDimSize(1));
  if (!reason.empty())
    return emitError(weight.getLoc())
           << "weight @" << weight.getSymName() << " of format "
           << format.getFormatName() << " cannot be exported: " << reason;
  if (failed(checkSame(weight, description)))
    return failure();
  auto source = WeightSource::open(weight, *files);
  if (failed(source))
    return failure();
  Planes planes;
  planes.resize(description, type.getDimSize(0), type.getDimSize(1));
  source->readPlanes(format, 0, planes);
  FailureOr<std::vector<int32_t>> order = std::vector<int32_t>();
  if (named.order)
    order = readOrder(named.order, *files);
  if (failed(order))
    return failure();
  hasOrders |= !order->empty();
  auto tensors = packMatrix(method, description, planes, *order);
  if (!tensors)
    return emitError(weight.getLoc())
           << "weight @" << weight.getSymName() << ": "
           << llvm::toString(tensors.takeError());
  for (const PackedTensor &tensor : *tensors)
    (named.isHead ? headBits : bits) += 8.0 * tensor.bytes.size();
  (named.isHead ? headWeights : weights) += type.getNumElements();
  name.consume_back(".weight");
  for (PackedTensor &tensor : *tensors)
    writer.addTensor((name + "." + tensor.suffix).str(), tensor.type,
                     tensor.shape,
                     [bytes = std::move(tensor.bytes)](AtomicFile &file) {
                       return file.write(bytes);
                     });
  return success();
}

LogicalResult CheckpointExporter::addDense(WeightOp weight, StringRef name) {
  RankedTensorType type = weight.getTensorType();
  FormatAttrInterface format = type.getEncoding()
                                   ? lq::getFormat(type)
                                   : getDenseFormat(type.getElementType());
  if (!format || isTiled(type) || !WeightSource::isReadable(type))
    return emitError(weight.getLoc())
           << "weight @" << weight.getSymName() << " of " << type
           << " cannot be exported as numbers; quantize with embeddings=false "
              "and before packing";
  int64_t rows = type.getRank() == 2 ? type.getDimSize(0) : 1;
  int64_t columns = rows ? type.getNumElements() / rows : 0;
  writer.addTensor(
      name.str(),
      StringRef(scalarName(format.getDescription().element)).upper(),
      std::vector<uint64_t>(type.getShape().begin(), type.getShape().end()),
      [this, weight, format, rows, columns](AtomicFile &file) -> lq::Error {
        auto source = WeightSource::open(weight, *files);
        if (failed(source))
          return lq::Error(ErrorCode::Io, "a weight cannot be read");
        bool isMatrix = WeightOp(weight).getTensorType().getRank() == 2;
        std::vector<char> bytes(format.getRowBytes(columns));
        Planes planes;
        planes.resize(format.getDescription(), 1, columns);
        for (int64_t r = 0; r < rows; ++r) {
          source->readRows(isMatrix ? r : 0, planes.values);
          format.encode(planes, bytes);
          if (lq::Error error =
                  file.write(std::string_view(bytes.data(), bytes.size())))
            return error;
        }
        source->release();
        return lq::Error::success();
      });
  return success();
}

LogicalResult CheckpointExporter::add(const NamedWeight &named) {
  WeightOp weight = named.weight;
  FormatAttrInterface format = lq::getFormat(weight.getTensorType());
  bool isPacked = format && format.getDescription().hasCodes();
  hasHead |= named.isHead;
  packsHead |= named.isHead && isPacked;
  return isPacked ? addPacked(named) : addDense(weight, named.name);
}

/// Bits a weight, to two places.
static double roundBits(double bits, double weights) {
  return weights > 0 ? std::round(100 * bits / weights) / 100 : 0;
}

json::Object CheckpointExporter::quantizationConfig() const {
  int64_t group = common->group ? common->group : -1;
  int64_t codeBits = common->bits;
  bool zeroPoints = common->offset.exists();
  if (method == PackingMethod::Gptq)
    return json::Object{{"quant_method", "gptq"},
                        {"bits", codeBits},
                        {"group_size", group},
                        {"sym", !zeroPoints},
                        {"desc_act", hasOrders},
                        {"lm_head", packsHead},
                        {"checkpoint_format", zeroPoints ? "gptq_v2" : "gptq"},
                        {"pack_dtype", "int32"}};
  if (method == PackingMethod::Awq) {
    // Transformers wants a library of the newest version for a list, empty or not.
    json::Value skipped = nullptr;
    if (hasHead && !packsHead)
      skipped = json::Array{"lm_head"};
    return json::Object{{"quant_method", "awq"},
                        {"bits", codeBits},
                        {"group_size", group},
                        {"zero_point", true},
                        {"version", "gemm"},
                        {"modules_to_not_convert", std::move(skipped)}};
  }
  // The version is that of the library whose layout this is.
  if (method == PackingMethod::Exl2)
    return json::Object{
        {"quant_method", "exl2"},
        {"version", "0.2.4"},
        {"bits", roundBits(bits, weights)},
        {"head_bits", packsHead ? roundBits(headBits, headWeights) : 16.0}};
  json::Object weights{
      {"num_bits", codeBits},
      {"type", "int"},
      {"symmetric", !zeroPoints},
      {"strategy", group > 0 ? "group" : "channel"},
      {"group_size", group > 0 ? json::Value(group) : json::Value(nullptr)},
      {"actorder", hasOrders ? json::Value("group") : json::Value(nullptr)}};
  json::Array ignored;
  if (!packsHead)
    ignored.push_back("lm_head");
  return json::Object{
      {"quant_method", "compressed-tensors"},
      {"format", "pack-quantized"},
      {"quantization_status", "compressed"},
      {"ignore", std::move(ignored)},
      {"config_groups",
       json::Object{
           {"group_0", json::Object{{"targets", json::Array{"Linear"}},
                                    {"weights", std::move(weights)}}}}}};
}

LogicalResult CheckpointExporter::writeConfig() {
  std::string where = (model + "/config.json").str();
  auto config = readJsonObject(where);
  if (!config)
    return fail(llvm::toString(config.takeError()));
  StringRef type = config->getString("model_type").value_or("");
  if (storesNormsLessOne(type))
    return fail(quoted(where) + ": models of type " + quoted(type) +
                " cannot be exported, as their norms are stored less one; "
                "export to GGUF instead");
  if (common)
    (*config)["quantization_config"] = quantizationConfig();
  std::string text;
  llvm::raw_string_ostream(text)
      << llvm::formatv("{0:2}\n", json::Value(std::move(*config)));
  if (lq::Error error =
          writeFileAtomically((folder + "/config.json").str(), text))
    return fail(error.message());
  return success();
}

LogicalResult CheckpointExporter::run() {
  auto opened = openWeightFiles(module);
  if (!opened)
    return fail(llvm::toString(opened.takeError()));
  files = std::move(*opened);
  for (const NamedWeight &named : nameWeights(module, moduleName))
    if (failed(add(named)))
      return failure();
  if (std::error_code error = llvm::sys::fs::create_directories(folder))
    return fail("cannot make " + quoted(folder) + ": " + error.message());
  writer.setMetadata("format", "pt");
  if (failed(writeConfig()))
    return failure();
  if (llvm::Error error = copyTokenizer(model, folder))
    return fail(llvm::toString(std::move(error)));
  if (lq::Error error = writer.finish((folder + "/model.safetensors").str()))
    return fail(error.message());
  return success();
}

namespace {
struct ExportCheckpointPass
    : lq::impl::ExportCheckpointBase<ExportCheckpointPass> {
  using ExportCheckpointBase::ExportCheckpointBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    const Library *found = llvm::find_if(libraries, [&](const Library &each) {
      return each.name == StringRef(library);
    });
    LogicalResult result = failure();
    if (to.empty() || model.empty())
      emitError(module.getLoc())
          << "options to and model: the folder to write and the model's "
             "folder are required";
    else if (found == std::end(libraries))
      emitError(module.getLoc())
          << "option library: expected gptq, awq, compressed-tensors or exl2, "
             "got "
          << quoted(library);
    else
      result = CheckpointExporter(module, found->method, to, model).run();
    if (failed(result))
      signalPassFailure();
    markAllAnalysesPreserved();
  }
};
} // namespace
