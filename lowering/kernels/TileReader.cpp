//===- TileReader.cpp - codes and numbers of a weight in tiles ------------===//

#include "lowering/kernels/TileReader.h"
#include "llvm/ADT/bit.h"
#include <algorithm>

using namespace mlir;
using namespace lq;
using namespace lq;

/// Column blocks of a span up to which their loop is written out.
static constexpr int64_t unrolledBlocks = 2;

std::optional<ByteLevels> lq::foldLevels(const FormatDescription &format) {
  if (format.scale.kind != GroupNumber::Kind::Product)
    return {};
  ByteLevels bytes = getByteLevels(format);
  int lowLevel = -bytes.zero, highLevel = lowLevel + (1 << bytes.bits) - 1;
  int lowScale = -format.scale.zero;
  int highScale = lowScale + (1 << format.scale.bits) - 1;
  auto [lowest, highest] =
      std::minmax({lowLevel * lowScale, lowLevel * highScale,
                   highLevel * lowScale, highLevel * highScale});
  if (highest - lowest > 255)
    return {};
  bytes.zero = -lowest;
  bytes.bits = llvm::bit_width(static_cast<unsigned>(highest - lowest));
  return bytes;
}

TileReader::TileReader(CodeBuilder &k, const TileRun &run, Val weight, Val base,
                       bool fold)
    : k(k), run(run), weight(weight), base(base + run.start),
      stored(getByteLevels(run.format)), levels(stored), folds(false) {
  std::optional<ByteLevels> folded = foldLevels(run.format);
  if (fold && folded) {
    levels = *folded;
    folds = true;
  }
}

int64_t TileReader::scaleColumns() const {
  return folds ? run.format.superGroup : run.groupColumns();
}

Vals TileReader::forBlocks(ArrayRef<Val> initial, BlockBody body) {
  int64_t blocksInSpan = run.spanColumns / tileColumns;
  auto blocksOf = [&](Val span, int64_t count, ArrayRef<Val> carried) {
    auto one = [&](Val block, ArrayRef<Val> before) {
      return body({span, block}, span * blocksInSpan + block, before);
    };
    Vals values(carried);
    if (count > unrolledBlocks)
      return k.forLoop(k.index(0), k.index(count), 1, values, one);
    for (int64_t block = 0; block < count; ++block)
      values = one(k.index(block), values);
    return values;
  };
  int64_t spans = run.spans(), rest = run.restColumns() / tileColumns;
  Vals values(initial);
  if (spans > 0)
    values = k.forLoop(k.index(0), k.index(spans), 1, values,
                       [&](Val span, ArrayRef<Val> carried) {
                         return blocksOf(span, blocksInSpan, carried);
                       });
  return rest ? blocksOf(k.index(spans), rest, values) : values;
}

/// Bits [field width, (field + 1) width) of each byte, moved to `shift`.
Val TileReader::extractField(Val bytes, int64_t field, unsigned width,
                             unsigned shift) {
  if (width == 8)
    return bytes;
  int64_t from = field * width, to = shift;
  int64_t mask = ((int64_t(1) << width) - 1) << to;
  // What a shift of the whole byte leaves needs no mask.
  bool isTop = from + width == 8 && to == 0;
  if (from > to)
    bytes = bytes >> (from - to);
  else if (to > from)
    bytes = bytes << (to - from);
  return isTop ? bytes : bytes & mask;
}

void TileReader::prefetch(const ColumnBlock &block, int64_t distance) {
  constexpr int64_t line = 64;
  int64_t bytes = run.spanBytes * tileColumns / run.spanColumns;
  Val place = spanStart(block) + block.block * bytes + distance;
  for (int64_t ahead = 0; ahead < bytes; ahead += line)
    k.prefetch(weight, {place + ahead});
}

Vals TileReader::loadCodes(const ColumnBlock &block, const TileRows &rows) {
  constexpr int64_t steps = tileColumns / 4;
  Type type = k.vector(rows.count * 4, k.i8());
  Val slice = spanStart(block) + run.codes + block.block * run.codeBytes;
  Vals codes(steps);
  unsigned shift = 0;
  for (unsigned width : getSlices(run.format.bits)) {
    int64_t fields = 8 / width;
    for (int64_t step = 0; step < steps; step += fields) {
      Val offset = slice + step / fields * (tileRows * 4) + rows.first * 4;
      Val bytes = k.loadBytes(weight, offset, type);
      for (int64_t field = 0; field < fields; ++field) {
        Val bits = extractField(bytes, field, width, shift);
        Val &code = codes[step + field];
        code = code ? code | bits : bits;
      }
    }
    shift += width;
    slice = slice + width * tileRows * 4;
  }
  if (!stored.table.empty())
    for (Val &code : codes)
      code = k.lookup(stored.table, code);
  if (folds)
    foldScales(codes, block, rows);
  return codes;
}

/// Multiplies levels by the integers of their scales: of bytes, all modulo 256.
void TileReader::foldScales(Vals &codes, const ColumnBlock &block,
                            const TileRows &rows) {
  Val scales;
  for (auto [step, code] : llvm::enumerate(codes)) {
    int64_t column = static_cast<int64_t>(step) * 4;
    if (column % std::min(run.groupColumns(), tileColumns) == 0)
      scales = (loadInteger(run.scales, /*upper=*/false, block, k.index(column),
                            rows) *
                0x01010101)
                   .bitcast(code.type()) -
               static_cast<int8_t>(run.format.scale.zero);
    code = (code - static_cast<int8_t>(stored.zero)) * scales +
           static_cast<int8_t>(levels.zero);
  }
}

/// Bytes that the address of a vector at a multiple of its size is a multiple
/// of: the arrays of a span begin at multiples of 16.
static int64_t alignmentOf(int64_t bytes) {
  return std::min<int64_t>(16, bytes & -bytes);
}

Val TileReader::loadScalar(Scalar type, Val offset, int64_t count) {
  int64_t alignment = alignmentOf(count * byteWidth(type));
  if (type != Scalar::E8M0)
    return k
        .loadBytes(weight, offset, k.vector(count, k.elementType(type)),
                   alignment)
        .convert(k.f32());
  Val exponent = k.loadBytes(weight, offset, k.vector(count, k.i8()), alignment)
                     .extendUnsigned(k.i32());
  // The least exponent stands for a subnormal number.
  Val bits = exponent << 23;
  return bits.where(exponent.like(0) < exponent, bits.like(1 << 22))
      .bitcast(k.vector(count, k.f32()));
}

/// The number in the span of the group of `columns` columns that a column of a
/// block lies in.
static Val groupIndex(const ColumnBlock &block, Val column, int64_t columns) {
  return columns < tileColumns
             ? block.block * (tileColumns / columns) + column / columns
             : block.block / (columns / tileColumns);
}

/// An unsigned integer of a byte, or of half of one, as i32.
Val TileReader::loadInteger(int64_t values, bool upper,
                            const ColumnBlock &block, Val column,
                            const TileRows &rows) {
  Val index = groupIndex(block, column, run.groupColumns());
  Val offset = spanStart(block) + values + index * tileRows + rows.first;
  Val bytes = k.loadBytes(weight, offset, k.vector(rows.count, k.i8()),
                          alignmentOf(rows.count));
  if (run.sharedIntegers)
    bytes = upper ? bytes >> 4 : bytes & 15;
  return bytes.extendUnsigned(k.i32());
}

Val TileReader::loadFactor(const GroupNumber &number, int64_t factors,
                           const ColumnBlock &block, Val column,
                           const TileRows &rows) {
  Val super = groupIndex(block, column, run.format.superGroup);
  Val first = spanStart(block) + factors;
  int64_t width = byteWidth(number.type);
  if (!number.isShared())
    return loadScalar(number.type,
                      first + (super * tileRows + rows.first) * width,
                      rows.count);
  return loadScalar(number.type, first + super * width, 1)
      .lane(0)
      .broadcast(k.vector(rows.count, k.f32()));
}

Val TileReader::loadNumber(const GroupNumber &number, int64_t factors,
                           int64_t values, bool upper, const ColumnBlock &block,
                           Val column, const TileRows &rows) {
  if (number.kind == GroupNumber::Kind::Direct) {
    Val index = groupIndex(block, column, run.groupColumns());
    return loadScalar(number.type,
                      spanStart(block) + values +
                          (index * tileRows + rows.first) *
                              byteWidth(number.type),
                      rows.count);
  }
  Val integer = loadInteger(values, upper, block, column, rows);
  if (number.kind == GroupNumber::Kind::ZeroPoint)
    return integer.convert(k.f32());
  Val factor = loadFactor(number, factors, block, column, rows);
  if (number.kind == GroupNumber::Kind::Product)
    return factor *
           (number.zero ? integer - number.zero : integer).convert(k.f32());
  Val root = (integer + 1).convert(k.f32());
  return (factor * factor.like(number.multipleOf(0))) * (root * root);
}

Val TileReader::loadScale(const ColumnBlock &block, Val column,
                          const TileRows &rows) {
  const GroupNumber &number = run.format.scale;
  Val scale = folds ? loadFactor(number, run.scaleFactors, block, column, rows)
                    : loadNumber(number, run.scaleFactors, run.scales,
                                 /*upper=*/false, block, column, rows);
  return levels.unit == 1 ? scale : scale * scale.like(levels.unit);
}

Val TileReader::loadOffset(const ColumnBlock &block, Val column,
                           const TileRows &rows) {
  Val number = loadNumber(run.format.offset, run.offsetFactors, run.offsets,
                          /*upper=*/true, block, column, rows);
  if (run.format.offset.kind != GroupNumber::Kind::ZeroPoint)
    return number;
  Val scale = loadNumber(run.format.scale, run.scaleFactors, run.scales,
                         /*upper=*/false, block, column, rows);
  return (number * scale) * scale.like(-1);
}
