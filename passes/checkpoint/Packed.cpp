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
    if (!codesAreInOrder())
      takeInOrder(planes);
    readNumbers(first, planes);
  }

protected:
  virtual void readCodes(int64_t first, Planes &planes) const = 0;
  virtual uint8_t zeroPoint(int64_t row, int64_t group) const = 0;
  /// Whether the codes lie in the order of the planes, not of the columns.
  virtual bool codesAreInOrder() const { return order.empty(); }

  virtual void readNumbers(int64_t first, Planes &planes) const {
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
  /// groups; else equal groups, unless all matrices have the same.
  llvm::Error chooseGroup(StringRef suffix) {
    if (config.isUniform && config.bits != 0 && config.bits != bits)
      return fail(codesSuffix(), "has codes of " + Twine(bits) +
                                     " bits, but the configuration says " +
                                     Twine(config.bits) + ownConfiguration);
    int64_t configured = config.group;
    group = configured;
    if (groups == 1 && (group == 0 || group >= columns)) {
      group = FormatDescription::wholeRow;
      return llvm::Error::success();
    }
    if (group > 0 && llvm::divideCeilSigned(columns, group) == groups)
      return llvm::Error::success();
    group = columns / groups;
    if (columns % groups == 0 && !config.isUniform)
      return llvm::Error::success();
    return fail(suffix, "has " + Twine(groups) + " groups for " +
                            Twine(columns) + " columns, which the group_size " +
                            Twine(configured == 0 ? -1 : configured) +
                            " does not give" + ownConfiguration);
  }

  static constexpr llvm::StringLiteral ownConfiguration =
      "; the configuration must be the one that was saved with the checkpoint";

  StringRef codesSuffix() const {
    return packedSuffixes(config.method).front();
  }

  /// Takes the order of columns from the group of each, the tensor `suffix` if
  /// there is one: groups must be full, but for the last.
  llvm::Error openOrder(StringRef suffix) {
    if (!tensors.contains(suffix))
      return llvm::Error::success();
    const SafetensorsTensor *tensor = nullptr;
    if (llvm::Error error = require(suffix, 1, "I32", tensor))
      return error;
    if (static_cast<int64_t>(tensor->shape[0]) != columns)
      return fail(suffix, "has " + shapeText(*tensor) + " entries for " +
                              Twine(columns) + " columns");
    int64_t size = group == FormatDescription::wholeRow ? columns : group;
    std::vector<std::vector<int32_t>> members(groups);
    bool isUnset = true, isNatural = true;
    for (int64_t k = 0; k < columns; ++k) {
      auto g = static_cast<int32_t>(loadWord(tensor->bytes.data(), k));
      isUnset &= g == -1;
      isNatural &= g == k / size;
      if (g >= 0 && g < groups)
        members[g].push_back(static_cast<int32_t>(k));
      else if (g != -1 || !isUnset)
        return fail(suffix, "puts column " + Twine(k) + " into group " +
                                Twine(g) + ", of which there are " +
                                Twine(groups));
    }
    // compressed-tensors fills in -1 where there is no order.
    if (isUnset || isNatural)
      return llvm::Error::success();
    for (int64_t g = 0; g < groups; ++g) {
      int64_t expected = std::min(size, columns - g * size);
      if (static_cast<int64_t>(members[g].size()) != expected)
        return fail(suffix, "puts " + Twine(members[g].size()) +
                                " columns into group " + Twine(g) +
                                ", expected " + Twine(expected));
      order.insert(order.end(), members[g].begin(), members[g].end());
    }
    return llvm::Error::success();
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

private:
  /// Brings codes, read as they lie, into the order of the planes.
  void takeInOrder(Planes &planes) const {
    std::vector<uint8_t> row(columns);
    for (int64_t r = 0; r < planes.rows; ++r) {
      uint8_t *codes = planes.codes.data() + r * columns;
      std::copy_n(codes, columns, row.begin());
      for (int64_t j = 0; j < columns; ++j)
        codes[j] = row[order[j]];
    }
  }
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

//===----------------------------------------------------------------------===//
// EXL2: groups of columns, of falling bits; q_weight [words of all groups, N],
// streams along K; q_scale [G, N / 8], q_scale_max [G], q_groups [2 G] (bits,
// first line of q_weight), q_invperm [K]
//===----------------------------------------------------------------------===//

class Exl2Layout final : public LayoutBase {
public:
  using LayoutBase::LayoutBase;

  llvm::Error open() override {
    const SafetensorsTensor *places = nullptr, *inverse = nullptr;
    if (llvm::Error error = require("q_weight", 2, "I32", codes))
      return error;
    if (llvm::Error error = require("q_groups", 1, "I16", places))
      return error;
    if (llvm::Error error = require("q_invperm", 1, "I32", inverse))
      return error;
    rows = static_cast<int64_t>(codes->shape[1]);
    columns = static_cast<int64_t>(inverse->shape[0]);
    hasPaddedRows = true;
    if (llvm::Error error = readGroups(*places))
      return error;
    if (llvm::Error error = joinGroups())
      return error;
    if (llvm::Error error = readOrder(*inverse))
      return error;
    if (llvm::Error error = require("q_scale", 2, "I32", scales))
      return error;
    if (static_cast<int64_t>(scales->shape[0]) != groups ||
        static_cast<int64_t>(scales->shape[1]) * 8 != rows)
      return fail("q_scale", "is " + shapeText(*scales) + ", expected " +
                                 Twine(groups) + "x" + Twine(rows) + "/8");
    if (llvm::Error error = require("q_scale_max", 1, "F16", factors))
      return error;
    if (static_cast<int64_t>(factors->shape[0]) != groups)
      return fail("q_scale_max", "has " + shapeText(*factors) +
                                     " entries for " + Twine(groups) +
                                     " groups");
    return llvm::Error::success();
  }

protected:
  void readCodes(int64_t first, Planes &planes) const override {
    for (const Group &g : list)
      for (int64_t k = 0; k < g.columns; ++k)
        for (int64_t r = 0; r < planes.rows; ++r) {
          auto wordAt = [&](int64_t i) {
            return loadWord(codes->bytes.data(),
                            (g.firstLine + i) * rows + first + r);
          };
          planes.codes[r * columns + g.first + k] = fieldAt(wordAt, k, g.bits);
        }
  }

  void readNumbers(int64_t first, Planes &planes) const override {
    for (int64_t g = 0; g < groups; ++g)
      for (int64_t r = 0; r < planes.rows; ++r) {
        int64_t n = first + r;
        uint32_t word = loadWord(scales->bytes.data(), g * (rows / 8) + n / 8);
        planes.scale.integers[r * groups + g] = word >> (4 * (n % 8)) & 0xf;
        planes.scale.numbers[r * groups + g] = loadScalar(
            Scalar::F16,
            reinterpret_cast<const char *>(factors->bytes.data()) + 2 * g);
      }
  }

  uint8_t zeroPoint(int64_t, int64_t) const override { return 0; }
  bool codesAreInOrder() const override { return true; }

private:
  struct Group {
    unsigned bits;
    int64_t firstLine, first, columns;
  };

  /// Bits and columns of the groups, from where each begins.
  llvm::Error readGroups(const SafetensorsTensor &places) {
    auto field = [&](int64_t i) {
      uint16_t value;
      std::memcpy(&value, places.bytes.data() + i * 2, 2);
      return static_cast<int64_t>(value);
    };
    groups = static_cast<int64_t>(places.shape[0]) / 2;
    auto lines = static_cast<int64_t>(codes->shape[0]);
    if (groups == 0 || places.shape[0] % 2)
      return fail("q_groups", "has " + shapeText(places) +
                                  " entries, expected pairs of bits and lines");
    int64_t column = 0;
    for (int64_t g = 0; g < groups; ++g) {
      auto bits = static_cast<unsigned>(field(2 * g));
      int64_t line = field(2 * g + 1);
      int64_t end = g + 1 < groups ? field(2 * g + 3) : lines;
      if (bits == 0 || bits > 8 || (g == 0 && line != 0) || end <= line ||
          end > lines)
        return fail("q_groups", "says that group " + Twine(g) + " of " +
                                    Twine(bits) + " bits is lines " +
                                    Twine(line) + " to " + Twine(end) +
                                    " of q_weight, which has " + Twine(lines));
      // The last group has what is left; its last word may be padded.
      int64_t held = (end - line) * wordBits / bits;
      int64_t count = g + 1 < groups ? held : columns - column;
      if (count <= 0 || count > held ||
          llvm::divideCeilSigned(count * bits, wordBits) != end - line)
        return fail("q_groups", "does not make up the " + Twine(columns) +
                                    " columns of q_invperm");
      list.push_back({bits, line, column, count});
      column += count;
    }
    return llvm::Error::success();
  }

  /// Joins groups of the same bits and columns to runs; the last of a run may
  /// have fewer columns.
  llvm::Error joinGroups() {
    bool isOpen = false;
    for (const Group &g : list) {
      if (isOpen && runs.back().bits == g.bits &&
          g.columns <= runs.back().group) {
        runs.back().columns += g.columns;
        isOpen = g.columns == runs.back().group;
        continue;
      }
      int64_t unit = g.bits == 2 ? 16 : 32;
      if (g.columns % unit != 0 || g.bits == 7 || g.bits < 2 ||
          (!runs.empty() && g.bits > runs.back().bits))
        return fail("q_groups", "has a group of " + Twine(g.columns) +
                                    " columns of " + Twine(g.bits) +
                                    " bits; expected falling bits and a "
                                    "multiple of " +
                                    Twine(unit) + " columns");
      runs.push_back({g.columns, g.bits, g.columns});
      isOpen = true;
    }
    return llvm::Error::success();
  }

  /// Column k of the weight lies at position q_invperm[k].
  llvm::Error readOrder(const SafetensorsTensor &inverse) {
    order.assign(columns, -1);
    bool isNatural = true;
    for (int64_t k = 0; k < columns; ++k) {
      auto at = static_cast<int32_t>(loadWord(inverse.bytes.data(), k));
      if (at < 0 || at >= columns || order[at] != -1)
        return fail("q_invperm", "is no permutation: it puts column " +
                                     Twine(k) + " to " + Twine(at));
      order[at] = static_cast<int32_t>(k);
      isNatural &= at == k;
    }
    if (isNatural)
      order.clear();
    return llvm::Error::success();
  }

  const SafetensorsTensor *codes = nullptr, *factors = nullptr;
  std::vector<Group> list;
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
  std::unique_ptr<LayoutBase> layout;
  if (config.method == PackingMethod::Gptq)
    layout = std::make_unique<GptqLayout>(config, module, tensors);
  else if (config.method == PackingMethod::Awq)
    layout = std::make_unique<AwqLayout>(config, module, tensors);
  else if (config.method == PackingMethod::Exl2)
    layout = std::make_unique<Exl2Layout>(config, module, tensors);
  else
    layout = std::make_unique<CompressedLayout>(config, module, tensors);
  if (llvm::Error error = layout->open())
    return std::move(error);
  return std::unique_ptr<PackedMatrix>(std::move(layout));
}
