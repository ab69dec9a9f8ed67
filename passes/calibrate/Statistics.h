//===- Statistics.h - what calibration saw of linears' inputs ---*- C++ -*-===//
//
// Calibration runs a model over text and sums up, for each input x [tokens, K]
// of linears, what quantizers need: x^T x (GPTQ, EXL2), |x| (AWQ) and x^2
// (importance). Linears that read the same value share an input, which bears the
// name of the first weight that it is multiplied by.
//
// A file of statistics is a safetensors file with f32 tensors
//
//   <input>.sum_xx      [K, K]  sum over tokens of x x^T, symmetric; may be left
//                               out
//   <input>.sum_abs     [K]     sum over tokens of |x|
//   <input>.sum_square  [K]     sum over tokens of x^2
//
// and the texts lq.statistics.version, .inputs, .weights and .text as metadata.
// llama.cpp's imatrix files (Imatrix.h) are read as well.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_CALIBRATE_STATISTICS_H
#define LQ_PASSES_CALIBRATE_STATISTICS_H

#include "passes/calibrate/PositionedFile.h"
#include "runtime/MappedFile.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lq {

/// An input of linears: its name, width and tokens, and the weights [N, columns]
/// that it is multiplied by, the first of which it is named after.
struct StatisticsInput {
  std::string name;
  int64_t columns = 0;
  int64_t tokens = 0;
  std::vector<std::string> weights;

  bool operator==(const StatisticsInput &) const = default;
};

/// By what a weight of the calibrated model is known again.
struct StatisticsWeight {
  std::string name;
  std::vector<int64_t> shape;
  /// A digest of some of its elements (sampleWeight in ModelStatistics.h).
  std::string sample;

  bool operator==(const StatisticsWeight &) const = default;
};

/// What a file of statistics says of itself.
struct StatisticsHeader {
  std::vector<StatisticsInput> inputs;
  std::vector<StatisticsWeight> weights;
  /// Whether there are sums of x x^T.
  bool hasSumXX = true;
  /// What the model was run over, for people: files, tokens, seed.
  std::string text;
};

/// The sums of one input, mapped from their file and valid as long as that is
/// open. Means are sums divided by `tokens`.
struct InputStatistics {
  std::string name;
  int64_t columns = 0;
  int64_t tokens = 0;
  /// [columns, columns] and [columns]; empty where the file has none.
  llvm::ArrayRef<float> sumXX, sumAbs, sumSquare;
};

/// A file of statistics, open for reading. Nothing but the pages that are read
/// is in memory.
class StatisticsFile {
public:
  /// Opens a file of statistics or an imatrix file of either form. The error says
  /// what is wrong: truncated, damaged, no statistics, sums that are missing or
  /// of another size than promised.
  static llvm::Expected<StatisticsFile> open(llvm::StringRef path);

  const std::string &path() const { return filePath; }
  const StatisticsHeader &header() const { return description; }
  /// Whether the file is llama.cpp's: it says nothing of the model, calls
  /// weights by their names in GGUF files, and has sums of squares alone.
  bool isImatrix() const { return imatrix; }

  /// The statistics of the input that is multiplied by the weight; none if there
  /// is none or it saw no token.
  std::optional<InputStatistics> find(llvm::StringRef weight) const;
  /// The statistics of an input by its place in the header.
  InputStatistics get(size_t input) const;

  /// Calls weights by other names: those that `nameOf` gives for the names in the
  /// file. Weights that it gives none for are left out.
  void
  rename(llvm::function_ref<std::vector<std::string>(llvm::StringRef)> nameOf);

  /// Fails, naming the weight and what differs, unless the statistics are of a
  /// model with this weight. Always succeeds for an imatrix file.
  llvm::Error checkWeight(const StatisticsWeight &weight) const;
  /// Fails, naming the tensor, if a sum is not a finite number. Reads all sums.
  llvm::Error checkFinite(const InputStatistics &input) const;

  /// Gives back the memory that reading an input's sums has taken.
  void release(const InputStatistics &input) const;

private:
  friend class StatisticsParser;
  friend class ImatrixParser;
  struct Sums {
    llvm::ArrayRef<float> xx, abs, square;
  };

  StatisticsFile() = default;
  void indexWeights();

  std::string filePath;
  std::shared_ptr<const MappedFile> file;
  /// Sums that do not lie in the file as they are needed.
  std::vector<std::unique_ptr<std::vector<float>>> owned;
  StatisticsHeader description;
  /// One for each input of the header.
  std::vector<Sums> sums;
  /// Indices into the header's lists, by the name of a weight.
  llvm::StringMap<size_t> inputOfWeight, weightOfName;
  bool imatrix = false;
};

/// Writes a file of statistics one input after another, in any order, so that
/// one input's sums are in memory at a time. The file lies under a path of its
/// own until it is committed; when the writer goes before that, it stays there,
/// and can be continued.
class StatisticsWriter {
public:
  /// Starts a file at `path`, or continues the one that is there if its header
  /// is the same.
  static llvm::Expected<StatisticsWriter> open(llvm::StringRef path,
                                               const StatisticsHeader &header);
  /// Writes the sums of an input, by its place in the header. Fails, naming the
  /// tensor, if one is not finite.
  llvm::Error write(size_t input, const InputStatistics &sums);

  /// Waits until all that was written is on the disk.
  llvm::Error flush() { return file.flush(); }

  /// Flushes the file to disk and renames it to `target`, which must be on the
  /// same file system.
  llvm::Error commit(llvm::StringRef target) { return file.moveTo(target); }

private:
  StatisticsWriter(PositionedFile file, const StatisticsHeader &header)
      : file(std::move(file)), header(header) {}
  llvm::Error start();
  llvm::Error writeTensor(uint64_t offset, llvm::StringRef name,
                          llvm::ArrayRef<float> values);

  PositionedFile file;
  StatisticsHeader header;
  /// Where each input's sums lie; 0 for those that are left out.
  struct Places {
    uint64_t xx = 0, abs = 0, square = 0;
  };
  std::vector<Places> places;
};

} // namespace lq

#endif // LQ_PASSES_CALIBRATE_STATISTICS_H
