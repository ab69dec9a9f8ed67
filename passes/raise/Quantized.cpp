//===- Quantized.cpp - matrices that a graph holds quantized --------------===//

#include "passes/raise/Quantized.h"
#include "dialects/lq/Scalars.h"
#include "dialects/lq/Tile.h"
#include "dialects/lq/formats/RowStorage.h"
#include "passes/raise/Weights.h"
#include "llvm/Support/CheckedArithmetic.h"
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

/// Why there are no tiles for the matrix in some case of its zero points; empty
/// if there are.
std::string whyNoTiles(const QuantizedMatrix &matrix, MLIRContext &context) {
  for (bool zeroPoints : {false, true}) {
    std::string reason =
        checkTiles(getUniformFormat(context, matrix.bits, matrix.group,
                                    Scalar::F32, zeroPoints)
                       .getDescription(),
                   matrix.columns);
    if (!reason.empty())
      return reason;
  }
  return {};
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

namespace {

/// Reads the operands of a MatMulNBits; the first thing that is wrong is kept.
class NBitsReader {
public:
  NBitsReader(const Graph &graph, onnx::NodeOp node)
      : graph(graph), node(node) {}

  bool read() {
    return readAttributes() && readInput() && readOperands() &&
           readZeroPoints() && checkKernels();
  }

  QuantizedMatrix matrix;
  std::string problem;

private:
  bool fail(const Twine &reason) {
    problem = reason.str();
    return false;
  }
  bool readAttributes();
  bool readInput();
  bool readOperands();
  bool readZeroPoints();
  bool checkKernels();
  /// Whether an initializer has `rows` times `count` elements.
  bool checkCount(Value value, RankedTensorType type, int64_t count);
  /// The name that the model gives an operand.
  static std::string nameOf(const Graph &graph, Value value) {
    onnx::InitializerOp initializer =
        Weights::initializerOf(graph.strip(value));
    return quoted(initializer ? initializer.getSymName() : "");
  }

  const Graph &graph;
  onnx::NodeOp node;
  int64_t blocks = 0;
};

bool NBitsReader::readAttributes() {
  constexpr int64_t largest = int64_t(1) << 31;
  int64_t bits = node.getInt("bits", 4);
  for (auto [name, size] :
       {std::pair("K", &matrix.columns), std::pair("N", &matrix.rows),
        std::pair("block_size", &matrix.group)}) {
    *size = node.getInt(name, 0);
    if (*size < 1 || *size > largest)
      return fail("expected its attribute " + Twine(name) +
                  " to be 1 to 2^31, got " + Twine(*size));
  }
  if (bits != 2 && bits != 4 && bits != 8)
    return fail("expected its attribute bits to be 2, 4 or 8, got " +
                Twine(bits));
  if (matrix.group < 16 || !llvm::isPowerOf2_64(matrix.group))
    return fail("expected its attribute block_size to be a power of two of at "
                "least 16, got " +
                Twine(matrix.group));
  matrix.bits = static_cast<unsigned>(bits);
  matrix.absentZero = 1 << (bits - 1);
  blocks = llvm::divideCeilSigned(matrix.columns, matrix.group);
  matrix.code = {blocks * matrix.group, 1};
  matrix.scale = matrix.zeroPoint = {blocks, 1};
  return true;
}

bool NBitsReader::readInput() {
  if (Graph::input(node, 4))
    return fail("columns ordered by activation (g_idx) are not supported; "
                "quantize without desc_act or actorder");
  Value input = Graph::input(node, 0);
  std::optional<int64_t> width =
      input ? graph.lastDimension(input) : std::nullopt;
  if (width && *width != matrix.columns)
    return fail("its input has rows of " + Twine(*width) +
                " numbers, but K is " + Twine(matrix.columns));
  return true;
}

bool NBitsReader::checkCount(Value value, RankedTensorType type,
                             int64_t count) {
  // Both factors are small, but their product may not be.
  std::optional<int64_t> expected = llvm::checkedMul(matrix.rows, count);
  if (expected == type.getNumElements())
    return true;
  std::string shape;
  llvm::raw_string_ostream(shape) << type;
  return fail("initializer " + nameOf(graph, value) + " is " + shape +
              ", but N = " + Twine(matrix.rows) + ", K = " +
              Twine(matrix.columns) + ", bits = " + Twine(matrix.bits) +
              " and block_size = " + Twine(matrix.group) + " need " +
              Twine(matrix.rows) + " x " + Twine(count) + " elements");
}

bool NBitsReader::readOperands() {
  matrix.codes = Graph::input(node, 1);
  matrix.scales = Graph::input(node, 2);
  if (!matrix.codes || !matrix.scales)
    return fail("expected it to have codes and scales");
  RankedTensorType codes = initializerType(graph, matrix.codes);
  RankedTensorType scales = initializerType(graph, matrix.scales);
  if (!codes || !scales)
    return fail("its codes and scales must be initializers");
  if (!codes.getElementType().isInteger(8))
    return fail("expected initializer " + nameOf(graph, matrix.codes) +
                " to be bytes");
  if (!isScaleType(scales.getElementType()))
    return fail("expected initializer " + nameOf(graph, matrix.scales) +
                " to be of f32, f16 or bf16");
  return checkCount(matrix.codes, codes,
                    blocks * matrix.group * matrix.bits / 8) &&
         checkCount(matrix.scales, scales, blocks);
}

bool NBitsReader::readZeroPoints() {
  matrix.zeroPoints = Graph::input(node, 3);
  if (!matrix.zeroPoints)
    return true;
  RankedTensorType zeros = initializerType(graph, matrix.zeroPoints);
  if (!zeros)
    return fail("its zero points must be an initializer");
  int64_t bytes = llvm::divideCeilSigned(blocks * matrix.bits, 8);
  bool isPacked = zeros.getElementType().isInteger(8);
  if (!isPacked && !isScaleType(zeros.getElementType()))
    return fail("expected initializer " + nameOf(graph, matrix.zeroPoints) +
                " to be bytes, or of f32, f16 or bf16");
  if (isPacked)
    matrix.zeroPoint.row = bytes * 8 / matrix.bits;
  return checkCount(matrix.zeroPoints, zeros, isPacked ? bytes : blocks);
}

bool NBitsReader::checkKernels() {
  if (matrix.group >= matrix.columns)
    matrix.group = FormatDescription::wholeRow;
  std::string reason = whyNoTiles(matrix, *node.getContext());
  return reason.empty() || fail("no kernel computes it: " + reason);
}

} // namespace

std::optional<QuantizedMatrix> findMatMulNBits(const Graph &graph,
                                               onnx::NodeOp node) {
  if (!isMatMulNBits(node))
    return std::nullopt;
  NBitsReader reader(graph, node);
  return reader.read() ? std::optional(reader.matrix) : std::nullopt;
}

std::string explainMatMulNBits(const Graph &graph, onnx::NodeOp node) {
  NBitsReader reader(graph, node);
  reader.read();
  return reader.problem;
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
  if (matrix.columns < 1 || !whyNoTiles(matrix, *node.getContext()).empty())
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

/// The narrowest type of scales that holds them all.
Scalar findScaleType(Scalar stored, ArrayRef<float> scales) {
  bool fitsF16 = llvm::all_of(
      scales, [](float scale) { return widenF16(narrowF16(scale)) == scale; });
  return fitsF16 ? Scalar::F16 : stored;
}

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
  auto format = [&](Scalar scaleType, bool zeroPoints) {
    return getUniformFormat(context, matrix.bits, matrix.group, scaleType,
                            zeroPoints);
  };
  Planes planes;
  planes.resize(format(constants.scaleType, true).getDescription(), matrix.rows,
                matrix.columns);
  if (!QuantizedReader(matrix, constants).read(planes)) {
    emitError(location) << "a zero point of this node is no integer of "
                        << matrix.bits << " bits; export the model with "
                        << "integer zero points";
    return {};
  }
  bool hasZeroPoints = llvm::any_of(planes.offset.integers, [&](uint8_t zero) {
    return zero != 1u << (matrix.bits - 1);
  });
  FormatAttrInterface chosen = format(
      findScaleType(constants.scaleType, planes.scale.numbers), hasZeroPoints);
  std::vector<char> storage(matrix.rows * chosen.getRowBytes(matrix.columns));
  chosen.encode(planes, storage);
  return weight =
             addBytes(location, nameOfCodes(matrix.codes),
                      RankedTensorType::get({matrix.rows, matrix.columns},
                                            Float32Type::get(&context), chosen),
                      storage);
}

} // namespace lq::raise
