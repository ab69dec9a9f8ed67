//===- PackedExl2.cpp - matrices of exllamav2 -----------------------------===//
//
// Groups of columns, of falling bits:
//
//     q_weight     [words of all groups, N], for each group streams along K
//     q_groups     [2 G]: bits, first line of q_weight
//     q_scale      [G, N / 8], q_scale_max [G]
//     q_invperm    [K]: the place of each column
//
//===----------------------------------------------------------------------===//

#include "passes/checkpoint/PackedLayout.h"

using namespace lq;
using namespace lq::checkpoint;
using llvm::StringRef;
using llvm::Twine;

namespace {

class Exl2Layout final : public PackedLayout {
public:
  using PackedLayout::PackedLayout;

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

} // namespace

std::unique_ptr<PackedLayout>
checkpoint::makeExl2Layout(const QuantizationConfig &config, StringRef module,
                           const ModuleTensors &tensors) {
  return std::make_unique<Exl2Layout>(config, module, tensors);
}
