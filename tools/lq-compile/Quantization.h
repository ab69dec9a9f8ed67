//===- Quantization.h - what --quantize says --------------------*- C++ -*-===//
//
// A text says how weights are quantized:
//
//   q4_k_m                     a format or a mix of formats
//   recipe.yaml                a format for each weight
//   gptq:4,group=128           GPTQ: bits, a group of columns; asym, act_order
//   gptq:q4_k_m                GPTQ towards any format, mix or recipe
//   awq:4,group=128            AWQ, then rounding to nearest; sym
//   awq:q4_k_m                 the same towards any format, mix or recipe
//   exl2:4.25bpw               EXL2: bits where they matter, so many a weight on
//                              average; tables of embeddings stay as they are
//   auto:4.5bpw                formats by measured damage, bits a weight on average
//
// All but the first two need to know the model's activations: by running it over
// text, or from a file of statistics.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_TOOLS_LQ_COMPILE_QUANTIZATION_H
#define LQ_TOOLS_LQ_COMPILE_QUANTIZATION_H

#include "mlir/Pass/PassManager.h"
#include "passes/quantize/Progress.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace lq {

/// What a text says.
struct Quantization {
  enum class Method { None, Round, Gptq, Awq, Exl2, Allocate };
  Method method = Method::None;
  /// The name of a format or mix, or the file of a recipe.
  std::string format;
  /// Bits a weight on average.
  double bits = 0;
  /// Whether columns are stored by the size of their inputs.
  bool isOrdered = false;

  /// The error says what is wrong and what can be said.
  static llvm::Expected<Quantization> parse(mlir::MLIRContext &context,
                                            llvm::StringRef text);
  bool needsText() const { return method == Method::Allocate; }
  bool needsStatistics() const {
    return method != Method::None && method != Method::Round;
  }
};

/// How the model's activations become known.
struct CalibrationSource {
  /// Text to run the model over; empty: none.
  std::vector<std::string> text;
  int64_t samples = 128, length = 512;
  uint64_t seed = 0;
  /// A file of statistics: to read, or, with text, to write if it is not there;
  /// empty: none.
  std::string statistics;

  bool exists() const { return !text.empty() || !statistics.empty(); }
  /// Whether the model has to be run.
  bool isToRun() const;
};

struct QuantizationOptions {
  Quantization quantization;
  CalibrationSource calibration;
  /// The folder of the model with its tokenizer.
  std::string model;
  /// Whether tables of embeddings are quantized too, and weights again that are
  /// quantized already.
  bool embeddings = true, requantize = false;
  /// A folder for new weights and for statistics that nobody asked for.
  std::string work;
  ProgressCallback progress;
};

/// Adds the passes that calibrate and quantize.
void addQuantization(mlir::OpPassManager &passes,
                     const QuantizationOptions &options);

} // namespace lq

#endif // LQ_TOOLS_LQ_COMPILE_QUANTIZATION_H
