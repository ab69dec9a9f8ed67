//===- WeightEncoder.h - weights as a format's storage ----------*- C++ -*-===//
//
// What surrounds the rounding of weights, for every pass that quantizes: the pass
// says how rows become planes, and reading, checking, encoding with all threads,
// the archive, the IR, progress and remarks are the encoder's.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_QUANTIZE_WEIGHTENCODER_H
#define LQ_PASSES_QUANTIZE_WEIGHTENCODER_H

#include "dialects/common/WeightArchive.h"
#include "passes/quantize/ColumnOrder.h"
#include "passes/quantize/WeightChoice.h"
#include "passes/quantize/WeightSource.h"

#include <map>

namespace lq {

/// Fills `planes`, sized for the format, from weights [planes.rows,
/// planes.columns], all finite. Factors that all rows share are set already.
/// Called from several threads at once, for different rows of one weight.
using QuantizeRows =
    std::function<void(const FormatDescription &format,
                       llvm::ArrayRef<float> weights, Planes &planes)>;

/// How a weight becomes planes.
struct WeightQuantizer {
  QuantizeRows quantize;
  /// Column j as it is stored is column order[j] of the weight, and the inputs of
  /// its linears are brought into that order; empty: as they lie. Not for tables of
  /// embeddings.
  std::vector<int32_t> order;
  /// Of formats whose rows share factors of scales, these; empty: those that the
  /// largest weights need.
  std::vector<float> sharedFactors;
};

/// What a pass has encoded.
struct EncodedTotals {
  int64_t weights = 0, elements = 0, bytes = 0;
  /// As a fallback of the format that was wanted.
  int64_t fallbacks = 0;
  /// With the codes they had; rounded from values of another encoding.
  int64_t recoded = 0, again = 0;
};

/// Encodes weights of a module into an archive. Neither the archive nor the module
/// changes before finish(): a pass that fails leaves both as they were.
class WeightEncoder {
public:
  WeightEncoder(mlir::ModuleOp module, const EncodingOptions &options)
      : module(module), options(options),
        meter("quantize", 0, options.progress) {}

  /// Opens the files for these jobs. A diagnostic if that fails.
  mlir::LogicalResult open(llvm::ArrayRef<EncodingJob> jobs);

  /// Encodes a weight, once. Weights that keep codes or bytes need no quantizer.
  mlir::LogicalResult encode(const EncodingJob &job,
                             const WeightQuantizer &quantizer);

  /// Rows [first, first + rows) of a weight as f32, with its columns in `order`.
  static std::vector<float> readRows(const WeightSource &source,
                                     const EncodingJob &job, int64_t first,
                                     int64_t rows,
                                     llvm::ArrayRef<int32_t> order = {});

  WeightFiles &weightFiles() { return *files; }

  /// Commits the archive, and lets all who read the weights read what was
  /// encoded.
  mlir::FailureOr<EncodedTotals> finish();

private:
  struct Result {
    WeightUses uses;
    WeightAddress address;
    std::string suffix;
    std::vector<int32_t> order;
  };
  mlir::FailureOr<WeightAddress> write(const EncodingJob &job,
                                       const WeightQuantizer &quantizer);
  mlir::LogicalResult writeOrders();
  void readInOrder(const Result &result, mlir::SymbolTable &symbols);
  mlir::InFlightDiagnostic fail(llvm::Error error);

  mlir::ModuleOp module;
  const EncodingOptions &options;
  std::unique_ptr<WeightFiles> files;
  std::unique_ptr<WeightArchive> archive;
  /// How the IR names the archive.
  std::string archiveAddress;
  Progress meter;
  std::vector<Result> results;
  /// The orders of columns, each once, and what holds them.
  struct Order {
    WeightAddress address;
    WeightOp weight;
  };
  std::map<std::vector<int32_t>, Order> orders;
  InputOrders inputs;
  /// Whether there are new bytes in the archive.
  bool isWritten = false;
  EncodedTotals totals;
};

/// Says what was encoded, "encoded 4 weights as q8_0: ...".
void remarkOn(const EncodedTotals &totals, llvm::StringRef format,
              mlir::MLIRContext &context);

/// The whole of a pass: chooses the weights by the options, encodes each by what
/// `quantizerOf` gives for it, and says what was encoded. `quantizerOf` may choose
/// another format, and is asked for weights that are rounded alone, right before
/// they are.
mlir::FailureOr<EncodedTotals> encodeWeights(
    mlir::ModuleOp module, const EncodingOptions &options,
    llvm::function_ref<mlir::FailureOr<WeightQuantizer>(EncodingJob &job,
                                                        WeightFiles &files)>
        quantizerOf);

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_WEIGHTENCODER_H
