//===- ExportGguf.cpp - write the model as a GGUF file --------------------===//

#include "dialects/common/ModuleWeights.h"
#include "dialects/lq/Storage.h"
#include "passes/checkpoint/GgufMetadata.h"
#include "passes/checkpoint/GgufNames.h"
#include "passes/checkpoint/JsonFile.h"
#include "passes/checkpoint/ModelWeights.h"
#include "passes/checkpoint/Passes.h"
#include "passes/quantize/WeightSource.h"

namespace lq {
#define GEN_PASS_DEF_EXPORTGGUF
#include "passes/checkpoint/Passes.h.inc"
} // namespace lq

using namespace mlir;
using namespace lq;
using namespace lq::checkpoint;

namespace {

/// A weight and its name in the file.
struct Tensor {
  WeightOp weight;
  std::string name;
  FormatAttrInterface format;
  uint32_t type = 0;
  /// Heads whose rows are put into interleaved order; 0: none.
  int64_t heads = 0;
};

/// Writes one file.
class GgufExporter {
public:
  GgufExporter(ModuleOp module, StringRef path, StringRef folder)
      : module(module), path(path), folder(folder) {}
  LogicalResult run();

private:
  LogicalResult fail(const Twine &message) {
    return emitError(module.getLoc()) << message;
  }
  LogicalResult writeMetadata();
  LogicalResult checkWindows();
  LogicalResult collect();
  LogicalResult addTensor(const Tensor &tensor);
  lq::Error produce(const Tensor &tensor, GgufSink &sink) const;

  ModuleOp module;
  StringRef path, folder;
  std::unique_ptr<WeightFiles> files;
  GgufWriter writer;
  GgufModel model;
  std::vector<Tensor> tensors;
};

} // namespace

LogicalResult GgufExporter::writeMetadata() {
  std::string where = (folder + "/config.json").str();
  auto config = readJsonObject(where);
  if (!config)
    return fail(llvm::toString(config.takeError()));
  auto read = writeModelMetadata(*config, where, writer);
  if (!read)
    return fail(llvm::toString(read.takeError()));
  model = std::move(*read);
  if (llvm::Error error = writeTokenizerKeys(
          folder, config->getInteger("vocab_size").value_or(0), writer))
    return fail(llvm::toString(std::move(error)));
  return success();
}

/// Every window of the model must be the one that the file tells of.
LogicalResult GgufExporter::checkWindows() {
  WalkResult result = module.walk([&](AttentionOp op) {
    int64_t window = op.getWindow().value_or(0);
    if (window == 0 || window == model.window)
      return WalkResult::advance();
    op.emitError() << "attention over a window of " << window
                   << " positions cannot be exported to GGUF as architecture "
                   << model.architecture
                   << (model.window ? ", whose window in config.json is " : "")
                   << (model.window ? std::to_string(model.window) : "");
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

LogicalResult GgufExporter::collect() {
  auto named =
      nameWeights(module, [&](StringRef own, ArrayRef<std::string> roles) {
        return findGgufName(own, roles, model.architecture);
      });
  for (auto &[weight, name, isHead, order] : named) {
    if (order)
      return emitError(weight.getLoc())
             << "weight @" << weight.getSymName()
             << " has its columns in an order of their own, @"
             << order.getSymName() << ", which GGUF files cannot say";
    if (name.empty())
      return emitError(weight.getLoc()) << "weight @" << weight.getSymName()
                                        << " has no name in GGUF files";
    Tensor tensor{weight, name, lq::getFormat(weight.getTensorType())};
    if (model.interleaved && StringRef(name).contains(".attn_q."))
      tensor.heads = model.heads;
    if (model.interleaved && StringRef(name).contains(".attn_k."))
      tensor.heads = model.keyHeads;
    tensors.push_back(std::move(tensor));
  }
  for (Tensor &tensor : tensors)
    if (failed(addTensor(tensor)))
      return failure();
  if (model.ropeFactors.empty())
    return success();
  const std::vector<float> &factors = model.ropeFactors;
  writer.addTensor("rope_freqs.weight", *ggufTypeNumber("f32"),
                   {factors.size()}, factors.size() * sizeof(float),
                   [&factors](GgufSink &sink) {
                     return sink.write(std::string_view(
                         reinterpret_cast<const char *>(factors.data()),
                         factors.size() * sizeof(float)));
                   });
  return success();
}

LogicalResult GgufExporter::addTensor(const Tensor &tensor) {
  WeightOp weight = tensor.weight;
  RankedTensorType type = weight.getTensorType();
  // llama.cpp wants vectors in f32.
  bool isVector = type.getRank() == 1;
  FormatAttrInterface format =
      tensor.format ? tensor.format : getDenseFormat(type.getElementType());
  if (isVector)
    format = getDenseFormat(Float32Type::get(type.getContext()));
  std::optional<uint32_t> number =
      format ? ggufTypeNumber(std::string_view(format.getFormatName()))
             : std::nullopt;
  if (!number || isTiled(type))
    return emitError(weight.getLoc())
           << "weight @" << weight.getSymName() << " of " << type
           << " has a format that GGUF files do not have; quantize the model "
              "to one of GGUF's formats";
  std::vector<uint64_t> dims(type.getShape().rbegin(), type.getShape().rend());
  int64_t rows = isVector ? 1 : type.getDimSize(0);
  int64_t columns = type.getShape().back();
  if (tensor.heads && type.getDimSize(0) % (2 * tensor.heads) != 0)
    return emitError(weight.getLoc())
           << "weight @" << weight.getSymName() << " has " << type.getDimSize(0)
           << " rows, no " << tensor.heads << " heads of an even size";
  Tensor added = tensor;
  added.format = format;
  writer.addTensor(
      added.name, *number, dims, rows * format.getRowBytes(columns),
      [this, added](GgufSink &sink) { return produce(added, sink); });
  return success();
}

/// Writes a weight's rows in the order that GGUF has.
lq::Error GgufExporter::produce(const Tensor &tensor, GgufSink &sink) const {
  WeightOp weight = tensor.weight;
  RankedTensorType type = weight.getTensorType();
  auto source = WeightSource::open(weight, *files);
  if (failed(source))
    return lq::Error(ErrorCode::Io, "a weight cannot be read");
  bool isVector = type.getRank() == 1;
  int64_t rows = type.getDimSize(0);
  int64_t columns = isVector ? 1 : type.getDimSize(1);
  int64_t rowBytes = tensor.format.getRowBytes(columns);
  int64_t size = tensor.heads ? rows / tensor.heads : 0;
  std::vector<char> bytes(rowBytes);
  for (int64_t r = 0; r < rows; ++r) {
    // Row 2 i + j of a head is row j D / 2 + i of the model's.
    int64_t from = r;
    if (size)
      from = r / size * size + r % size / 2 + r % 2 * (size / 2);
    if (type.getEncoding()) {
      auto row = source->bytes().slice(from * rowBytes, rowBytes);
      std::copy(row.begin(), row.end(), bytes.begin());
    } else {
      Planes planes;
      planes.resize(tensor.format.getDescription(), 1, columns);
      source->readRows(from, planes.values);
      tensor.format.encode(planes, bytes);
    }
    if (lq::Error error =
            sink.write(std::string_view(bytes.data(), bytes.size())))
      return error;
  }
  source->release();
  return lq::Error::success();
}

LogicalResult GgufExporter::run() {
  if (path.empty() || folder.empty())
    return fail(path.empty() ? "option to: the file to write is required"
                             : "option model: the folder with config.json and "
                               "tokenizer.json is required");
  auto opened = openWeightFiles(module);
  if (!opened)
    return fail(llvm::toString(opened.takeError()));
  files = std::move(*opened);
  if (failed(writeMetadata()) || failed(checkWindows()) || failed(collect()))
    return failure();
  if (lq::Error error = writer.finish(path.str()))
    return fail(error.message());
  return success();
}

namespace {
struct ExportGgufPass : lq::impl::ExportGgufBase<ExportGgufPass> {
  using ExportGgufBase::ExportGgufBase;

  void runOnOperation() override {
    if (failed(GgufExporter(getOperation(), to, model).run()))
      signalPassFailure();
    markAllAnalysesPreserved();
  }
};
} // namespace
