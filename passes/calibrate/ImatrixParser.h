//===- ImatrixParser.h - reads imatrix files --------------------*- C++ -*-===//

#ifndef LQ_PASSES_CALIBRATE_IMATRIXPARSER_H
#define LQ_PASSES_CALIBRATE_IMATRIXPARSER_H

#include "passes/calibrate/FileError.h"
#include "passes/calibrate/Statistics.h"

namespace lq {

/// Fills in statistics from an imatrix file that is mapped.
class ImatrixParser {
public:
  explicit ImatrixParser(StatisticsFile &result) : result(result) {}

  /// Of the GGUF form, and of the form before it.
  llvm::Error parseGguf();
  llvm::Error parseOld();

private:
  template <typename... Parts> llvm::Error fail(const Parts &...parts) const {
    return fileError(result.filePath, parts...);
  }
  void add(llvm::StringRef name, int64_t tokens,
           llvm::ArrayRef<float> sumSquare);

  StatisticsFile &result;
};

} // namespace lq

#endif // LQ_PASSES_CALIBRATE_IMATRIXPARSER_H
