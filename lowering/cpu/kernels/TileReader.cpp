//===- TileReader.cpp - codes and numbers of a weight in tiles ------------===//

#include "lowering/cpu/kernels/TileReader.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

/// Column blocks of a span up to which their loop is written out.
static constexpr int64_t unrolledBlocks = 2;

TileReader::TileReader(KernelBuilder &k, const FormatDescription &format,
                       const TileLayout &layout, int64_t columns, Val weight,
                       Val base)
    : k(k), format(format), layout(layout), columns(columns), weight(weight),
      base(base), levels(getByteLevels(format)) {}

int64_t TileReader::groupsPerBlock() const {
  int64_t group = format.groupColumns(columns);
  return group < tileColumns ? tileColumns / group : 1;
}

int64_t TileReader::stepsPerLoad() const {
  return 8 / getSlices(format.bits).back();
}

Vals TileReader::forBlocks(ArrayRef<Val> initial, BlockBody body) {
  int64_t blocksInSpan = layout.spanColumns / tileColumns;
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
  int64_t spans = columns / layout.spanColumns;
  int64_t rest = columns % layout.spanColumns / tileColumns;
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

Vals TileReader::loadCodes(const ColumnBlock &block, int64_t digit,
                           Val firstStep, int64_t steps, const TileRows &rows,
                           int64_t prefetch) {
  Type type = k.vector(rows.count * 4, k.i8());
  Val slice = spanStart(block) + layout.codes + block.block * layout.codeBytes;
  Vals codes(steps);
  unsigned shift = 0;
  for (unsigned width : getSlices(format.bits)) {
    int64_t fields = 8 / width;
    for (int64_t step = 0; step < steps; step += fields) {
      Val offset = slice +
                   (firstStep / fields + step / fields) * (tileRows * 4) +
                   rows.first * 4;
      if (prefetch)
        k.prefetch(weight, offset + prefetch);
      Val bytes = k.loadBytes(weight, offset, type);
      for (int64_t field = 0; field < std::min(fields, steps - step); ++field) {
        Val bits = extractField(bytes, field, width, shift);
        Val &code = codes[step + field];
        code = code ? code | bits : bits;
      }
    }
    shift += width;
    slice = slice + width * tileRows * 4;
  }
  ArrayRef<uint8_t> table =
      digit == 0 && digits() == 2 ? levels.low : levels.table;
  if (!table.empty())
    for (Val &code : codes)
      code = k.lookup(table, code);
  return codes;
}

Val TileReader::loadScalar(Scalar type, Val offset, int64_t count) {
  if (type != Scalar::E8M0)
    return k.loadBytes(weight, offset, k.vector(count, k.elementType(type)))
        .convert(k.f32());
  Val exponent = k.loadBytes(weight, offset, k.vector(count, k.i8()))
                     .extendUnsigned(k.i32());
  // The least exponent stands for a subnormal number.
  Val bits = exponent << 23;
  return bits.where(exponent.like(0) < exponent, bits.like(1 << 22))
      .bitcast(k.vector(count, k.f32()));
}

/// An integer of a byte, or of half of one, as f32.
Val TileReader::loadInteger(Val offset, const GroupNumber &number, bool upper,
                            int64_t count) {
  Val bytes = k.loadBytes(weight, offset, k.vector(count, k.i8()));
  if (layout.sharedIntegers)
    bytes = upper ? bytes >> 4 : bytes & 15;
  Val integer = bytes.extendUnsigned(k.i32());
  if (number.zero)
    integer = integer - number.zero;
  return integer.convert(k.f32());
}

Val TileReader::loadNumber(const GroupNumber &number, int64_t factors,
                           int64_t values, bool upper, const ColumnBlock &block,
                           int64_t group, const TileRows &rows) {
  int64_t groupColumns = format.groupColumns(columns);
  Val index = groupColumns < tileColumns
                  ? block.block * (tileColumns / groupColumns) + group
                  : block.block / (groupColumns / tileColumns);
  auto place = [&](int64_t first, Val index, int64_t width) {
    return spanStart(block) + first + (index * tileRows + rows.first) * width;
  };
  if (number.kind == GroupNumber::Kind::Direct)
    return loadScalar(number.type, place(values, index, byteWidth(number.type)),
                      rows.count);
  Val integer = loadInteger(place(values, index, 1), number, upper, rows.count);
  if (number.kind == GroupNumber::Kind::ZeroPoint)
    return integer;
  Val super = block.block / (format.superGroup / tileColumns);
  Val factor = loadScalar(
      number.type, place(factors, super, byteWidth(number.type)), rows.count);
  return factor * integer;
}

Val TileReader::loadScale(const ColumnBlock &block, int64_t group,
                          const TileRows &rows) {
  Val scale = loadNumber(format.scale, layout.scaleFactors, layout.scales,
                         /*upper=*/false, block, group, rows);
  return levels.unit == 1 ? scale : scale * scale.like(levels.unit);
}

Val TileReader::loadOffset(const ColumnBlock &block, int64_t group,
                           const TileRows &rows) {
  Val number = loadNumber(format.offset, layout.offsetFactors, layout.offsets,
                          /*upper=*/true, block, group, rows);
  if (format.offset.kind != GroupNumber::Kind::ZeroPoint)
    return number;
  Val scale = loadNumber(format.scale, layout.scaleFactors, layout.scales,
                         /*upper=*/false, block, group, rows);
  return (number * scale) * scale.like(-1);
}
