//===- Samples.h - the text that a model is calibrated on -------*- C++ -*-===//

#ifndef LQ_PASSES_CALIBRATE_SAMPLES_H
#define LQ_PASSES_CALIBRATE_SAMPLES_H

#include "mlir/IR/BuiltinOps.h"
#include "runtime/tokenizer/Tokenizer.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace lq {

struct SampleOptions {
  /// Files of plain text, or, where they are called *.jsonl, of a JSON object with
  /// a field "text" a line.
  std::vector<std::string> files;
  int64_t samples = 128;
  /// Tokens of a sample.
  int64_t length = 512;
  /// Another seed chooses other parts of the text.
  uint64_t seed = 0;
};

/// Pieces of text as token ids, all of the same length.
struct Samples {
  std::vector<std::vector<int32_t>> tokens;
  /// What a user should know: too little text, unknown tokens.
  std::vector<std::string> warnings;
};

/// The tokenizer of a model's folder, or of a tokenizer.json file with its
/// neighbours.
llvm::Expected<Tokenizer> openTokenizer(llvm::StringRef path);

/// Chooses samples from all parts of the text, the same for the same seed. Each
/// begins and ends with the special tokens that the tokenizer gives a text. Fewer
/// than asked for is a warning; none is an error, and so is text of which the
/// tokenizer knows nothing.
llvm::Expected<Samples> readSamples(const SampleOptions &options,
                                    const Tokenizer &tokenizer);

/// The same for a pass, with the tokenizer at `path`: errors and warnings have
/// been diagnosed.
mlir::FailureOr<Samples> chooseSamples(mlir::ModuleOp module,
                                       const SampleOptions &options,
                                       llvm::StringRef tokenizer);

} // namespace lq

#endif // LQ_PASSES_CALIBRATE_SAMPLES_H
