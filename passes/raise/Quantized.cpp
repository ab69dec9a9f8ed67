//===- Quantized.cpp - matrices that a graph holds quantized --------------===//

#include "passes/raise/Quantized.h"
#include "dialects/lq/Scalars.h"
#include "dialects/lq/Tile.h"
#include "dialects/lq/formats/RowStorage.h"
#include "passes/raise/Weights.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace lq::raise {
namespace {

/// The type of a constant that is an initializer, copies looked through.
RankedTensorType initializerType(const Graph &graph, Value value) {
  onnx::InitializerOp initializer = Weights::initializerOf(graph.strip(value));
  return initializer && initializer.getFile() ? initializer.getTensorType()
                                              : RankedTensorType();
}

bool isScaleType(Type type) {
  return type.isF32() || type.isF16() || type.isBF16();
}

/// Whether there are tiles for the matrix, in any case of its zero points.
bool hasTiles(const QuantizedMatrix &matrix, MLIRContext &context) {
  for (bool zeroPoints : {false, true})
    if (!checkTiles(getUniformFormat(context, matrix.bits, matrix.group,
                                     Scalar::F32, zeroPoints)
                        .getDescription(),
                    matrix.columns)
             .empty())
      return false;
  return true;
}

/// DequantizeLinear's own operands: which axis has the groups, and how long.
struct DequantizeAxis {
  int64_t axis, block;
};

/// Blocks along an axis; or one scale for each row (of `rowAxis`), or for all.
std::optional<DequantizeAxis> axisOf(onnx::NodeOp node, RankedTensorType codes,
                                     RankedTensorType scales, int64_t rowAxis) {
  int64_t columnAxis = 1 - rowAxis;
  int64_t axis = node.getInt("axis", 1);
  axis = axis < 0 ? axis + 2 : axis;
  int64_t block = node.getInt("block_size", 0);
  if (scales.getNumElements() == 1)
    return DequantizeAxis{rowAxis, 0};
  if (block == 0)
    return axis == rowAxis && scales.getRank() == 1 &&
                   scales.getNumElements() == codes.getDimSize(rowAxis)
               ? std::optional(DequantizeAxis{rowAxis, 0})
               : std::nullopt;
  SmallVector<int64_t> expected(codes.getShape());
  if (block < 0 || axis != columnAxis)
    return std::nullopt;
  expected[columnAxis] = llvm::divideCeilSigned(expected[columnAxis], block);
  if (scales.getShape() != ArrayRef(expected))
    return std::nullopt;
  return DequantizeAxis{columnAxis, block};
}

} // namespace

std::optional<QuantizedMatrix> findMatMulNBits(const Graph &graph,
                                               onnx::NodeOp node) {
  if (!node.is("com.microsoft", "MatMulNBits") || Graph::input(node, 4))
    return std::nullopt;
  QuantizedMatrix matrix;
  matrix.rows = node.getInt("N", 0);
  matrix.columns = node.getInt("K", 0);
  matrix.group = node.getInt("block_size", 0);
  int64_t bits = node.getInt("bits", 4);
  if ((bits != 2 && bits != 4 && bits != 8) || matrix.rows < 1 ||
      matrix.columns < 1 || matrix.group < 16)
    return std::nullopt;
  matrix.bits = static_cast<unsigned>(bits);
  matrix.codes = Graph::input(node, 1);
  matrix.scales = Graph::input(node, 2);
  matrix.zeroPoints = Graph::input(node, 3);
  int64_t blocks = llvm::divideCeilSigned(matrix.columns, matrix.group);
  RankedTensorType codes = initializerType(graph, matrix.codes);
  RankedTensorType scales = initializerType(graph, matrix.scales);
  if (!codes || !codes.getElementType().isInteger(8) || !scales ||
      !isScaleType(scales.getElementType()) ||
      codes.getNumElements() * 8 !=
          matrix.rows * blocks * matrix.group * bits ||
      scales.getNumElements() != matrix.rows * blocks)
    return std::nullopt;
  matrix.absentZero = 1 << (bits - 1);
  matrix.code = {blocks * matrix.group, 1};
  matrix.scale = matrix.zeroPoint = {blocks, 1};
  if (matrix.zeroPoints) {
    RankedTensorType zeros = initializerType(graph, matrix.zeroPoints);
    int64_t zeroBytes = llvm::divideCeilSigned(blocks * bits, 8);
    bool isPacked = zeros && zeros.getElementType().isInteger(8);
    if (!zeros || (!isPacked && !isScaleType(zeros.getElementType())) ||
        zeros.getNumElements() != matrix.rows * (isPacked ? zeroBytes : blocks))
      return std::nullopt;
    if (isPacked)
      matrix.zeroPoint.row = zeroBytes * 8 / bits;
  }
  if (matrix.group >= matrix.columns)
    matrix.group = FormatDescription::wholeRow;
  if (!hasTiles(matrix, *node.getContext()))
    return std::nullopt;
  return matrix;
}

std::optional<QuantizedMatrix>
findDequantized(const Graph &graph, Value constant, bool transposed) {
  constant = graph.strip(constant);
  while (onnx::NodeOp node = Graph::node(constant, "Transpose")) {
    auto permutation = node.getInts("perm");
    if (graph.rank(constant) != 2 ||
        (permutation && *permutation != ArrayRef<int64_t>{1, 0}))
      return std::nullopt;
    transposed = !transposed;
    constant = graph.strip(node.getInputs()[0]);
  }
  onnx::NodeOp node = Graph::node(constant, "DequantizeLinear");
  if (!node)
    return std::nullopt;
  QuantizedMatrix matrix;
  matrix.codes = node.getInputs()[0];
  matrix.scales = node.getInputs()[1];
  matrix.zeroPoints = Graph::input(node, 2);
  RankedTensorType codes = initializerType(graph, matrix.codes);
  RankedTensorType scales = initializerType(graph, matrix.scales);
  auto integer =
      codes ? dyn_cast<IntegerType>(codes.getElementType()) : IntegerType();
  if (!integer || codes.getRank() != 2 || !scales ||
      !isScaleType(scales.getElementType()))
    return std::nullopt;
  matrix.bits = integer.getWidth();
  if (matrix.bits != 2 && matrix.bits != 4 && matrix.bits != 8)
    return std::nullopt;
  int64_t rowAxis = transposed ? 1 : 0;
  auto axis = axisOf(node, codes, scales, rowAxis);
  if (!axis)
    return std::nullopt;
  if (matrix.zeroPoints) {
    RankedTensorType zeros = initializerType(graph, matrix.zeroPoints);
    if (!zeros || zeros.getElementType() != codes.getElementType() ||
        zeros.getNumElements() != scales.getNumElements())
      return std::nullopt;
  }
  matrix.isSigned = !integer.isUnsigned();
  matrix.rows = codes.getDimSize(rowAxis);
  matrix.columns = codes.getDimSize(1 - rowAxis);
  matrix.group = axis->block >= matrix.columns ? 0 : axis->block;
  matrix.code = transposed ? QuantizedMatrix::Strides{1, matrix.rows}
                           : QuantizedMatrix::Strides{matrix.columns, 1};
  if (axis->block == 0)
    matrix.scale = {scales.getNumElements() == 1 ? 0 : 1, 0};
  else if (transposed)
    matrix.scale = {1, matrix.rows};
  else
    matrix.scale = {scales.getDimSize(1), 1};
  matrix.zeroPoint = matrix.scale;
  if (matrix.columns < 1 || !hasTiles(matrix, *node.getContext()))
    return std::nullopt;
  return matrix;
}

//===----------------------------------------------------------------------===//
// Weights: a quantized matrix as storage of lq
//===----------------------------------------------------------------------===//

namespace {

/// The bytes of a matrix's constants.
struct Constants {
  ArrayRef<char> codes, scales, zeroPoints;
  Scalar scaleType = Scalar::F32;
  /// The type of zero points that are floats.
  std::optional<Scalar> zeroType;
};

/// Fills planes; false where a zero point is no integer of the codes' range.
class QuantizedReader {
public:
  QuantizedReader(const QuantizedMatrix &matrix, const Constants &constants)
      : matrix(matrix), constants(constants) {}

  bool read(Planes &planes) const {
    int64_t groups =
        matrix.group ? llvm::divideCeilSigned(matrix.columns, matrix.group) : 1;
    int64_t width = byteWidth(constants.scaleType);
    for (int64_t n = 0; n < matrix.rows; ++n) {
      for (int64_t k = 0; k < matrix.columns; ++k)
        planes.codes[n * matrix.columns + k] = static_cast<uint8_t>(field(
            constants.codes, n * matrix.code.row + k * matrix.code.column));
      for (int64_t g = 0; g < groups; ++g) {
        int64_t at = n * groups + g;
        int64_t from = n * matrix.scale.row + g * matrix.scale.column;
        planes.scale.numbers[at] = loadScalar(
            constants.scaleType, constants.scales.data() + from * width);
        int zero = zeroPoint(n, g);
        if (zero < 0 || zero >> matrix.bits)
          return false;
        planes.offset.integers[at] = static_cast<uint8_t>(zero);
      }
    }
    return true;
  }

private:
  /// A field of a packed stream, made unsigned.
  unsigned field(ArrayRef<char> stream, int64_t i) const {
    unsigned value = loadBits(stream.data(), i * matrix.bits, matrix.bits);
    return matrix.isSigned ? value ^ 1u << (matrix.bits - 1) : value;
  }

  /// -1 if it is no integer.
  int zeroPoint(int64_t row, int64_t group) const {
    if (!matrix.zeroPoints)
      return matrix.absentZero + (matrix.isSigned ? 1 << (matrix.bits - 1) : 0);
    int64_t at = row * matrix.zeroPoint.row + group * matrix.zeroPoint.column;
    if (!constants.zeroType)
      return static_cast<int>(field(constants.zeroPoints, at));
    float value = loadScalar(*constants.zeroType,
                             constants.zeroPoints.data() +
                                 at * byteWidth(*constants.zeroType));
    return value >= 0 && value < 256 &&
                   value == static_cast<float>(static_cast<int>(value))
               ? static_cast<int>(value)
               : -1;
  }

  const QuantizedMatrix &matrix;
  const Constants &constants;
};

} // namespace

WeightOp Weights::quantized(Location location, const QuantizedMatrix &matrix) {
  WeightOp &weight = made[{matrix.codes, 4}];
  if (weight)
    return weight;
  auto read = [&](Value value, ArrayRef<char> &bytes) {
    onnx::InitializerOp initializer = initializerOf(graph.strip(value));
    auto found = files.read(*initializer.getFile(), *initializer.getOffset(),
                            initializer.getStorageBytes());
    if (!found) {
      emitError(location) << llvm::toString(found.takeError());
      return RankedTensorType();
    }
    bytes = *found;
    return initializer.getTensorType();
  };
  auto scalarOf = [](Type type) {
    return getDenseFormat(type).getDescription().element;
  };
  Constants constants;
  RankedTensorType scales = read(matrix.scales, constants.scales);
  if (!scales || !read(matrix.codes, constants.codes))
    return {};
  constants.scaleType = scalarOf(scales.getElementType());
  if (matrix.zeroPoints) {
    RankedTensorType zeros = read(matrix.zeroPoints, constants.zeroPoints);
    if (!zeros)
      return {};
    if (isScaleType(zeros.getElementType()))
      constants.zeroType = scalarOf(zeros.getElementType());
  }
  MLIRContext &context = *module.getContext();
  auto format = [&](bool zeroPoints) {
    return getUniformFormat(context, matrix.bits, matrix.group,
                            constants.scaleType, zeroPoints);
  };
  Planes planes;
  planes.resize(format(true).getDescription(), matrix.rows, matrix.columns);
  if (!QuantizedReader(matrix, constants).read(planes)) {
    emitError(location) << "a zero point of this node is no integer of "
                        << matrix.bits << " bits; export the model with "
                        << "integer zero points";
    return {};
  }
  bool hasZeroPoints = llvm::any_of(planes.offset.integers, [&](uint8_t zero) {
    return zero != 1u << (matrix.bits - 1);
  });
  FormatAttrInterface chosen = format(hasZeroPoints);
  std::vector<char> storage(matrix.rows * chosen.getRowBytes(matrix.columns));
  chosen.encode(planes, storage);
  return weight =
             addBytes(location, nameOf(matrix.codes, "weight"),
                      RankedTensorType::get({matrix.rows, matrix.columns},
                                            Float32Type::get(&context), chosen),
                      storage);
}

} // namespace lq::raise
