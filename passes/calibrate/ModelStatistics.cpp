//===- ModelStatistics.cpp - statistics of a module's weights -------------===//

#include "passes/calibrate/ModelStatistics.h"

#include "passes/checkpoint/GgufNames.h"
#include "passes/checkpoint/ModelWeights.h"
#include "passes/quantize/WeightSource.h"
#include "runtime/Sha256.h"

using namespace mlir;
using namespace lq;

/// Rows whose elements tell a weight from another.
static constexpr int64_t sampledRows = 4;

/// A row of a matrix as numbers; all of a weight that is no matrix.
static std::vector<float> readRow(const WeightSource &source,
                                  RankedTensorType type, int64_t row) {
  int64_t columns = type.getShape().back();
  std::vector<float> values(columns);
  FormatAttrInterface format = lq::getFormat(type);
  if (!type.getEncoding() || !format) {
    source.readRows(row, values);
    return values;
  }
  Planes planes;
  planes.resize(format.getDescription(), 1, columns);
  source.readPlanes(format, row, planes);
  dequantize(format.getDescription(), planes, values);
  return values;
}

FailureOr<StatisticsWeight> lq::describeWeight(WeightOp weight,
                                               WeightFiles &files) {
  RankedTensorType type = weight.getTensorType();
  if (type.getRank() != 2 ||
      (!type.getEncoding() && !WeightSource::isReadable(type)))
    return emitError(weight.getLoc())
           << "weight @" << weight.getSymName() << " of " << type
           << " is no matrix of numbers";
  FailureOr<WeightSource> source = WeightSource::open(weight, files);
  if (failed(source))
    return failure();
  int64_t rows = type.getDimSize(0);
  Sha256 digest;
  for (int64_t i = 0; i < std::min(rows, sampledRows); ++i) {
    std::vector<float> values = readRow(
        *source, type, rows > 1 ? i * (rows - 1) / (sampledRows - 1) : 0);
    digest.update(std::string_view(reinterpret_cast<char *>(values.data()),
                                   values.size() * sizeof(float)));
  }
  source->release();
  return StatisticsWeight{weight.getSymName().str(), type.getShape().vec(),
                          digest.hex()};
}

std::vector<std::pair<WeightOp, std::string>> lq::ggufNamesOf(ModuleOp module) {
  // The names of matrices are the same in all architectures.
  auto nameOf = [](StringRef own, ArrayRef<std::string> roles) {
    return checkpoint::findGgufName(own, roles, "llama");
  };
  std::vector<std::pair<WeightOp, std::string>> names;
  for (checkpoint::NamedWeight &named : checkpoint::nameWeights(module, nameOf))
    // Nobody else knows of an order that columns have here.
    if (!named.name.empty() && !named.order &&
        named.weight.getTensorType().getRank() == 2)
      names.emplace_back(named.weight, std::move(named.name));
  return names;
}

FailureOr<StatisticsFile> lq::openStatistics(ModuleOp module, StringRef path) {
  auto file = StatisticsFile::open(path);
  if (!file)
    return emitError(module.getLoc()) << llvm::toString(file.takeError());
  if (!file->isImatrix())
    return std::move(*file);
  auto names = ggufNamesOf(module);
  bool knows = false;
  file->rename([&](StringRef gguf) {
    std::vector<std::string> own;
    for (auto &[weight, name] : names)
      if (name == gguf)
        own.push_back(weight.getSymName().str());
    knows |= !own.empty();
    return own;
  });
  if (!knows)
    return emitError(module.getLoc())
           << file->path() << ": the imatrix file has no matrix of this model";
  return std::move(*file);
}

FailureOr<std::optional<InputStatistics>>
lq::findStatistics(const StatisticsFile &statistics, WeightOp weight,
                   WeightFiles &files) {
  auto fail = [&](llvm::Error error) {
    return emitError(weight.getLoc()) << llvm::toString(std::move(error));
  };
  std::optional<InputStatistics> found = statistics.find(weight.getSymName());
  if (!statistics.isImatrix()) {
    FailureOr<StatisticsWeight> description = describeWeight(weight, files);
    if (failed(description))
      return failure();
    if (llvm::Error error = statistics.checkWeight(*description))
      return fail(std::move(error));
  }
  if (!found)
    return found;
  int64_t columns = weight.getTensorType().getDimSize(1);
  if (found->columns != columns)
    return emitError(weight.getLoc())
           << statistics.path() << ": the statistics are of another model: "
           << "weight @" << weight.getSymName() << " has " << columns
           << " columns, its input " << found->columns;
  if (llvm::Error error = statistics.checkFinite(*found))
    return fail(std::move(error));
  return found;
}
