//===- Imatrix.cpp - llama.cpp's importance matrices ----------------------===//

#include "passes/calibrate/Imatrix.h"

#include "passes/calibrate/ImatrixParser.h"
#include "runtime/Gguf.h"
#include "llvm/ADT/StringExtras.h"

#include <cstring>

using namespace llvm;
using namespace lq;

static constexpr StringLiteral sumSuffix = ".in_sum2", countSuffix = ".counts";
static constexpr uint32_t ggufF32 = 0;

void ImatrixParser::add(StringRef name, int64_t tokens,
                        ArrayRef<float> sumSquare) {
  StatisticsInput input;
  input.name = name.str();
  input.columns = static_cast<int64_t>(sumSquare.size());
  input.tokens = tokens;
  input.weights = {input.name};
  result.description.inputs.push_back(std::move(input));
  result.sums.push_back({{}, {}, sumSquare});
}

/// The elements of an f32 tensor; nothing if it has others.
static std::optional<ArrayRef<float>> elementsOf(const GgufTensor *tensor) {
  if (!tensor || tensor->type != ggufF32 ||
      reinterpret_cast<uintptr_t>(tensor->bytes.data()) % alignof(float))
    return std::nullopt;
  return ArrayRef(reinterpret_cast<const float *>(tensor->bytes.data()),
                  tensor->bytes.size() / sizeof(float));
}

llvm::Error ImatrixParser::parseGguf() {
  auto reader = GgufReader::parse(result.file);
  if (!reader)
    return createStringError(reader.error().message());
  for (const GgufTensor &tensor : reader->tensors()) {
    StringRef name = tensor.name;
    if (!name.consume_back(sumSuffix))
      continue;
    auto squares = elementsOf(&tensor);
    auto counts = elementsOf(reader->findTensor((name + countSuffix).str()));
    if (!squares || !counts)
      return fail("the sums or the counts of ", quoteName(name.str()),
                  " are missing, or are not f32");
    if (counts->size() != 1)
      return fail(quoteName(name.str()), " holds ", counts->size(),
                  " matrices of experts, which lq does not have");
    float tokens = counts->front();
    if (!(tokens >= 0 && tokens < 0x1p53f))
      return fail("the count of ", quoteName(name.str()),
                  " is no number of "
                  "tokens");
    add(name, static_cast<int64_t>(tokens), *squares);
  }
  if (result.description.inputs.empty())
    return fail("the GGUF file is no imatrix file: it has no tensor called "
                "*.in_sum2");
  return llvm::Error::success();
}

namespace {
/// Takes little-endian values off the front of bytes.
class ByteCursor {
public:
  explicit ByteCursor(std::span<const uint8_t> bytes) : bytes(bytes) {}

  std::optional<std::span<const uint8_t>> take(uint64_t count) {
    if (count > bytes.size())
      return std::nullopt;
    auto taken = bytes.first(count);
    bytes = bytes.subspan(count);
    return taken;
  }
  /// A number that is not negative.
  std::optional<uint64_t> takeCount() {
    auto taken = take(sizeof(int32_t));
    if (!taken)
      return std::nullopt;
    int32_t value;
    std::memcpy(&value, taken->data(), sizeof value);
    return value < 0 ? std::nullopt : std::optional<uint64_t>(value);
  }

private:
  std::span<const uint8_t> bytes;
};
} // namespace

llvm::Error ImatrixParser::parseOld() {
  ByteCursor cursor(result.file->bytes());
  auto truncated = [&] {
    return fail("not a file of statistics or an imatrix file, or truncated");
  };
  auto entries = cursor.takeCount();
  if (!entries || *entries == 0)
    return truncated();
  for (uint64_t i = 0; i < *entries; ++i) {
    auto length = cursor.takeCount();
    auto name = length ? cursor.take(*length) : std::nullopt;
    auto calls = name ? cursor.takeCount() : std::nullopt;
    auto count = calls ? cursor.takeCount() : std::nullopt;
    auto values = count ? cursor.take(*count * sizeof(float)) : std::nullopt;
    if (!values || *count == 0)
      return truncated();
    result.owned.push_back(std::make_unique<std::vector<float>>(*count));
    std::memcpy(result.owned.back()->data(), values->data(), values->size());
    add(StringRef(reinterpret_cast<const char *>(name->data()), name->size()),
        static_cast<int64_t>(*calls), *result.owned.back());
  }
  return llvm::Error::success();
}

llvm::Error lq::writeImatrix(StringRef path, ArrayRef<ImatrixEntry> entries,
                             const ImatrixSource &source) {
  GgufWriter writer;
  writer.setMetadata("general.type", GgufValue("imatrix"));
  writer.setMetadata("imatrix.datasets", GgufValue(source.texts));
  writer.setMetadata("imatrix.chunk_count", GgufValue(source.chunks));
  writer.setMetadata("imatrix.chunk_size", GgufValue(source.chunkTokens));
  for (const ImatrixEntry &entry : entries) {
    auto bytes = entry.sumSquare.size() * sizeof(float);
    writer.addTensor(
        (entry.name + sumSuffix).str(), ggufF32, {entry.sumSquare.size(), 1},
        bytes, [&](GgufSink &sink) {
          return sink.write(std::string_view(
              reinterpret_cast<const char *>(entry.sumSquare.data()),
              entry.sumSquare.size() * sizeof(float)));
        });
    writer.addTensor(
        (entry.name + countSuffix).str(), ggufF32, {1, 1}, sizeof(float),
        [&](GgufSink &sink) {
          auto tokens = static_cast<float>(entry.tokens);
          return sink.write(std::string_view(
              reinterpret_cast<const char *>(&tokens), sizeof tokens));
        });
  }
  if (lq::Error error = writer.finish(path.str()))
    return createStringError(error.message());
  return llvm::Error::success();
}
