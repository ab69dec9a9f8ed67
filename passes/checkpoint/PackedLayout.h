//===- PackedLayout.h - what readers of packed matrices share ---*- C++ -*-===//

#ifndef LQ_PASSES_CHECKPOINT_PACKEDLAYOUT_H
#define LQ_PASSES_CHECKPOINT_PACKEDLAYOUT_H

#include "dialects/lq/Scalars.h"
#include "passes/checkpoint/Packed.h"

#include "llvm/Support/MathExtras.h"

namespace lq::checkpoint {

/// Bits of the words that codes are packed into.
inline constexpr int64_t wordBits = 32;

inline uint32_t loadWord(const uint8_t *words, int64_t i) {
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

inline std::optional<Scalar> scalarOf(llvm::StringRef type) {
  if (type == "F16")
    return Scalar::F16;
  if (type == "BF16")
    return Scalar::BF16;
  if (type == "F32")
    return Scalar::F32;
  return std::nullopt;
}

inline std::string shapeText(const SafetensorsTensor &tensor) {
  std::string text;
  for (uint64_t size : tensor.shape)
    text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}

/// What the layouts share: the tensors, checks of them, and scales that lie as
/// [groups, rows] or [rows, groups].
class PackedLayout : public PackedMatrix {
public:
  PackedLayout(const QuantizationConfig &config, llvm::StringRef module,
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

  llvm::Error fail(llvm::StringRef suffix, const llvm::Twine &reason) const {
    return llvm::createStringError(
        llvm::inconvertibleErrorCode(),
        "tensor " + quoted((module + "." + suffix).str()) + " " + reason);
  }

  /// Finds the tensor called `suffix`, which must have the rank and type.
  llvm::Error require(llvm::StringRef suffix, size_t rank, llvm::StringRef type,
                      const SafetensorsTensor *&tensor) const {
    tensor = tensors.lookup(suffix);
    if (!tensor)
      return fail(suffix, "is missing beside the other tensors of the module");
    if (tensor->shape.size() != rank || (!type.empty() && tensor->type != type))
      return fail(suffix,
                  "is " + shapeText(*tensor) + " of " + tensor->type +
                      ", expected " + llvm::Twine(rank) + " dimensions of " +
                      (type.empty() ? llvm::StringRef("numbers") : type));
    for (uint64_t size : tensor->shape)
      if (size == 0 || size > (1u << 30))
        return fail(suffix, "has the shape " + shapeText(*tensor) +
                                ", expected sizes of 1 to 2^30");
    return llvm::Error::success();
  }

  llvm::Error expectShape(llvm::StringRef suffix,
                          const SafetensorsTensor &tensor, int64_t first,
                          int64_t second) const {
    if (static_cast<int64_t>(tensor.shape[0]) == first &&
        static_cast<int64_t>(tensor.shape[1]) == second)
      return llvm::Error::success();
    return fail(suffix, "is " + shapeText(tensor) + ", but a weight of " +
                            llvm::Twine(rows) + " x " + llvm::Twine(columns) +
                            " with " + llvm::Twine(bits) + " bits and " +
                            llvm::Twine(groups) + " groups needs " +
                            llvm::Twine(first) + "x" + llvm::Twine(second));
  }

  /// Takes the scales, of which there are `groups` a row.
  llvm::Error openScales(llvm::StringRef suffix, bool byRow) {
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
  llvm::Error chooseGroup(llvm::StringRef suffix) {
    if (config.isUniform && config.bits != 0 && config.bits != bits)
      return fail(codesSuffix(), "has codes of " + llvm::Twine(bits) +
                                     " bits, but the configuration says " +
                                     llvm::Twine(config.bits) +
                                     ownConfiguration);
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
    return fail(suffix, "has " + llvm::Twine(groups) + " groups for " +
                            llvm::Twine(columns) +
                            " columns, which the group_size " +
                            llvm::Twine(configured == 0 ? -1 : configured) +
                            " does not give" + ownConfiguration);
  }

  static constexpr llvm::StringLiteral ownConfiguration =
      "; the configuration must be the one that was saved with the checkpoint";

  llvm::StringRef codesSuffix() const {
    return packedSuffixes(config.method).front();
  }

  /// Takes the order of columns from the group of each, the tensor `suffix` if
  /// there is one: groups must be full, but for the last.
  llvm::Error openOrder(llvm::StringRef suffix) {
    if (!tensors.contains(suffix))
      return llvm::Error::success();
    const SafetensorsTensor *tensor = nullptr;
    if (llvm::Error error = require(suffix, 1, "I32", tensor))
      return error;
    if (static_cast<int64_t>(tensor->shape[0]) != columns)
      return fail(suffix, "has " + shapeText(*tensor) + " entries for " +
                              llvm::Twine(columns) + " columns");
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
        return fail(suffix, "puts column " + llvm::Twine(k) + " into group " +
                                llvm::Twine(g) + ", of which there are " +
                                llvm::Twine(groups));
    }
    // compressed-tensors fills in -1 where there is no order.
    if (isUnset || isNatural)
      return llvm::Error::success();
    for (int64_t g = 0; g < groups; ++g) {
      int64_t expected = std::min(size, columns - g * size);
      if (static_cast<int64_t>(members[g].size()) != expected)
        return fail(suffix, "puts " + llvm::Twine(members[g].size()) +
                                " columns into group " + llvm::Twine(g) +
                                ", expected " + llvm::Twine(expected));
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

/// The layout of exllamav2, whose codes have several numbers of bits.
std::unique_ptr<PackedLayout> makeExl2Layout(const QuantizationConfig &config,
                                             llvm::StringRef module,
                                             const ModuleTensors &tensors);

} // namespace lq::checkpoint

#endif // LQ_PASSES_CHECKPOINT_PACKEDLAYOUT_H
