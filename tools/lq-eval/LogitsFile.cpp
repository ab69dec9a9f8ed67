//===- LogitsFile.cpp - logits of a text, kept in a file ------------------===//

#include "tools/lq-eval/LogitsFile.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace lq;

static constexpr std::string_view architecture = "lq-logits";
static constexpr uint32_t version = 1;
static constexpr uint32_t i32Tensor = 26;
static constexpr size_t rowHeader = 2 * sizeof(float);

static size_t rowBytes(size_t vocabulary) {
  return rowHeader + vocabulary * sizeof(uint16_t);
}

static void encodeRow(std::span<const float> logits, uint8_t *out) {
  constexpr float levels = 65535;
  auto [least, largest] = std::ranges::minmax(logits);
  float header[2] = {least, (largest - least) / levels};
  std::memcpy(out, header, rowHeader);
  out += rowHeader;
  float inverse = header[1] > 0 ? 1 / header[1] : 0;
  for (float logit : logits) {
    float level = std::min(std::round((logit - least) * inverse), levels);
    auto code = static_cast<uint16_t>(level);
    std::memcpy(out, &code, sizeof(code));
    out += sizeof(code);
  }
}

/// False if the row's header is not of a written one.
static bool decodeRow(const uint8_t *in, std::span<float> logits) {
  float header[2];
  std::memcpy(header, in, rowHeader);
  in += rowHeader;
  auto [least, step] = header;
  if (!std::isfinite(least) || !std::isfinite(step) || step < 0)
    return false;
  for (float &logit : logits) {
    uint16_t code;
    std::memcpy(&code, in, sizeof(code));
    in += sizeof(code);
    logit = least + step * static_cast<float>(code);
  }
  return true;
}

Error lq::saveLogits(
    const std::string &path, const std::string &model, const Chunks &chunks,
    size_t vocabulary,
    const std::function<Error(const LogitsRowSink &)> &produce) {
  GgufWriter writer;
  writer.setMetadata("general.architecture", GgufValue(architecture));
  writer.setMetadata("lq.logits.version", GgufValue(version));
  writer.setMetadata("lq.logits.model", GgufValue(model));
  writer.setMetadata("lq.logits.first",
                     GgufValue(static_cast<uint32_t>(chunks.first)));
  writer.setMetadata("lq.logits.vocabulary",
                     GgufValue(static_cast<uint32_t>(vocabulary)));
  std::span<const uint8_t> tokens(
      reinterpret_cast<const uint8_t *>(chunks.tokens.data()),
      chunks.tokens.size() * sizeof(int32_t));
  writer.addTensor("tokens", i32Tensor, {chunks.context, chunks.count()},
                   tokens.size(),
                   [&](GgufSink &sink) { return sink.write(tokens); });

  size_t bytes = rowBytes(vocabulary);
  size_t rows = chunks.count() * chunks.rows();
  writer.addTensor("logits", ggufByteTensor, {bytes, rows}, bytes * rows,
                   [&](GgufSink &sink) {
                     std::vector<uint8_t> row(bytes);
                     return produce([&](std::span<const float> logits) {
                       for (; !logits.empty();
                            logits = logits.subspan(vocabulary)) {
                         encodeRow(logits.first(vocabulary), row.data());
                         if (Error error = sink.write(row))
                           return error;
                       }
                       return Error::success();
                     });
                   });
  return writer.finish(path);
}

Error FileLogits::corrupt(const char *what) const {
  return makeError(ErrorCode::Corrupt, name(), ": ", what,
                   "; not a file of lq-eval --save-logits, or a damaged one");
}

Error FileLogits::readHeader() {
  auto integer = [&](std::string_view key) -> int64_t {
    const GgufValue *value = reader.find(key);
    if (!value)
      return -1;
    auto number = value->asInteger();
    return number ? *number : -1;
  };
  auto text = [&](std::string_view key) -> std::string {
    const GgufValue *value = reader.find(key);
    if (!value)
      return "";
    auto found = value->asString();
    return found ? std::string(*found) : "";
  };
  if (text("general.architecture") != architecture)
    return corrupt("no logits in it");
  int64_t found = integer("lq.logits.version");
  if (found != version)
    return makeError(ErrorCode::Unsupported, name(), ": version ", found,
                     " of the layout, but this lq-eval reads ", version,
                     "; save the logits again");
  int64_t first = integer("lq.logits.first");
  int64_t vocabulary = integer("lq.logits.vocabulary");
  if (first < 0 || first > INT32_MAX)
    return corrupt("bad first position");
  if (vocabulary < 1 || vocabulary > INT32_MAX)
    return corrupt("bad size of the vocabulary");
  modelName = text("lq.logits.model");
  fileChunks.first = static_cast<size_t>(first);
  columns = static_cast<size_t>(vocabulary);
  return Error::success();
}

Error FileLogits::readTokens() {
  const GgufTensor *tensor = reader.findTensor("tokens");
  if (!tensor || tensor->type != i32Tensor || tensor->dims.size() != 2 ||
      tensor->dims[0] > INT32_MAX || tensor->dims[0] < fileChunks.first + 2 ||
      tensor->dims[1] < 1)
    return corrupt("no tensor of tokens [chunks][context]");
  fileChunks.context = tensor->dims[0];
  fileChunks.tokens.resize(tensor->bytes.size() / sizeof(int32_t));
  std::memcpy(fileChunks.tokens.data(), tensor->bytes.data(),
              tensor->bytes.size());
  return Error::success();
}

Error FileLogits::findRows() {
  const GgufTensor *tensor = reader.findTensor("logits");
  if (!tensor || tensor->type != ggufByteTensor || tensor->dims.size() != 2 ||
      tensor->dims[0] != rowBytes(columns) ||
      tensor->dims[1] != fileChunks.count() * fileChunks.rows())
    return corrupt("no logits for each scored token");
  rows = tensor->bytes;
  return Error::success();
}

Expected<std::unique_ptr<FileLogits>>
FileLogits::open(const std::string &path) {
  auto reader = GgufReader::open(path);
  if (!reader)
    return reader.takeError();
  std::unique_ptr<FileLogits> file(new FileLogits(std::move(*reader)));
  if (Error error = file->readHeader())
    return error;
  if (Error error = file->readTokens())
    return error;
  if (Error error = file->findRows())
    return error;
  return file;
}

Error FileLogits::begin(size_t chunk) {
  left = rows.subspan(chunk * fileChunks.rows() * rowBytes(columns));
  return Error::success();
}

Expected<std::span<const float>> FileLogits::next(size_t count) {
  logits.resize(count * columns);
  for (std::span<float> out = logits; !out.empty();
       out = out.subspan(columns), left = left.subspan(rowBytes(columns)))
    if (!decodeRow(left.data(), out.first(columns)))
      return corrupt("logits that are not finite");
  return std::span<const float>(logits);
}
