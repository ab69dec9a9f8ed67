//===- Tile.cpp - how packed weights lie in memory ------------------------===//

#include "dialects/lq/Tile.h"
#include "dialects/lq/Scalars.h"

#include "llvm/Support/MathExtras.h"

using namespace lq;

/// Columns whose codes make up four bytes of a row.
static int64_t columnsPerStep(const FormatDescription &format) {
  return 32 / format.bits;
}

bool lq::canTile(const FormatDescription &format) {
  if (!format.hasCodes())
    return true;
  return (format.bits == 8 || format.bits == 4) &&
         format.group % columnsPerStep(format) == 0;
}

TileLayout lq::getTileLayout(const FormatDescription &format, int64_t rows,
                             int64_t columns) {
  assert(canTile(format) && "no tile layout for the format");
  TileLayout layout;
  layout.rowBlocks = llvm::divideCeil(static_cast<uint64_t>(rows), tileRows);
  if (format.hasCodes()) {
    layout.groupCodeBytes = format.group * format.bits / 8 * tileRows;
    layout.groupBytes =
        layout.groupCodeBytes + tileRows * byteWidth(format.scale);
  } else {
    layout.groupCodeBytes = tileRows * byteWidth(format.element);
    layout.groupBytes = layout.groupCodeBytes;
  }
  layout.rowBlockBytes = static_cast<int64_t>(llvm::alignTo(
      static_cast<uint64_t>(columns / format.group * layout.groupBytes),
      tileAlignment));
  return layout;
}

namespace {
/// Rows of a row block, `lanes` of them, in a plane of `stride` numbers a row.
template <typename T> struct BlockRows {
  const T *data;
  int64_t stride, lanes;

  const T *row(int64_t lane) const { return data + lane * stride; }
};
} // namespace

/// Writes the codes of a group, which starts at `column`.
static void packCodes(const FormatDescription &format,
                      const BlockRows<uint8_t> &codes, int64_t column,
                      char *group) {
  int64_t stepColumns = columnsPerStep(format);
  for (int64_t step = 0; step < format.group / stepColumns; ++step)
    for (int64_t lane = 0; lane < codes.lanes; ++lane) {
      const uint8_t *source = codes.row(lane) + column + step * stepColumns;
      char *target = group + (step * tileRows + lane) * 4;
      for (int64_t j = 0; j < 4; ++j)
        target[j] = static_cast<char>(
            format.bits == 8 ? source[j] : source[j] | source[4 + j] << 4);
    }
}

/// Writes number `i` of each row.
static void packScalars(Scalar scalar, const BlockRows<float> &values,
                        int64_t i, char *array) {
  for (int64_t lane = 0; lane < values.lanes; ++lane)
    storeScalar(scalar, values.row(lane)[i], array + lane * byteWidth(scalar));
}

void lq::packTiles(const FormatDescription &format, const Planes &planes,
                   int64_t firstRow, llvm::MutableArrayRef<char> tiles) {
  assert(firstRow % tileRows == 0 && "rows must start at a row block");
  int64_t columns = planes.columns, groups = columns / format.group;
  TileLayout layout = getTileLayout(format, planes.rows, columns);
  if (layout.totalBytes() == 0)
    return;
  char *block = tiles.data() + firstRow / tileRows * layout.rowBlockBytes;
  std::memset(block, 0, layout.totalBytes());
  for (int64_t row = 0; row < planes.rows; row += tileRows) {
    int64_t lanes = std::min(tileRows, planes.rows - row);
    for (int64_t group = 0; group < groups; ++group) {
      char *target = block + group * layout.groupBytes;
      if (!format.hasCodes()) {
        packScalars(format.element,
                    {planes.values.data() + row * columns, columns, lanes},
                    group, target);
        continue;
      }
      packCodes(format, {planes.codes.data() + row * columns, columns, lanes},
                group * format.group, target);
      packScalars(format.scale,
                  {planes.scales.data() + row * groups, groups, lanes}, group,
                  target + layout.groupCodeBytes);
    }
    block += layout.rowBlockBytes;
  }
}
