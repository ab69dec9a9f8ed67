//===- WeightSource.cpp - rows of a weight from its file ------------------===//

#include "passes/quantize/WeightSource.h"
#include "dialects/lq/Scalars.h"

#include <sys/mman.h>
#include <unistd.h>

using namespace mlir;
using namespace lq;

FailureOr<WeightSource> WeightSource::open(WeightOp weight,
                                           WeightFiles &files) {
  auto bytes = files.read(weight.getFile(), weight.getOffset(),
                          weight.getStorageBytes());
  if (!bytes) {
    emitError(weight.getLoc()) << "weight @" << weight.getSymName() << ": "
                               << llvm::toString(bytes.takeError());
    return failure();
  }
  WeightSource source;
  source.type = weight.getTensorType();
  source.transposed = weight.getTransposed();
  source.storage = *bytes;
  return source;
}

bool WeightSource::isReadable(RankedTensorType type) {
  Type element = type.getElementType();
  return !type.getEncoding() && (element.isF32() || element.isF16() ||
                                 element.isBF16() || element.isF64());
}

namespace {
/// One element type: its width and how to load it.
struct LoadF32 {
  static constexpr int64_t width = 4;
  static float load(const char *bytes) {
    return loadScalar(Scalar::F32, bytes);
  }
};
struct LoadF16 {
  static constexpr int64_t width = 2;
  static float load(const char *bytes) {
    return loadScalar(Scalar::F16, bytes);
  }
};
struct LoadBF16 {
  static constexpr int64_t width = 2;
  static float load(const char *bytes) {
    return loadScalar(Scalar::BF16, bytes);
  }
};
struct LoadF64 {
  static constexpr int64_t width = 8;
  static float load(const char *bytes) {
    double value;
    std::memcpy(&value, bytes, sizeof value);
    return static_cast<float>(value);
  }
};
} // namespace

template <typename Load>
static void loadDense(const char *source, MutableArrayRef<float> values) {
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = Load::load(source + i * Load::width);
}

/// Calls `copy(from, to)` for the elements of rows [first, first + rows) of a
/// matrix [totalRows, columns] whose transpose is stored: `from` counts stored
/// elements, `to` those of the rows. In squares of 16 by 16, so that a cache
/// line of either side is touched once.
template <typename Copy>
static void forTransposed(int64_t totalRows, int64_t columns, int64_t first,
                          int64_t rows, Copy copy) {
  constexpr int64_t side = 16;
  for (int64_t k0 = 0; k0 < columns; k0 += side)
    for (int64_t n0 = 0; n0 < rows; n0 += side)
      for (int64_t k = k0; k < std::min(k0 + side, columns); ++k)
        for (int64_t n = n0; n < std::min(n0 + side, rows); ++n)
          copy(k * totalRows + first + n, n * columns + k);
}

template <typename Load>
static void loadTransposed(const char *source, RankedTensorType type,
                           int64_t first, MutableArrayRef<float> values) {
  int64_t columns = type.getDimSize(1);
  int64_t rows = static_cast<int64_t>(values.size()) / columns;
  forTransposed(type.getDimSize(0), columns, first, rows,
                [&](int64_t from, int64_t to) {
                  values[to] = Load::load(source + from * Load::width);
                });
}

void WeightSource::readRows(int64_t first, MutableArrayRef<float> rows) const {
  if (rows.empty())
    return;
  auto read = [&](auto load) {
    using Load = decltype(load);
    if (transposed)
      return loadTransposed<Load>(storage.data(), type, first, rows);
    int64_t columns = type.getRank() == 2 ? type.getDimSize(1) : 1;
    loadDense<Load>(storage.data() + first * columns * Load::width, rows);
  };
  Type element = type.getElementType();
  if (element.isF32())
    return read(LoadF32());
  if (element.isF16())
    return read(LoadF16());
  return element.isBF16() ? read(LoadBF16()) : read(LoadF64());
}

void WeightSource::readTransposed(int64_t first,
                                  MutableArrayRef<char> rows) const {
  if (rows.empty())
    return;
  int64_t columns = type.getDimSize(1);
  int64_t width = type.getElementTypeBitWidth() / 8;
  forTransposed(type.getDimSize(0), columns, first,
                static_cast<int64_t>(rows.size()) / (columns * width),
                [&](int64_t from, int64_t to) {
                  std::memcpy(rows.data() + to * width,
                              storage.data() + from * width, width);
                });
}

void WeightSource::readPlanes(FormatAttrInterface format, int64_t first,
                              Planes &planes) const {
  int64_t rowBytes = format.getRowBytes(planes.columns);
  format.decode(storage.slice(first * rowBytes, planes.rows * rowBytes),
                planes);
}

void WeightSource::release() const {
  auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  auto begin = reinterpret_cast<uintptr_t>(storage.begin()) / page * page;
  auto end = reinterpret_cast<uintptr_t>(storage.end());
  // Advice only: if the system does not take it, the pages stay.
  if (end > begin)
    ::madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
}
