//===- Quantization.cpp - what --quantize says ----------------------------===//

#include "tools/lq-compile/Quantization.h"

#include "lowering/execute/Execute.h"
#include "passes/allocate/Passes.h"
#include "passes/awq/Passes.h"
#include "passes/calibrate/Passes.h"
#include "passes/quantize/FormatChoice.h"
#include "passes/quantize/Passes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"

using namespace lq;
using llvm::createStringError;
using llvm::StringRef;

namespace {

/// What a method that takes bits and groups is called, whether it has zero points
/// unless told otherwise, what tells it otherwise, and whether it has act_order.
struct MethodSyntax {
  Quantization::Method method;
  StringRef name;
  bool hasZeroPoints;
  StringRef otherwise;
  bool hasOrder;
};

} // namespace

static constexpr MethodSyntax methods[] = {
    {Quantization::Method::Gptq, "gptq", false, "asym", true},
    {Quantization::Method::Awq, "awq", true, "sym", false}};

/// The name of the format of so many bits that a method's options ask for.
static llvm::Expected<std::string> findFormat(mlir::MLIRContext &context,
                                              const MethodSyntax &syntax,
                                              unsigned bits,
                                              llvm::ArrayRef<StringRef> parts) {
  int64_t group = 128;
  bool hasZeroPoints = syntax.hasZeroPoints;
  for (StringRef part : parts) {
    if (part == syntax.otherwise)
      hasZeroPoints = !syntax.hasZeroPoints;
    else if (!part.consume_front("group=") || part.getAsInteger(10, group))
      return createStringError(
          syntax.name + llvm::Twine(" does not know '") + part +
          "'; after the bits it takes group=<columns> (-1: whole rows)" +
          (syntax.hasOrder ? ", act_order" : "") + " and " + syntax.otherwise);
  }
  if (auto format = findIntegerFormat(context, bits, group, hasZeroPoints))
    return format.getFormatName().str();
  return createStringError(
      "there is no format of " + llvm::Twine(bits) + " bits with groups of " +
      llvm::Twine(group) +
      " columns; --quantize=help lists the formats that there are");
}

/// "4,group=128,asym,act_order", or "q4_k_m,act_order".
static llvm::Expected<Quantization> parseMethod(mlir::MLIRContext &context,
                                                const MethodSyntax &syntax,
                                                StringRef text) {
  Quantization result;
  result.method = syntax.method;
  llvm::SmallVector<StringRef> parts;
  text.split(parts, ',');
  auto *order = llvm::find(parts, "act_order");
  result.isOrdered = syntax.hasOrder && order != parts.end();
  if (result.isOrdered)
    parts.erase(order);
  StringRef first = parts.empty() ? "" : parts.front();
  unsigned bits = 0;
  if (!first.getAsInteger(10, bits)) {
    llvm::Expected<std::string> format =
        findFormat(context, syntax, bits, llvm::ArrayRef(parts).drop_front());
    if (!format)
      return format.takeError();
    result.format = *format;
    return result;
  }
  result.format = llvm::join(parts, ",");
  if (auto choice = FormatChoice::parse(context, result.format); !choice)
    return choice.takeError();
  return result;
}

/// "4.5bpw".
static llvm::Expected<double> parseBits(StringRef text) {
  double bits = 0;
  if (!text.consume_back("bpw") || text.getAsDouble(bits) || !(bits > 0))
    return createStringError("expected a number of bits a weight such as "
                             "4.5bpw, not '" +
                             text + "'");
  return bits;
}

llvm::Expected<Quantization> Quantization::parse(mlir::MLIRContext &context,
                                                 StringRef text) {
  Quantization result;
  if (text.empty())
    return result;
  auto [method, rest] = text.split(':');
  for (const MethodSyntax &syntax : methods)
    if (method == syntax.name)
      return parseMethod(context, syntax, rest);
  if (method == "auto" || method == "exl2") {
    llvm::Expected<double> bits = parseBits(rest);
    if (!bits)
      return bits.takeError();
    result.method = method == "auto" ? Method::Allocate : Method::Exl2;
    result.bits = *bits;
    return result;
  }
  result.method = Method::Round;
  result.format = text.str();
  llvm::Expected<FormatChoice> choice = FormatChoice::parse(context, text);
  if (!choice)
    return choice.takeError();
  return result;
}

bool CalibrationSource::isToRun() const {
  return !text.empty() && !llvm::sys::fs::exists(statistics);
}

namespace {

/// Adds the passes of one quantization.
class Builder {
public:
  Builder(mlir::OpPassManager &passes, const QuantizationOptions &options)
      : passes(passes), options(options), wanted(options.quantization),
        source(options.calibration),
        statistics(source.statistics.empty() ? work("calibrate.statistics")
                                             : source.statistics) {}

  void build() {
    if (source.isToRun())
      addCalibration();
    switch (wanted.method) {
    case Quantization::Method::None:
      return;
    case Quantization::Method::Round:
      return source.exists() ? addImportance(wanted.format) : addRounding();
    case Quantization::Method::Gptq:
      return addGptq(wanted.format);
    case Quantization::Method::Awq:
      addScaling();
      return addRounding();
    case Quantization::Method::Exl2:
      return addExl2();
    case Quantization::Method::Allocate:
      addAllocation();
      return addGptq(recipe());
    }
  }

private:
  mlir::OpPassManager &passes;
  const QuantizationOptions &options;
  const Quantization &wanted;
  const CalibrationSource &source;
  std::string statistics;

  std::string work(StringRef name) const {
    return (options.work + "/" + name).str();
  }
  std::string recipe() const { return work("recipe.yaml"); }

  void addCalibration() {
    CalibrateOptions calibrate;
    calibrate.text.assign(source.text.begin(), source.text.end());
    calibrate.tokenizer = options.model;
    calibrate.samples = source.samples;
    calibrate.length = source.length;
    calibrate.seed = source.seed;
    calibrate.output = statistics;
    // A file that is kept is for other methods too.
    calibrate.products = wanted.needsStatistics() || !source.statistics.empty();
    passes.addPass(
        createCalibrate(calibrate, hostExecutors(), options.progress));
  }

  template <typename Options> Options encoding(StringRef format) {
    Options result;
    result.format = format.str();
    result.archive = work("quantize.weights");
    result.embeddings = options.embeddings;
    result.requantize = options.requantize;
    return result;
  }

  void addRounding() {
    passes.addPass(createQuantizeRtn(
        encoding<QuantizeRtnOptions>(wanted.format), options.progress));
  }

  void addImportance(StringRef format) {
    auto kquant = encoding<KQuantOptions>(format);
    kquant.statistics = statistics;
    passes.addPass(createKQuant(kquant, options.progress));
  }

  void addGptq(StringRef format) {
    auto gptq = encoding<QuantizeGptqOptions>(format);
    gptq.statistics = statistics;
    if (wanted.isOrdered)
      gptq.order = ColumnOrder::Stored;
    passes.addPass(createQuantizeGptq(gptq, options.progress));
  }

  void addExl2() {
    QuantizeExl2Options exl2;
    exl2.bits = wanted.bits;
    exl2.statistics = statistics;
    exl2.archive = work("quantize.weights");
    exl2.requantize = options.requantize;
    passes.addPass(createQuantizeExl2(exl2, options.progress));
  }

  void addScaling() {
    AwqOptions awq;
    awq.format = wanted.format;
    awq.statistics = statistics;
    awq.archive = work("awq.weights");
    passes.addPass(createAwq(awq, hostExecutors(), options.progress));
  }

  void addAllocation() {
    AllocateOptions allocate;
    allocate.recipe = recipe();
    allocate.bits = wanted.bits;
    allocate.statisticsFile = statistics;
    allocate.text.assign(source.text.begin(), source.text.end());
    allocate.tokenizer = options.model;
    allocate.embeddings = options.embeddings;
    allocate.seed = source.seed;
    passes.addPass(createAllocate(allocate, hostExecutors(), options.progress));
  }
};

} // namespace

void lq::addQuantization(mlir::OpPassManager &passes,
                         const QuantizationOptions &options) {
  Builder(passes, options).build();
}
