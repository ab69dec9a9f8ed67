//===- LogitsFile.h - logits of a text, kept in a file ----------*- C++ -*-===//
//
// A GGUF container, so that other tools can list and read it:
//
//   general.architecture   "lq-logits"
//   lq.logits.version      u32, 1
//   lq.logits.model        string: the name of the model
//   lq.logits.first        u32: the first scored position of a chunk
//   lq.logits.vocabulary   u32
//   tokens                 i32 [chunks][context], as the model read them
//   logits                 bytes [rows][8 + 2 * vocabulary]; `rows` is
//                          chunks * (context - 1 - first), a row for each
//                          scored position: f32 least, f32 step, then u16 a
//                          token; the logit is least + step * u16
//
// A row's 65536 levels span all its logits, so an error is at most half a step:
// for logits 40 apart 0.0003, and none is cut off.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_TOOLS_LQ_EVAL_LOGITSFILE_H
#define LQ_TOOLS_LQ_EVAL_LOGITSFILE_H

#include "runtime/Gguf.h"
#include "tools/lq-eval/LogitsSource.h"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lq {

/// Takes rows of logits in the order of the scored positions.
using LogitsRowSink = std::function<Error(std::span<const float> rows)>;

/// Writes a file of the logits that `produce` hands to its sink, all rows of
/// all chunks. On failure nothing is left.
Error saveLogits(const std::string &path, const std::string &model,
                 const Chunks &chunks, size_t vocabulary,
                 const std::function<Error(const LogitsRowSink &)> &produce);

/// Reads such a file.
class FileLogits : public LogitsSource {
public:
  /// Checks the whole structure. The error names the file.
  static Expected<std::unique_ptr<FileLogits>> open(const std::string &path);

  /// The tokens that it was made of.
  const Chunks &chunks() const { return fileChunks; }
  /// The model that it was made by.
  const std::string &model() const { return modelName; }

  const std::string &name() const override { return reader.path(); }
  size_t vocabulary() const override { return columns; }
  Error begin(size_t chunk) override;
  Expected<std::span<const float>> next(size_t rows) override;

private:
  explicit FileLogits(GgufReader reader) : reader(std::move(reader)) {}
  Error readHeader();
  Error readTokens();
  Error findRows();
  Error corrupt(const char *what) const;

  GgufReader reader;
  std::string modelName;
  Chunks fileChunks;
  size_t columns = 0;
  /// All rows, and those that are left.
  std::span<const uint8_t> rows, left;
  std::vector<float> logits;
};

} // namespace lq

#endif // LQ_TOOLS_LQ_EVAL_LOGITSFILE_H
