//===- Packed.cpp - quantized matrices of Hugging Face checkpoints --------===//

#include "passes/checkpoint/PackedLayout.h"

using namespace lq;
using namespace lq::checkpoint;
using llvm::StringRef;
using llvm::Twine;

namespace {

//===----------------------------------------------------------------------===//
// GPTQ: qweight [K b / 32, N], streams along K; qzeros [G, N b / 32], along N
//===----------------------------------------------------------------------===//

class GptqLayout final : public PackedLayout {
public:
  using PackedLayout::PackedLayout;

  llvm::Error open() override {
    if (llvm::Error error = require("qweight", 2, "I32", codes))
      return error;
    if (llvm::Error error = require("qzeros", 2, "I32", zeros))
      return error;
    rows = static_cast<int64_t>(codes->shape[1]);
    int64_t zeroBits = static_cast<int64_t>(zeros->shape[1]) * wordBits;
    bits = static_cast<unsigned>(std::min<int64_t>(zeroBits / rows, 9));
    if (bits < 2 || bits > 8 || zeroBits % rows != 0)
      return fail("qzeros", "is " + shapeText(*zeros) +
                                " beside a qweight of " + shapeText(*codes) +
                                ", which no number of bits gives");
    columns = static_cast<int64_t>(codes->shape[0]) * wordBits / bits;
    if (columns * bits != static_cast<int64_t>(codes->shape[0]) * wordBits)
      return fail("qweight", "is " + shapeText(*codes) +
                                 ", no whole number of " + Twine(bits) +
                                 "-bit codes");
    if (llvm::Error error = openScales("scales", /*byRow=*/false))
      return error;
    if (llvm::Error error =
            expectShape("qzeros", *zeros, groups, rows * bits / wordBits))
      return error;
    if (llvm::Error error = chooseGroup("scales"))
      return error;
    if (llvm::Error error = openOrder("g_idx"))
      return error;
    if (llvm::Error error = checkZeroPoints())
      return error;
    lookForZeroPoints();
    return llvm::Error::success();
  }

protected:
  void readCodes(int64_t first, Planes &planes) const override {
    const uint8_t *words = codes->bytes.data();
    // Columns in blocks, so that a line of words serves neighbouring rows.
    for (int64_t k0 = 0; k0 < columns; k0 += wordBits)
      for (int64_t r = 0; r < planes.rows; ++r) {
        auto wordAt = [&](int64_t i) {
          return loadWord(words, i * rows + first + r);
        };
        int64_t last = std::min(k0 + wordBits, columns);
        for (int64_t k = k0; k < last; ++k)
          planes.codes[r * columns + k] = fieldAt(wordAt, k, bits);
      }
  }

  uint8_t zeroPoint(int64_t row, int64_t g) const override {
    int64_t wordsOfGroup = rows * bits / wordBits;
    // All fields of a word at once: a zero point of 0 was stored with a borrow
    // from the next field.
    uint32_t ones = 0;
    if (config.zeroPointsLessOne && wordBits % bits == 0)
      for (unsigned shift = 0; shift < wordBits; shift += bits)
        ones |= 1u << shift;
    uint8_t field = fieldAt(
        [&](int64_t i) {
          return loadWord(zeros->bytes.data(), g * wordsOfGroup + i) + ones;
        },
        row, bits);
    return config.zeroPointsLessOne && ones == 0
               ? static_cast<uint8_t>(field + 1)
               : field;
  }

private:
  /// Fields that cross words were stored less one each.
  llvm::Error checkZeroPoints() const {
    if (!config.zeroPointsLessOne || wordBits % bits == 0)
      return llvm::Error::success();
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t g = 0; g < groups; ++g)
        if (zeroPoint(row, g) >> bits)
          return fail("qzeros", "has a zero point of " + Twine(1 << bits) +
                                    " for row " + Twine(row) + ", which " +
                                    Twine(bits) +
                                    " bits cannot hold; convert the checkpoint "
                                    "to gptq_v2");
    return llvm::Error::success();
  }

  const SafetensorsTensor *codes = nullptr, *zeros = nullptr;
};

//===----------------------------------------------------------------------===//
// AWQ "gemm": qweight [K, N / 8], qzeros [G, N / 8], 4 bits
//===----------------------------------------------------------------------===//

class AwqLayout final : public PackedLayout {
public:
  using PackedLayout::PackedLayout;

  llvm::Error open() override {
    if (llvm::Error error = require("qweight", 2, "I32", codes))
      return error;
    if (llvm::Error error = require("qzeros", 2, "I32", zeros))
      return error;
    bits = 4;
    rows = static_cast<int64_t>(codes->shape[1]) * 8;
    columns = static_cast<int64_t>(codes->shape[0]);
    if (llvm::Error error = openScales("scales", /*byRow=*/false))
      return error;
    if (llvm::Error error = expectShape("qzeros", *zeros, groups, rows / 8))
      return error;
    if (llvm::Error error = chooseGroup("scales"))
      return error;
    lookForZeroPoints();
    return llvm::Error::success();
  }

protected:
  /// Row n of the weight, in line k (of columns or groups) of `tensor`.
  uint8_t fieldOf(const SafetensorsTensor &tensor, int64_t k, int64_t n) const {
    // Nibble i of a word is row [0, 2, 4, 6, 1, 3, 5, 7][i] of its eight.
    constexpr unsigned nibbleOf[] = {0, 4, 1, 5, 2, 6, 3, 7};
    uint32_t word = loadWord(tensor.bytes.data(), k * (rows / 8) + n / 8);
    return word >> (4 * nibbleOf[n % 8]) & 0xf;
  }

  void readCodes(int64_t first, Planes &planes) const override {
    for (int64_t k = 0; k < columns; ++k)
      for (int64_t r = 0; r < planes.rows; ++r)
        planes.codes[r * columns + k] = fieldOf(*codes, k, first + r);
  }

  uint8_t zeroPoint(int64_t row, int64_t g) const override {
    return fieldOf(*zeros, g, row);
  }

private:
  const SafetensorsTensor *codes = nullptr, *zeros = nullptr;
};

//===----------------------------------------------------------------------===//
// compressed-tensors: weight_packed [N, K b / 32], along K, values plus half of
// the range; weight_zero_point [N b / 32, G], along N
//===----------------------------------------------------------------------===//

class CompressedLayout final : public PackedLayout {
public:
  using PackedLayout::PackedLayout;

  llvm::Error open() override {
    const SafetensorsTensor *shape = nullptr;
    if (llvm::Error error = require("weight_packed", 2, "I32", codes))
      return error;
    if (llvm::Error error = require("weight_shape", 1, "", shape))
      return error;
    if (llvm::Error error = readShape(*shape))
      return error;
    if (llvm::Error error = openScales("weight_scale", /*byRow=*/true))
      return error;
    if (llvm::Error error = chooseGroup("weight_scale"))
      return error;
    if (llvm::Error error = openOrder("weight_g_idx"))
      return error;
    if (!tensors.contains("weight_zero_point"))
      return llvm::Error::success();
    if (llvm::Error error = require("weight_zero_point", 2, "I32", zeros))
      return error;
    if (llvm::Error error =
            expectShape("weight_zero_point", *zeros, wordCount(rows), groups))
      return error;
    lookForZeroPoints();
    return llvm::Error::success();
  }

protected:
  void readCodes(int64_t first, Planes &planes) const override {
    int64_t words = wordCount(columns);
    for (int64_t r = 0; r < planes.rows; ++r) {
      auto wordAt = [&](int64_t i) {
        return loadWord(codes->bytes.data(), (first + r) * words + i);
      };
      for (int64_t k = 0; k < columns; ++k)
        planes.codes[r * columns + k] = fieldAt(wordAt, k, bits);
    }
  }

  uint8_t zeroPoint(int64_t row, int64_t g) const override {
    return fieldAt(
        [&](int64_t i) {
          return loadWord(zeros->bytes.data(), i * groups + g);
        },
        row, bits);
  }

private:
  int64_t wordCount(int64_t fields) const {
    return llvm::divideCeilSigned(fields * bits, wordBits);
  }

  llvm::Error readShape(const SafetensorsTensor &tensor) {
    bool wide = tensor.type == "I64";
    if ((!wide && tensor.type != "I32") || tensor.shape[0] != 2)
      return fail("weight_shape", "is " + shapeText(tensor) + " of " +
                                      tensor.type + ", expected 2 integers");
    int64_t sizes[2];
    for (int i : {0, 1})
      if (wide)
        std::memcpy(&sizes[i], tensor.bytes.data() + i * 8, 8);
      else
        sizes[i] = loadWord(tensor.bytes.data(), i);
    rows = sizes[0];
    columns = sizes[1];
    if (rows < 1 || columns < 1 || columns > 1 << 30 ||
        rows != static_cast<int64_t>(codes->shape[0]))
      return fail("weight_shape",
                  "says " + Twine(rows) + " x " + Twine(columns) +
                      " beside a weight_packed of " + shapeText(*codes));
    bool isKnown = config.isUniform && config.bits != 0;
    // From 32 columns on, each number of bits gives another number of words.
    unsigned fitting = 0, found = 0;
    for (bits = 2; bits <= 8; ++bits)
      if ((!isKnown || bits == config.bits) &&
          wordCount(columns) == static_cast<int64_t>(codes->shape[1])) {
        found = bits;
        ++fitting;
      }
    bits = found;
    if (fitting == 1)
      return llvm::Error::success();
    return fail("weight_packed",
                "is " + shapeText(*codes) + ", which " + Twine(columns) +
                    " columns of " +
                    (fitting ? "several numbers of bits give"
                             : (isKnown ? std::to_string(config.bits)
                                        : std::string("2 to 8")) +
                                   " bits do not give"));
  }

  const SafetensorsTensor *codes = nullptr, *zeros = nullptr;
};

constexpr llvm::StringLiteral exl2Suffixes[] = {
    "q_weight", "q_scale", "q_scale_max", "q_groups", "q_invperm", "q_perm"};
constexpr llvm::StringLiteral gptqSuffixes[] = {"qweight", "qzeros", "scales",
                                                "g_idx"};
constexpr llvm::StringLiteral awqSuffixes[] = {"qweight", "qzeros", "scales"};
constexpr llvm::StringLiteral compressedSuffixes[] = {
    "weight_packed", "weight_scale", "weight_zero_point", "weight_shape",
    "weight_g_idx"};

} // namespace

llvm::ArrayRef<llvm::StringLiteral>
checkpoint::packedSuffixes(PackingMethod method) {
  switch (method) {
  case PackingMethod::None:
    return {};
  case PackingMethod::Gptq:
    return gptqSuffixes;
  case PackingMethod::Awq:
    return awqSuffixes;
  case PackingMethod::CompressedTensors:
    return compressedSuffixes;
  case PackingMethod::Exl2:
    return exl2Suffixes;
  }
  return {};
}

llvm::Expected<std::unique_ptr<PackedMatrix>>
checkpoint::openPacked(const QuantizationConfig &config, StringRef module,
                       const ModuleTensors &tensors) {
  std::unique_ptr<PackedLayout> layout;
  if (config.method == PackingMethod::Gptq)
    layout = std::make_unique<GptqLayout>(config, module, tensors);
  else if (config.method == PackingMethod::Awq)
    layout = std::make_unique<AwqLayout>(config, module, tensors);
  else if (config.method == PackingMethod::Exl2)
    layout = makeExl2Layout(config, module, tensors);
  else
    layout = std::make_unique<CompressedLayout>(config, module, tensors);
  if (llvm::Error error = layout->open())
    return std::move(error);
  return std::unique_ptr<PackedMatrix>(std::move(layout));
}
