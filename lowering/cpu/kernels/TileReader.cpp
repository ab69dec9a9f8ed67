//===- TileReader.cpp - codes and numbers of a weight in tiles ------------===//

#include "lowering/cpu/kernels/TileReader.h"

using namespace mlir;
using namespace lq;
using namespace lq::cpu;

/// Column blocks of a span up to which their loop is written out.
static constexpr int64_t unrolledBlocks = 2;

TileReader::TileReader(KernelBuilder &k, const TileRun &run, Val weight,
                       Val base)
    : k(k), run(run), weight(weight), base(base + run.start),
      levels(getByteLevels(run.format)) {}

int64_t TileReader::groupsPerBlock() const {
  int64_t group = run.groupColumns();
  return group < tileColumns ? tileColumns / group : 1;
}

int64_t TileReader::stepsPerLoad() const {
  return 8 / getSlices(run.format.bits).back();
}

Vals TileReader::forBlocks(ArrayRef<Val> initial, BlockBody body) {
  int64_t blocksInSpan = run.spanColumns / tileColumns;
  int64_t firstBlock = run.firstColumn / tileColumns;
  auto blocksOf = [&](Val span, int64_t count, ArrayRef<Val> carried) {
    auto one = [&](Val block, ArrayRef<Val> before) {
      return body({span, block}, span * blocksInSpan + firstBlock + block,
                  before);
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

Vals TileReader::loadCodes(const ColumnBlock &block, int64_t digit,
                           Val firstStep, int64_t steps, const TileRows &rows,
                           int64_t prefetch) {
  Type type = k.vector(rows.count * 4, k.i8());
  Val slice = spanStart(block) + run.codes + block.block * run.codeBytes;
  Vals codes(steps);
  unsigned shift = 0;
  for (unsigned width : getSlices(run.format.bits)) {
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

/// An integer of a byte, or of half of one, as i32.
Val TileReader::loadInteger(Val offset, bool upper, int64_t count) {
  Val bytes = k.loadBytes(weight, offset, k.vector(count, k.i8()));
  if (run.sharedIntegers)
    bytes = upper ? bytes >> 4 : bytes & 15;
  return bytes.extendUnsigned(k.i32());
}

/// The number of the group of `columns` columns that holds group `group` of a
/// block, in the span.
static Val groupIndex(const ColumnBlock &block, int64_t group,
                      int64_t columns) {
  return columns < tileColumns ? block.block * (tileColumns / columns) + group
                               : block.block / (columns / tileColumns);
}

/// The factor of the super-group of a group of a block.
Val TileReader::loadFactor(const GroupNumber &number, int64_t factors,
                           const ColumnBlock &block, int64_t group,
                           const TileRows &rows) {
  Val super = groupIndex(block, group, run.format.superGroup);
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
                           int64_t group, const TileRows &rows) {
  Val index = groupIndex(block, group, run.groupColumns());
  bool isDirect = number.kind == GroupNumber::Kind::Direct;
  int64_t width = isDirect ? byteWidth(number.type) : 1;
  Val place =
      spanStart(block) + values + (index * tileRows + rows.first) * width;
  if (isDirect)
    return loadScalar(number.type, place, rows.count);
  Val integer = loadInteger(place, upper, rows.count);
  if (number.kind == GroupNumber::Kind::ZeroPoint)
    return integer.convert(k.f32());
  Val factor = loadFactor(number, factors, block, group, rows);
  if (number.kind == GroupNumber::Kind::Product)
    return factor *
           (number.zero ? integer - number.zero : integer).convert(k.f32());
  Val root = (integer + 1).convert(k.f32());
  return (factor * factor.like(number.multipleOf(0))) * (root * root);
}

Val TileReader::loadScale(const ColumnBlock &block, int64_t group,
                          const TileRows &rows) {
  Val scale = loadNumber(run.format.scale, run.scaleFactors, run.scales,
                         /*upper=*/false, block, group, rows);
  return levels.unit == 1 ? scale : scale * scale.like(levels.unit);
}

Val TileReader::loadOffset(const ColumnBlock &block, int64_t group,
                           const TileRows &rows) {
  Val number = loadNumber(run.format.offset, run.offsetFactors, run.offsets,
                          /*upper=*/true, block, group, rows);
  if (run.format.offset.kind != GroupNumber::Kind::ZeroPoint)
    return number;
  Val scale = loadNumber(run.format.scale, run.scaleFactors, run.scales,
                         /*upper=*/false, block, group, rows);
  return (number * scale) * scale.like(-1);
}
