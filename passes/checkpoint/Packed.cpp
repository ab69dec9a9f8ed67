//===- Packed.cpp - quantized matrices of Hugging Face checkpoints --------===//

#include "passes/checkpoint/Packed.h"
#include "dialects/lq/Scalars.h"

#include "llvm/Support/MathExtras.h"

using namespace lq;
using namespace lq::checkpoint;
using llvm::StringRef;
using llvm::Twine;

namespace {

constexpr int64_t wordBits = 32;

uint32_t loadWord(const uint8_t *words, int64_t i) {
  uint32_t word;
  std::memcpy(&word, words + i * sizeof(word), sizeof(word));
  return word;
}

/// Field `i` of `bits` bits of a stream of words, low bits first; `wordAt(j)` is
/// the stream's word j.
template <typename WordAt>
uint8_t fieldAt(WordAt wordAt, int64_t i, unsigned bits) {
  int64_t position = i * bits;
  auto shift = static_cast<unsigned>(position % wordBits);
  uint32_t field = wordAt(position / wordBits) >> shift;
  if (shift + bits > wordBits)
    field |= wordAt(position / wordBits + 1) << (wordBits - shift);
  return static_cast<uint8_t>(field & ((1u << bits) - 1));
}

std::optional<Scalar> scalarOf(StringRef type) {
  if (type == "F16")
    return Scalar::F16;
  if (type == "BF16")
    return Scalar::BF16;
  if (type == "F32")
    return Scalar::F32;
  return std::nullopt;
}

std::string shapeText(const SafetensorsTensor &tensor) {
  std::string text;
  for (uint64_t size : tensor.shape)
    text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}

/// What the layouts share: the tensors, checks of them, and scales that lie as
/// [groups, rows] or [rows, groups].
class LayoutBase : public PackedMatrix {
public:
  LayoutBase(const QuantizationConfig &config, StringRef module,
             const ModuleTensors &tensors)
      : config(config), module(module), tensors(tensors) {}
  virtual llvm::Error open() = 0;

  void read(int64_t first, Planes &planes) const override {
    readCodes(first, planes);
    for (int64_t r = 0; r < planes.rows; ++r)
      for (int64_t g = 0; g < groups; ++g) {
        int64_t row = first + r, at = r * groups + g;
        int64_t from = scalesByRow ? row * groups + g : g * rows + row;
        planes.scale.numbers[at] = loadScalar(
            scaleType, reinterpret_cast<const char *>(scales->bytes.data()) +
                           from * byteWidth(scaleType));
        if (hasZeroPoints)
          planes.offset.integers[at] = zeroPoint(row, g);
      }
  }

protected:
  virtual void readCodes(int64_t first, Planes &planes) const = 0;
  virtual uint8_t zeroPoint(int64_t row, int64_t group) const = 0;

  llvm::Error fail(StringRef suffix, const Twine &reason) const {
    return llvm::createStringError(
        llvm::inconvertibleErrorCode(),
        "tensor " + quoted((module + "." + suffix).str()) + " " + reason);
  }

  /// Finds the tensor called `suffix`, which must have the rank and type.
  llvm::Error require(StringRef suffix, size_t rank, StringRef type,
                      const SafetensorsTensor *&tensor) const {
    tensor = tensors.lookup(suffix);
    if (!tensor)
      return fail(suffix, "is missing beside the other tensors of the module");
    if (tensor->shape.size() != rank || (!type.empty() && tensor->type != type))
      return fail(suffix, "is " + shapeText(*tensor) + " of " + tensor->type +
                              ", expected " + Twine(rank) + " dimensions of " +
                              (type.empty() ? StringRef("numbers") : type));
    for (uint64_t size : tensor->shape)
      if (size == 0 || size > (1u << 30))
        return fail(suffix, "has the shape " + shapeText(*tensor) +
                                ", expected sizes of 1 to 2^30");
    return llvm::Error::success();
  }

  llvm::Error expectShape(StringRef suffix, const SafetensorsTensor &tensor,
                          int64_t first, int64_t second) const {
    if (static_cast<int64_t>(tensor.shape[0]) == first &&
        static_cast<int64_t>(tensor.shape[1]) == second)
      return llvm::Error::success();
    return fail(suffix, "is " + shapeText(tensor) + ", but a weight of " +
                            Twine(rows) + " x " + Twine(columns) + " with " +
                            Twine(bits) + " bits and " + Twine(groups) +
                            " groups needs " + Twine(first) + "x" +
                            Twine(second));
  }

  /// Takes the scales, of which there are `groups` a row.
  llvm::Error openScales(StringRef suffix, bool byRow) {
    if (llvm::Error error = require(suffix, 2, "", scales))
      return error;
    std::optional<Scalar> type = scalarOf(scales->type);
    if (!type)
      return fail(suffix, "has the type " + scales->type +
                              ", expected F16, BF16 or F32");
    scaleType = *type;
    scalesByRow = byRow;
    groups = static_cast<int64_t>(scales->shape[byRow ? 1 : 0]);
    return expectShape(suffix, *scales, byRow ? rows : groups,
                       byRow ? groups : rows);
  }

  /// The columns of a group: what the configuration says if that gives as many
  /// groups, else equal groups.
  llvm::Error chooseGroup(StringRef suffix, int64_t configured) {
    group = configured;
    if (groups == 1 && (group == 0 || group >= columns)) {
      group = FormatDescription::wholeRow;
      return llvm::Error::success();
    }
    if (group > 0 && llvm::divideCeilSigned(columns, group) == groups)
      return llvm::Error::success();
    group = columns / groups;
    if (columns % groups == 0)
      return llvm::Error::success();
    return fail(suffix, "has " + Twine(groups) + " groups for " +
                            Twine(columns) + " columns, which the group_size " +
                            Twine(configured) + " does not give");
  }

  /// Whether any zero point is not in the middle.
  void lookForZeroPoints() {
    for (int64_t row = 0; row < rows && !hasZeroPoints; ++row)
      for (int64_t g = 0; g < groups; ++g)
        hasZeroPoints |= zeroPoint(row, g) != 1u << (bits - 1);
  }

  const QuantizationConfig &config;
  std::string module;
  const ModuleTensors &tensors;
  const SafetensorsTensor *scales = nullptr;
  bool scalesByRow = false;
};

//===----------------------------------------------------------------------===//
// GPTQ: qweight [K b / 32, N], streams along K; qzeros [G, N b / 32], along N
//===----------------------------------------------------------------------===//

class GptqLayout final : public LayoutBase {
public:
  using LayoutBase::LayoutBase;

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
    if (llvm::Error error = chooseGroup("scales", config.group))
      return error;
    if (llvm::Error error = checkOrder())
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

  /// Groups must be runs of columns.
  llvm::Error checkOrder() const {
    if (!tensors.contains("g_idx"))
      return llvm::Error::success();
    const SafetensorsTensor *order = nullptr;
    if (llvm::Error error = require("g_idx", 1, "I32", order))
      return error;
    if (static_cast<int64_t>(order->shape[0]) != columns)
      return fail("g_idx", "has " + shapeText(*order) + " entries for " +
                               Twine(columns) + " columns");
    int64_t size = group == FormatDescription::wholeRow ? columns : group;
    for (int64_t k = 0; k < columns; ++k)
      if (loadWord(order->bytes.data(), k) != k / size)
        return fail("g_idx",
                    "puts column " + Twine(k) + " into group " +
                        Twine(loadWord(order->bytes.data(), k)) +
                        ": columns ordered by activation (desc_act) are not "
                        "supported; quantize with desc_act=false or static "
                        "groups");
    return llvm::Error::success();
  }

  const SafetensorsTensor *codes = nullptr, *zeros = nullptr;
};

//===----------------------------------------------------------------------===//
// AWQ "gemm": qweight [K, N / 8], qzeros [G, N / 8], 4 bits
//===----------------------------------------------------------------------===//

class AwqLayout final : public LayoutBase {
public:
  using LayoutBase::LayoutBase;

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
    if (llvm::Error error = chooseGroup("scales", config.group))
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

class CompressedLayout final : public LayoutBase {
public:
  using LayoutBase::LayoutBase;

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
    if (llvm::Error error = chooseGroup("weight_scale", 0))
      return error;
    if (llvm::Error error = checkOrder())
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
    for (unsigned each : {2, 4, 8}) {
      bits = each;
      if (wordCount(columns) == static_cast<int64_t>(codes->shape[1]))
        return llvm::Error::success();
    }
    return fail("weight_packed", "is " + shapeText(*codes) + ", which " +
                                     Twine(columns) +
                                     " columns of 2, 4 or 8 bits do not give");
  }

  llvm::Error checkOrder() const {
    if (!tensors.contains("weight_g_idx"))
      return llvm::Error::success();
    const SafetensorsTensor *order = nullptr;
    if (llvm::Error error = require("weight_g_idx", 1, "I32", order))
      return error;
    int64_t size = group == FormatDescription::wholeRow ? columns : group;
    bool inOrder = static_cast<int64_t>(order->shape[0]) == columns;
    for (int64_t k = 0; inOrder && k < columns; ++k)
      inOrder = loadWord(order->bytes.data(), k) == k / size;
    if (inOrder)
      return llvm::Error::success();
    return fail("weight_g_idx",
                "orders columns by activation (actorder \"group\"), which is "
                "not supported; quantize with actorder \"weight\" or none");
  }

  const SafetensorsTensor *codes = nullptr, *zeros = nullptr;
};

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
  }
  return {};
}

llvm::Expected<std::unique_ptr<PackedMatrix>>
checkpoint::openPacked(const QuantizationConfig &config, StringRef module,
                       const ModuleTensors &tensors) {
  std::unique_ptr<LayoutBase> layout;
  if (config.method == PackingMethod::Gptq)
    layout = std::make_unique<GptqLayout>(config, module, tensors);
  else if (config.method == PackingMethod::Awq)
    layout = std::make_unique<AwqLayout>(config, module, tensors);
  else
    layout = std::make_unique<CompressedLayout>(config, module, tensors);
  if (llvm::Error error = layout->open())
    return std::move(error);
  return std::unique_ptr<PackedMatrix>(std::move(layout));
}
