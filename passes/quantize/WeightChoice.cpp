//===- WeightChoice.cpp - which weights are encoded as what ---------------===//

#include "passes/quantize/WeightChoice.h"
#include "dialects/common/ModuleWeights.h"
#include "passes/quantize/FormatChoice.h"
#include "passes/quantize/Recode.h"
#include "passes/quantize/WeightPlaces.h"
#include "passes/quantize/WeightSource.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Regex.h"

using namespace mlir;
using namespace lq;

/// The format or the first of its fallbacks that can have so many columns; null
/// if there is none.
static FormatAttrInterface fitFormat(FormatAttrInterface format,
                                     int64_t columns) {
  while (format && !format.checkColumns(columns).empty())
    format = format.getFallback();
  return format;
}

/// Whether the weight, encoded as `from`, has the same codes in `to` exactly.
static FailureOr<bool> isRecodable(WeightOp weight, FormatAttrInterface from,
                                   FormatAttrInterface to, WeightFiles &files) {
  FormatDescription given = from.getDescription(), wanted = to.getDescription();
  int64_t rows = weight.getTensorType().getDimSize(0);
  int64_t columns = weight.getTensorType().getDimSize(1);
  if (!mayRecode(given, wanted, columns))
    return false;
  FailureOr<WeightSource> source = WeightSource::open(weight, files);
  if (failed(source))
    return failure();
  for (int64_t row = 0; row < rows; ++row) {
    Planes planes;
    planes.resize(given, 1, columns);
    source->readPlanes(from, row, planes);
    if (!recode(given, wanted, planes))
      return false;
  }
  return true;
}

namespace {

/// Weights that get another format than the one wanted; those that do for the
/// same reason share a remark.
class Fallbacks {
public:
  void add(WeightOp weight, FormatAttrInterface wanted,
           FormatAttrInterface given) {
    int64_t columns = weight.getTensorType().getDimSize(1);
    weights[{wanted, given, columns}].push_back(weight);
  }

  /// Emits the remarks, at the first weight of each; returns how many weights
  /// there are.
  int64_t remark() const {
    int64_t count = 0;
    for (const auto &[key, same] : weights) {
      auto [wanted, given, columns] = key;
      count += static_cast<int64_t>(same.size());
      WeightOp first = same.front();
      auto remark = emitRemark(first.getLoc())
                    << "weight @" << first.getSymName();
      if (same.size() > 1)
        remark << " and " << same.size() - 1 << " more";
      bool one = same.size() == 1;
      remark << " with " << columns << " columns ";
      if (given)
        remark << (one ? "is" : "are") << " encoded as "
               << given.getFormatName();
      else
        remark << (one ? "stays" : "stay") << " dense";
      remark << ", not " << wanted.getFormatName() << ": "
             << wanted.checkColumns(columns);
    }
    return count;
  }

private:
  using Key = std::tuple<FormatAttrInterface, FormatAttrInterface, int64_t>;
  llvm::MapVector<Key, llvm::SmallVector<WeightOp>> weights;
};

/// Weights that keep the encoding that they have.
class KeptWeights {
public:
  void add(WeightOp weight, FormatAttrInterface format) {
    weights[format].push_back(weight);
  }
  bool empty() const { return weights.empty(); }

  /// "@a and 3 more as int4_g32, ...", for a diagnostic.
  std::string describe() const {
    std::string text;
    for (const auto &[format, same] : weights) {
      WeightOp first = same.front();
      text += (text.empty() ? "@" : ", @") + first.getSymName().str();
      if (same.size() > 1)
        text += " and " + std::to_string(same.size() - 1) + " more";
      text += " as " + FormatAttrInterface(format).getFormatName().str();
    }
    return text;
  }

private:
  llvm::MapVector<FormatAttrInterface, llvm::SmallVector<WeightOp>> weights;
};

/// Regular expressions, of which any may match.
struct Patterns {
  std::vector<llvm::Regex> expressions;

  LogicalResult parse(ModuleOp module, StringRef option,
                      ArrayRef<std::string> texts) {
    for (const std::string &text : texts) {
      std::string reason;
      expressions.emplace_back(text);
      if (!expressions.back().isValid(reason))
        return emitError(module.getLoc())
               << "option " << option << ": \"" << text
               << "\" is no regular expression: " << reason;
    }
    return success();
  }
  bool match(StringRef name) const {
    return llvm::any_of(expressions, [&](const llvm::Regex &expression) {
      return expression.match(name);
    });
  }
};

/// Chooses the weights of a module.
class Chooser {
public:
  Chooser(ModuleOp module, const EncodingOptions &options)
      : module(module), options(options) {}

  FailureOr<WeightChoice> choose();

private:
  LogicalResult add(WeightUses &uses, FormatAttrInterface wanted);
  LogicalResult addEncoded(WeightUses &uses, FormatAttrInterface format);
  LogicalResult reportKept();

  ModuleOp module;
  const EncodingOptions &options;
  std::unique_ptr<WeightFiles> files;
  std::vector<EncodingJob> jobs;
  Fallbacks fallbacks;
  /// Weights that are encoded already, otherwise than wanted or as wanted.
  KeptWeights kept, right;
};

} // namespace

static bool isEncoded(WeightOp weight) {
  RankedTensorType type = weight.getTensorType();
  return type.getEncoding() && !isTiled(type);
}

/// A weight that is encoded already: it keeps that, or gets another encoding of
/// the same codes, or is rounded again if the user says so.
LogicalResult Chooser::addEncoded(WeightUses &uses,
                                  FormatAttrInterface format) {
  WeightOp weight = uses.weight;
  FormatAttrInterface from = lq::getFormat(weight.getTensorType());
  if (from == format) {
    right.add(weight, from);
    return success();
  }
  FailureOr<bool> same = isRecodable(weight, from, format, *files);
  if (failed(same))
    return failure();
  if (*same || options.requantize)
    jobs.push_back({std::move(uses), format, from, *same});
  else
    kept.add(weight, from);
  return success();
}

/// Says which weights are encoded otherwise than wanted: an error if the pass has
/// nothing else to do.
LogicalResult Chooser::reportKept() {
  if (kept.empty())
    return success();
  bool isAll = jobs.empty() && right.empty();
  Location location = UnknownLoc::get(module.getContext());
  InFlightDiagnostic diagnostic =
      isAll ? emitError(module.getLoc()) : emitRemark(location);
  diagnostic << (isAll ? "weights are quantized already: "
                       : "weights that are quantized already stay so: ")
             << kept.describe()
             << "; option requantize rounds the values that they have again";
  return success(!isAll);
}

LogicalResult Chooser::add(WeightUses &uses, FormatAttrInterface wanted) {
  WeightOp weight = uses.weight;
  FormatAttrInterface fitting =
      fitFormat(wanted, weight.getTensorType().getDimSize(1));
  size_t count = jobs.size();
  if (fitting && isEncoded(weight)) {
    if (failed(addEncoded(uses, fitting)))
      return failure();
  } else if (fitting) {
    jobs.push_back({std::move(uses), fitting, {}, false});
  }
  if (fitting != wanted && (!isEncoded(weight) || jobs.size() > count))
    fallbacks.add(weight, wanted, fitting);
  return success();
}

FailureOr<WeightChoice> Chooser::choose() {
  auto format = FormatChoice::parse(*module.getContext(), options.format);
  if (!format)
    return emitError(module.getLoc())
           << "option format: " << llvm::toString(format.takeError());
  FailureOr<std::vector<WeightUses>> selected = selectWeights(module, options);
  if (failed(selected))
    return failure();
  auto opened = openFilesBeside(module, options.archive);
  if (failed(opened))
    return failure();
  files = std::move(*opened);
  WeightPlaces places(module);
  for (WeightUses &uses : *selected) {
    FormatAttrInterface wanted = format->formatOf(
        WeightOp(uses.weight).getSymName(), places.placeOf(uses));
    if (wanted && failed(add(uses, wanted)))
      return failure();
  }
  if (llvm::Error error = format->checkUsed())
    return emitError(module.getLoc()) << llvm::toString(std::move(error));
  if (failed(reportKept()))
    return failure();
  int64_t count = fallbacks.remark();
  return WeightChoice{std::move(jobs), count};
}

FailureOr<std::unique_ptr<WeightFiles>> lq::openFilesBeside(ModuleOp module,
                                                            StringRef archive) {
  auto files = openWeightFiles(module);
  if (!files)
    return emitError(module.getLoc()) << llvm::toString(files.takeError());
  if (llvm::Error error =
          (*files)->allow(llvm::sys::path::parent_path(archive)))
    llvm::consumeError(std::move(error)); // opening the archive will say so
  return std::move(*files);
}

FailureOr<std::vector<WeightUses>>
lq::selectWeights(ModuleOp module, const EncodingOptions &options) {
  Patterns included, excluded;
  if (failed(included.parse(module, "include", options.include)) ||
      failed(excluded.parse(module, "exclude", options.exclude)))
    return failure();
  std::vector<WeightUses> selected = collectWeightUses(module);
  llvm::erase_if(selected, [&](const WeightUses &uses) {
    WeightOp weight = uses.weight;
    StringRef name = weight.getSymName();
    bool isMatrix =
        !uses.matrixUses.empty() &&
        (isEncoded(weight) || WeightSource::isReadable(weight.getTensorType()));
    return !isMatrix || (uses.isTable && !options.embeddings) ||
           (!options.include.empty() && !included.match(name)) ||
           excluded.match(name);
  });
  return selected;
}

FailureOr<WeightChoice> lq::chooseWeights(ModuleOp module,
                                          const EncodingOptions &options) {
  return Chooser(module, options).choose();
}
