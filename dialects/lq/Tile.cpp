//===- Tile.cpp - how packed weights lie in memory ------------------------===//

#include "dialects/lq/Tile.h"
#include "dialects/lq/Scalars.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cmath>

using namespace lq;

static int64_t alignUp(int64_t value, int64_t alignment) {
  return static_cast<int64_t>(llvm::alignTo(static_cast<uint64_t>(value),
                                            static_cast<uint64_t>(alignment)));
}

llvm::SmallVector<unsigned> lq::getSlices(unsigned bits) {
  llvm::SmallVector<unsigned> slices;
  for (unsigned width : {8, 4, 2, 1})
    if (bits & width)
      slices.push_back(width);
  return slices;
}

/// The levels as bytes in multiples of `unit`, of which the lowest is 0.
static ByteLevels roundLevels(llvm::ArrayRef<float> levels, double unit) {
  ByteLevels bytes;
  bytes.unit = static_cast<float>(unit);
  bytes.zero = -static_cast<int>(std::lrint(*llvm::min_element(levels) / unit));
  int largest = 0;
  for (float level : levels) {
    int byte = bytes.zero + static_cast<int>(std::lrint(level / unit));
    bytes.table.push_back(static_cast<uint8_t>(byte));
    largest = std::max(largest, byte);
  }
  bytes.bits = llvm::bit_width(static_cast<unsigned>(largest));
  return bytes;
}

/// The sum of squared differences between bytes and levels.
static double measureError(const ByteLevels &bytes,
                           llvm::ArrayRef<float> levels) {
  double sum = 0;
  for (auto [byte, level] : llvm::zip_equal(bytes.table, levels)) {
    double difference = double(byte - bytes.zero) * bytes.unit - level;
    sum += difference * difference;
  }
  return sum;
}

ByteLevels lq::getByteLevels(const FormatDescription &format) {
  if (format.level == LevelKind::Integer)
    return {{}, format.zero, 1, format.bits};
  auto [lowest, highest] =
      std::minmax_element(format.levels.begin(), format.levels.end());
  double span = *highest - *lowest;
  // The largest unit of which all levels are whole; published tables often have
  // integers or halves.
  for (double unit : {1.0, 0.5, 0.25}) {
    bool areWhole = llvm::all_of(format.levels, [&](float level) {
      return level / unit == std::rint(level / unit);
    });
    if (areWhole && span <= 255 * unit)
      return roundLevels(format.levels, unit);
  }
  // The unit, of those that use most of a byte, that fits the levels best.
  // Rounding both ends may widen the span by 1.
  ByteLevels best = roundLevels(format.levels, span / 254);
  for (double steps = 254; steps >= 192; steps -= 0.25) {
    ByteLevels bytes = roundLevels(format.levels, span / steps);
    if (measureError(bytes, format.levels) < measureError(best, format.levels))
      best = bytes;
  }
  return best;
}

static std::string checkRun(const FormatRun &run) {
  const FormatDescription &format = run.format;
  if (run.columns % tileColumns != 0)
    return "columns must be a multiple of " + std::to_string(tileColumns);
  int64_t group = run.groupColumns();
  if (group % tileColumns != 0 && tileColumns % group != 0)
    return "groups must divide " + std::to_string(tileColumns) +
           " columns or be a multiple of them";
  if (group * 2 < tileColumns)
    return "groups must have " + std::to_string(tileColumns / 2) +
           " columns at least";
  if (format.bits < 1 || format.bits > 8)
    return "codes must have 1 to 8 bits";
  if (format.level == LevelKind::Table && format.bits > 4)
    return "tables must have 16 levels at most";
  return {};
}

std::string lq::checkTiles(const FormatDescription &format, int64_t columns) {
  if (!format.hasCodes())
    return {};
  for (const FormatRun &run : format.splitColumns(columns))
    if (std::string reason = checkRun(run); !reason.empty())
      return reason;
  return {};
}

/// Lays out the numbers of a span of so many columns; returns their end.
static int64_t layOutNumbers(int64_t columns, TileRun &run) {
  const FormatDescription &format = run.format;
  int64_t groups = format.groupCount(columns);
  int64_t factors = format.superGroupCount(columns);
  auto factorBytes = [&](const GroupNumber &number) -> int64_t {
    return number.hasFactors() ? factors * byteWidth(number.type) : 0;
  };
  auto groupBytes = [&](const GroupNumber &number) -> int64_t {
    if (!number.exists())
      return 0;
    return number.hasIntegers() ? 1 : byteWidth(number.type);
  };
  int64_t end = 0;
  auto place = [&](int64_t &offset, int64_t bytes) {
    offset = end;
    end += bytes;
  };
  if (!format.scale.isShared())
    place(run.scaleFactors, factorBytes(format.scale) * tileRows);
  place(run.offsetFactors, factorBytes(format.offset) * tileRows);
  place(run.scales, groups * groupBytes(format.scale) * tileRows);
  run.sharedIntegers = format.scale.hasIntegers() &&
                       format.offset.hasIntegers() && format.scale.bits <= 4 &&
                       format.offset.bits <= 4;
  if (run.sharedIntegers)
    run.offsets = run.scales;
  else
    place(run.offsets, groups * groupBytes(format.offset) * tileRows);
  // Behind what vectors are read from, which so stays aligned.
  if (format.scale.isShared())
    place(run.scaleFactors, factorBytes(format.scale));
  return end;
}

/// The columns of a span before its numbers are counted: up to 8 column blocks,
/// for a long stretch of codes was measured to be read faster than short ones,
/// and such that spans make up the columns if they can.
static int64_t chooseSpan(const TileRun &run) {
  constexpr int64_t longest = 8 * tileColumns, shortest = 4 * tileColumns;
  int64_t unit =
      std::max({tileColumns, run.groupColumns(), run.format.superGroup});
  if (unit >= longest)
    return unit;
  int64_t units = std::max(run.columns / unit, 2 * tileColumns / unit);
  for (int64_t n = std::min(longest / unit, units); n > 0; --n)
    if (units % n == 0 && (n * unit >= shortest || n == units))
      return n * unit;
  return longest / unit * unit;
}

/// Makes spans of so many columns; whether their numbers fill whole cache lines.
static bool setSpan(int64_t columns, TileRun &run) {
  int64_t numbers = layOutNumbers(columns, run);
  run.spanColumns = columns;
  run.codes = alignUp(numbers, tileAlignment);
  run.codeBytes = tileRows * tileColumns * run.format.bits / 8;
  run.spanBytes = run.codes + run.spanColumns / tileColumns * run.codeBytes;
  return numbers == run.codes;
}

/// Chooses the columns of a span: the first whose numbers fill whole cache
/// lines, else those that make the run shortest.
static void layOutSpan(TileRun &run) {
  int64_t unit = chooseSpan(run), best = unit, least = INT64_MAX;
  for (int64_t times : {1, 2, 4}) {
    if (setSpan(unit * times, run) ||
        run.format.group == FormatDescription::wholeRow)
      return;
    if (run.totalBytes() < least) {
      least = run.totalBytes();
      best = unit * times;
    }
  }
  setSpan(best, run);
}

TileLayout lq::getTileLayout(const FormatDescription &format, int64_t rows,
                             int64_t columns) {
  assert(checkTiles(format, columns).empty() && "no tiles for the format");
  TileLayout layout;
  layout.rowBlocks = llvm::divideCeil(static_cast<uint64_t>(rows), tileRows);
  if (!format.hasCodes()) {
    layout.columnBytes = tileRows * byteWidth(format.element);
    layout.rowBlockBytes = alignUp(columns * layout.columnBytes, tileAlignment);
    return layout;
  }
  if (columns == 0)
    return layout;
  for (const FormatRun &part : format.splitColumns(columns)) {
    TileRun run(part);
    run.start = layout.rowBlockBytes;
    layOutSpan(run);
    layout.rowBlockBytes = alignUp(run.start + run.totalBytes(), tileAlignment);
    layout.runs.push_back(run);
  }
  return layout;
}

namespace {

/// Writes one row block; `lanes` rows of the planes from `row` on are in it.
class RowBlockWriter {
public:
  RowBlockWriter(const FormatDescription &format, const Planes &planes,
                 const TileLayout &layout, int64_t row, char *block)
      : format(format), planes(planes), layout(layout), row(row), block(block),
        lanes(std::min(tileRows, planes.rows - row)) {}

  void write() {
    if (!format.hasCodes()) {
      for (int64_t lane = 0; lane < lanes; ++lane)
        writeElements(lane);
      return;
    }
    for (const TileRun &run : layout.runs)
      for (int64_t lane = 0; lane < lanes; ++lane) {
        for (int64_t first = 0; first < run.columns; first += tileColumns)
          writeCodes(run, lane, first);
        writeNumbers(run, lane, run.format.scale, planes.scale,
                     run.scaleFactors, run.scales, 0);
        writeNumbers(run, lane, run.format.offset, planes.offset,
                     run.offsetFactors, run.offsets,
                     run.sharedIntegers ? 4 : 0);
      }
  }

private:
  const FormatDescription &format;
  const Planes &planes;
  const TileLayout &layout;
  int64_t row;
  char *block;
  int64_t lanes;

  void writeElements(int64_t lane) {
    const float *source = planes.values.data() + (row + lane) * planes.columns;
    int64_t width = byteWidth(format.element);
    for (int64_t k = 0; k < planes.columns; ++k)
      storeScalar(format.element, source[k],
                  block + k * layout.columnBytes + lane * width);
  }

  char *spanOf(const TileRun &run, int64_t span) {
    return block + run.start + span * run.spanBytes;
  }

  void writeCodes(const TileRun &run, int64_t lane, int64_t first) {
    const uint8_t *source = planes.codes.data() +
                            (row + lane) * planes.columns + run.firstColumn +
                            first;
    char *slice = spanOf(run, first / run.spanColumns) + run.codes +
                  first % run.spanColumns / tileColumns * run.codeBytes;
    unsigned shift = 0;
    for (unsigned width : getSlices(run.format.bits)) {
      int64_t fields = 8 / width;
      for (int64_t column = 0; column < tileColumns; ++column) {
        int64_t step = column / 4;
        char &byte = slice[(step / fields * tileRows + lane) * 4 + column % 4];
        unsigned bits = source[column] >> shift & ((1u << width) - 1);
        byte = static_cast<char>(byte | bits << step % fields * width);
      }
      shift += width;
      slice += width * tileRows * 4;
    }
  }

  /// Direct numbers or factors of a row, of which a span has `inSpan`.
  void writeScalars(const TileRun &run, int64_t lane, Scalar type,
                    llvm::ArrayRef<float> source, int64_t inSpan, int64_t first,
                    bool shared) {
    for (auto [i, number] : llvm::enumerate(source)) {
      int64_t place = static_cast<int64_t>(i) % inSpan;
      place = shared ? place : place * tileRows + lane;
      storeScalar(type, number,
                  spanOf(run, static_cast<int64_t>(i) / inSpan) + first +
                      place * byteWidth(type));
    }
  }

  void writeNumbers(const TileRun &run, int64_t lane, const GroupNumber &number,
                    const GroupPlane &plane, int64_t factors, int64_t values,
                    unsigned shift) {
    int64_t groups = format.groupCount(planes.columns);
    int64_t groupsInSpan = run.format.groupCount(run.spanColumns);
    if (number.hasFactors())
      writeScalars(
          run, lane, number.type,
          llvm::ArrayRef(plane.numbers)
              .slice((row + lane) * format.superGroupCount(planes.columns) +
                         run.firstSuperGroup,
                     run.superGroupCount()),
          run.format.superGroupCount(run.spanColumns), factors,
          number.isShared());
    else if (number.hasNumbers())
      writeScalars(
          run, lane, number.type,
          llvm::ArrayRef(plane.numbers)
              .slice((row + lane) * groups + run.firstGroup, run.groupCount()),
          groupsInSpan, values, /*shared=*/false);
    if (number.hasIntegers())
      for (int64_t i = 0; i < run.groupCount(); ++i) {
        char &byte = spanOf(
            run, i / groupsInSpan)[values + i % groupsInSpan * tileRows + lane];
        unsigned integer =
            plane.integers[(row + lane) * groups + run.firstGroup + i];
        byte = static_cast<char>(byte | integer << shift);
      }
  }
};

} // namespace

void lq::packTiles(const FormatDescription &format, const Planes &planes,
                   int64_t firstRow, llvm::MutableArrayRef<char> tiles) {
  assert(firstRow % tileRows == 0 && "rows must start at a row block");
  TileLayout layout = getTileLayout(format, planes.rows, planes.columns);
  if (layout.totalBytes() == 0)
    return;
  char *block = tiles.data() + firstRow / tileRows * layout.rowBlockBytes;
  std::memset(block, 0, layout.totalBytes());
  for (int64_t row = 0; row < planes.rows; row += tileRows) {
    RowBlockWriter(format, planes, layout, row, block).write();
    block += layout.rowBlockBytes;
  }
}
