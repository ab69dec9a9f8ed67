//===- RotateWeights.cpp - rotate weights into an archive -----------------===//

#include "passes/rotate/RotateWeights.h"
#include "passes/quantize/RoundToNearest.h"
#include "passes/quantize/RowBlocks.h"
#include "passes/quantize/WeightSource.h"

#include "mlir/IR/Threading.h"

#include <atomic>

using namespace mlir;
using namespace lq;

/// Vectors that are rotated at once: as many as a cache line has floats.
static constexpr int64_t lanes = 16;

/// Where vectors lie in a matrix: element i of vector l at
/// i * elementStride + l * vectorStride.
namespace {
struct Vectors {
  float *start;
  int64_t length, count;
  int64_t elementStride, vectorStride;
};
} // namespace

/// Rotates up to `lanes` vectors, each stretch of the rotation's size alone.
static void rotate(const Rotation &rotation, const Vectors &vectors) {
  std::vector<double> scratch(rotation.size() * vectors.count);
  for (int64_t first = 0; first < vectors.length; first += rotation.size()) {
    float *start = vectors.start + first * vectors.elementStride;
    auto at = [&](int64_t i, int64_t l) -> float & {
      return start[i * vectors.elementStride + l * vectors.vectorStride];
    };
    for (int64_t i = 0; i < rotation.size(); ++i)
      for (int64_t l = 0; l < vectors.count; ++l)
        scratch[i * vectors.count + l] = at(i, l);
    rotation.apply(scratch, vectors.count);
    for (int64_t i = 0; i < rotation.size(); ++i)
      for (int64_t l = 0; l < vectors.count; ++l)
        at(i, l) = static_cast<float>(scratch[i * vectors.count + l]);
  }
}

namespace {
/// One weight on its way to the archive.
class RotatedWeight {
public:
  RotatedWeight(WeightOp weight, const WeightRotation &rotation,
                WeightSource source, std::vector<float> gamma)
      : weight(weight), rotation(rotation), source(source),
        gamma(std::move(gamma)) {
    RankedTensorType type = weight.getTensorType();
    columns = type.getRank() == 2 ? type.getDimSize(1) : 1;
    rows = type.getNumElements() / columns;
  }

  FailureOr<uint64_t> write(WeightArchive &archive, Progress &progress);

private:
  void readRows(int64_t first, MutableArrayRef<float> values);
  void rotateRows();
  LogicalResult checkFinite() const;

  WeightOp weight;
  const WeightRotation &rotation;
  WeightSource source;
  std::vector<float> gamma;
  int64_t rows, columns;
  /// The whole matrix, where its rows are mixed.
  std::vector<float> whole;
  /// The first element that is not finite.
  std::atomic<int64_t> bad = INT64_MAX;
};
} // namespace

/// Reads rows, with all that is done to each row alone.
void RotatedWeight::readRows(int64_t first, MutableArrayRef<float> values) {
  if (rotation.ones)
    return llvm::fill(values, 1.0F);
  source.readRows(first, values);
  if (size_t i = findNotFinite(values); i < values.size()) {
    int64_t element = first * columns + static_cast<int64_t>(i);
    for (int64_t seen = bad; element < seen;)
      if (bad.compare_exchange_weak(seen, element))
        break;
  }
  for (size_t i = 0; i < values.size() && !gamma.empty(); ++i)
    values[i] *= gamma[i % columns % gamma.size()];
  auto count = static_cast<int64_t>(values.size()) / columns;
  for (int64_t row = 0; row < count && rotation.columns; row += lanes)
    rotate(*rotation.columns, {&values[row * columns], columns,
                               std::min(lanes, count - row), 1, columns});
}

/// Mixes the rows of the whole matrix.
void RotatedWeight::rotateRows() {
  whole.resize(rows * columns);
  MLIRContext *context = weight.getContext();
  MutableArrayRef<float> all(whole);
  parallelFor(context, 0, llvm::divideCeil(rows, lanes), [&](size_t i) {
    int64_t first = static_cast<int64_t>(i) * lanes;
    int64_t count = std::min(lanes, rows - first);
    readRows(first, all.slice(first * columns, count * columns));
  });
  parallelFor(context, 0, llvm::divideCeil(columns, lanes), [&](size_t i) {
    int64_t first = static_cast<int64_t>(i) * lanes;
    rotate(*rotation.rows,
           {&whole[first], rows, std::min(lanes, columns - first), columns, 1});
  });
}

LogicalResult RotatedWeight::checkFinite() const {
  if (bad == INT64_MAX)
    return success();
  return emitError(WeightOp(weight).getLoc())
         << "weight @" << WeightOp(weight).getSymName()
         << " is not finite at element " << bad.load()
         << ", which a rotation would spread; repair the model";
}

FailureOr<uint64_t> RotatedWeight::write(WeightArchive &archive,
                                         Progress &progress) {
  if (rotation.rows)
    rotateRows();
  auto rowBytes = columns * static_cast<int64_t>(sizeof(float));
  auto offset = writeRowBlocks(
      weight, weight.getSymName(), {rows, columns, 1, rowBytes}, archive,
      progress, [&](int64_t first, int64_t count, MutableArrayRef<char> bytes) {
        if (rotation.rows) {
          std::memcpy(bytes.data(), &whole[first * columns], bytes.size());
          return;
        }
        std::vector<float> values(count * columns);
        readRows(first, values);
        std::memcpy(bytes.data(), values.data(), bytes.size());
      });
  source.release();
  if (failed(offset) || failed(checkFinite()))
    return failure();
  return offset;
}

FailureOr<uint64_t> lq::writeRotated(WeightOp weight,
                                     const WeightRotation &rotation,
                                     WeightFiles &files, WeightArchive &archive,
                                     Progress &progress) {
  auto source = WeightSource::open(weight, files);
  if (failed(source))
    return failure();
  std::vector<float> gamma;
  if (WeightOp scale = rotation.gamma) {
    auto gammaSource = WeightSource::open(scale, files);
    if (failed(gammaSource))
      return failure();
    gamma.resize(scale.getTensorType().getNumElements());
    gammaSource->readRows(0, gamma);
    if (size_t i = findNotFinite(gamma); i < gamma.size())
      return emitError(scale.getLoc())
             << "weight @" << scale.getSymName() << " is not finite at element "
             << i << ", which a rotation would spread; repair the model";
  }
  return RotatedWeight(weight, rotation, *source, std::move(gamma))
      .write(archive, progress);
}
