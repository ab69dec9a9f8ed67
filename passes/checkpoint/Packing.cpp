//===- Packing.cpp - words of quantized matrices, to be written -----------===//

#include "passes/checkpoint/Packing.h"
#include "dialects/lq/Scalars.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace lq;
using namespace lq::checkpoint;

static constexpr int64_t wordBits = 32;

namespace {

/// A field of a matrix of integers.
using FieldAt = llvm::function_ref<unsigned(int64_t row, int64_t column)>;

template <typename T> std::string asBytes(const std::vector<T> &values) {
  return {reinterpret_cast<const char *>(values.data()),
          values.size() * sizeof(T)};
}

/// Rows of fields as rows of words, streams with low bits first.
std::vector<uint32_t> packRows(int64_t rows, int64_t columns, unsigned bits,
                               FieldAt fieldAt) {
  int64_t words = llvm::divideCeilSigned(columns * bits, wordBits);
  std::vector<uint32_t> packed(rows * words);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      uint64_t field = uint64_t(fieldAt(r, c)) << (c * bits % wordBits);
      int64_t word = r * words + c * bits / wordBits;
      packed[word] |= static_cast<uint32_t>(field);
      if (field >> wordBits)
        packed[word + 1] |= static_cast<uint32_t>(field >> wordBits);
    }
  return packed;
}

/// Columns of fields as columns of words: what packRows gives for the
/// transpose, transposed.
std::vector<uint32_t> packColumns(int64_t rows, int64_t columns, unsigned bits,
                                  FieldAt fieldAt) {
  std::vector<uint32_t> packed = packRows(
      columns, rows, bits, [&](int64_t c, int64_t r) { return fieldAt(r, c); });
  int64_t words = llvm::divideCeilSigned(rows * bits, wordBits);
  std::vector<uint32_t> result(packed.size());
  for (int64_t c = 0; c < columns; ++c)
    for (int64_t w = 0; w < words; ++w)
      result[w * columns + c] = packed[c * words + w];
  return result;
}

/// Packs one matrix.
class Packer {
public:
  Packer(const FormatDescription &format, const Planes &planes,
         llvm::ArrayRef<int32_t> order)
      : format(format), planes(planes),
        groups(format.groupCount(planes.columns)), order(order),
        place(planes.columns) {
    for (int64_t j = 0; j < planes.columns; ++j)
      place[order.empty() ? j : order[j]] = static_cast<int32_t>(j);
  }

  llvm::Expected<std::vector<PackedTensor>> gptq();
  llvm::Expected<std::vector<PackedTensor>> awq();
  llvm::Expected<std::vector<PackedTensor>> compressed();
  llvm::Expected<std::vector<PackedTensor>> exl2();

private:
  bool hasZeroPoints() const { return format.offset.exists(); }
  /// The code of the model's column k.
  unsigned code(int64_t n, int64_t k) const {
    return planes.codes[n * planes.columns + place[k]];
  }
  unsigned zero(int64_t n, int64_t g) const {
    return hasZeroPoints() ? planes.offset.integers[n * groups + g]
                           : static_cast<unsigned>(format.zero);
  }
  void add(std::string suffix, std::string type, std::vector<int64_t> shape,
           std::string bytes) {
    tensors.push_back({std::move(suffix), std::move(type),
                       std::vector<uint64_t>(shape.begin(), shape.end()),
                       std::move(bytes)});
  }
  llvm::Error addScales();
  /// The group of each of the model's columns.
  std::string groupIndices() const;
  void addRun(const FormatRun &run, int64_t paddedRows,
              std::vector<uint32_t> &words, std::vector<int16_t> &starts);

  const FormatDescription &format;
  const Planes &planes;
  int64_t groups;
  /// The model's column at each place of the planes (empty: the same), and the
  /// place of each of the model's columns.
  llvm::ArrayRef<int32_t> order;
  std::vector<int32_t> place;
  std::vector<PackedTensor> tensors;
};

} // namespace

/// Scales [groups, rows] in f16.
llvm::Error Packer::addScales() {
  std::vector<uint16_t> scales(groups * planes.rows);
  for (int64_t n = 0; n < planes.rows; ++n)
    for (int64_t g = 0; g < groups; ++g) {
      float scale = planes.scale.numbers[n * groups + g];
      uint16_t half = narrowF16(scale);
      if (widenF16(half) != scale && scale == scale)
        return llvm::createStringError(
            "the scale %g of row %lld is no f16, which the library needs",
            static_cast<double>(scale), static_cast<long long>(n));
      scales[g * planes.rows + n] = half;
    }
  add("scales", "F16", {groups, planes.rows}, asBytes(scales));
  return llvm::Error::success();
}

std::string Packer::groupIndices() const {
  std::vector<int32_t> indices(planes.columns);
  for (auto [index, at] : llvm::zip_equal(indices, place))
    index = static_cast<int32_t>(at / format.groupColumns(planes.columns));
  return asBytes(indices);
}

llvm::Expected<std::vector<PackedTensor>> Packer::gptq() {
  int64_t rows = planes.rows, columns = planes.columns;
  // Version 1 stores zero points less one; in the middle, none is 0.
  unsigned less = hasZeroPoints() ? 0 : 1;
  add("qweight", "I32", {columns * format.bits / wordBits, rows},
      asBytes(packColumns(columns, rows, format.bits,
                          [&](int64_t k, int64_t n) { return code(n, k); })));
  add("qzeros", "I32", {groups, rows * format.bits / wordBits},
      asBytes(packRows(groups, rows, format.bits, [&](int64_t g, int64_t n) {
        return zero(n, g) - less;
      })));
  add("g_idx", "I32", {columns}, groupIndices());
  if (llvm::Error error = addScales())
    return std::move(error);
  return std::move(tensors);
}

llvm::Expected<std::vector<PackedTensor>> Packer::awq() {
  if (!order.empty())
    return llvm::createStringError(
        "its columns are in an order of their own, which the library cannot "
        "say");
  int64_t rows = planes.rows, columns = planes.columns;
  // Nibble i of a word is row rowOfNibble[i] of its eight.
  constexpr int64_t rowOfNibble[] = {0, 2, 4, 6, 1, 3, 5, 7};
  auto rowOf = [&](int64_t field) {
    return field / 8 * 8 + rowOfNibble[field % 8];
  };
  add("qweight", "I32", {columns, rows / 8},
      asBytes(packRows(columns, rows, 4, [&](int64_t k, int64_t field) {
        return code(rowOf(field), k);
      })));
  add("qzeros", "I32", {groups, rows / 8},
      asBytes(packRows(groups, rows, 4, [&](int64_t g, int64_t field) {
        return zero(rowOf(field), g);
      })));
  if (llvm::Error error = addScales())
    return std::move(error);
  return std::move(tensors);
}

llvm::Expected<std::vector<PackedTensor>> Packer::compressed() {
  int64_t rows = planes.rows, columns = planes.columns;
  auto words = [&](int64_t fields) {
    return llvm::divideCeilSigned(fields * format.bits, wordBits);
  };
  add("weight_packed", "I32", {rows, words(columns)},
      asBytes(packRows(rows, columns, format.bits,
                       [&](int64_t n, int64_t k) { return code(n, k); })));
  if (hasZeroPoints())
    add("weight_zero_point", "I32", {words(rows), groups},
        asBytes(packColumns(rows, groups, format.bits,
                            [&](int64_t n, int64_t g) { return zero(n, g); })));
  int64_t width = byteWidth(format.scale.type);
  std::string scales(planes.scale.numbers.size() * width, '\0');
  for (size_t i = 0; i < planes.scale.numbers.size(); ++i)
    storeScalar(format.scale.type, planes.scale.numbers[i],
                scales.data() + i * width);
  add("weight_scale", scalarName(format.scale.type).upper(), {rows, groups},
      std::move(scales));
  add("weight_shape", "I64", {2}, asBytes(std::vector<int64_t>{rows, columns}));
  if (!order.empty())
    add("weight_g_idx", "I32", {columns}, groupIndices());
  return std::move(tensors);
}

/// Adds the words and the group starts of a run; its streams are those of its
/// groups, each of which fills whole words.
void Packer::addRun(const FormatRun &run, int64_t paddedRows,
                    std::vector<uint32_t> &words,
                    std::vector<int16_t> &starts) {
  unsigned bits = run.format.bits;
  auto fieldAt = [&](int64_t j, int64_t n) {
    return n < planes.rows
               ? planes.codes[n * planes.columns + run.firstColumn + j]
               : 1u << (bits - 1);
  };
  auto line = static_cast<int64_t>(words.size()) / paddedRows;
  for (int64_t g = 0; g < run.groupCount(); ++g) {
    starts.push_back(static_cast<int16_t>(bits));
    starts.push_back(
        static_cast<int16_t>(line + g * run.groupColumns() * bits / wordBits));
  }
  llvm::append_range(words,
                     packColumns(run.columns, paddedRows, bits, fieldAt));
}

llvm::Expected<std::vector<PackedTensor>> Packer::exl2() {
  int64_t paddedRows = llvm::alignTo(planes.rows, wordBits);
  std::vector<uint32_t> words;
  std::vector<int16_t> starts;
  for (const FormatRun &run : format.splitColumns(planes.columns))
    addRun(run, paddedRows, words, starts);
  add("q_weight", "I32",
      {static_cast<int64_t>(words.size()) / paddedRows, paddedRows},
      asBytes(words));
  add("q_invperm", "I32", {planes.columns}, asBytes(place));
  add("q_scale", "I32", {groups, paddedRows / 8},
      asBytes(packRows(groups, paddedRows, 4, [&](int64_t g, int64_t n) {
        return n < planes.rows ? planes.scale.integers[n * groups + g] : 0u;
      })));
  std::vector<uint16_t> factors(groups);
  for (int64_t g = 0; g < groups; ++g)
    factors[g] = narrowF16(planes.scale.numbers[g]);
  add("q_scale_max", "F16", {groups}, asBytes(factors));
  add("q_groups", "I16", {2 * groups}, asBytes(starts));
  return std::move(tensors);
}

/// The same for EXL2, whose codes may have several numbers of bits.
static std::string checkMixedBits(const FormatDescription &format,
                                  int64_t columns) {
  if (format.scale.kind != GroupNumber::Kind::Square ||
      format.level != LevelKind::Integer || format.offset.exists())
    return "it has no square-law scales of factors that all rows share";
  int64_t lines = 0;
  for (const FormatRun &run : format.splitColumns(columns)) {
    if (run.columns * run.format.bits % wordBits != 0)
      return "its codes do not fill whole words";
    lines += run.columns * run.format.bits / wordBits;
  }
  return lines <= INT16_MAX ? "" : "it has too many columns for q_groups";
}

std::string checkpoint::checkPackable(PackingMethod method,
                                      const FormatDescription &format,
                                      int64_t rows, int64_t columns) {
  if (method == PackingMethod::Exl2)
    return checkMixedBits(format, columns);
  if (!hasIntegerGroups(format))
    return "it is not integer codes with a scale and a zero point a group";
  auto isOneOf = [&](std::initializer_list<unsigned> bits) {
    return llvm::is_contained(bits, format.bits);
  };
  if (method == PackingMethod::Awq    ? !isOneOf({4})
      : method == PackingMethod::Gptq ? !isOneOf({2, 3, 4, 8})
                                      : false)
    return "the library has no codes of " + std::to_string(format.bits) +
           " bits";
  if (method != PackingMethod::Gptq &&
      columns % format.groupColumns(columns) != 0)
    return "its last group is shorter than the others";
  if (method == PackingMethod::CompressedTensors)
    return "";
  if (rows * format.bits % wordBits != 0 ||
      (method == PackingMethod::Gptq && columns * format.bits % wordBits != 0))
    return "its codes do not fill whole words";
  return "";
}

llvm::Expected<std::vector<PackedTensor>>
checkpoint::packMatrix(PackingMethod method, const FormatDescription &format,
                       const Planes &planes, llvm::ArrayRef<int32_t> order) {
  Packer packer(format, planes, order);
  switch (method) {
  case PackingMethod::Gptq:
    return packer.gptq();
  case PackingMethod::Awq:
    return packer.awq();
  case PackingMethod::Exl2:
    return packer.exl2();
  default:
    return packer.compressed();
  }
}
