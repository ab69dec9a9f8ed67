//===- HostTensor.cpp - A tensor on the host, with or without data --------===//

#include "passes/raise/eval/HostTensor.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <limits>

using namespace mlir;

namespace lq {

bool isFloat(ElementKind kind) {
  return kind == ElementKind::F16 || kind == ElementKind::BF16 ||
         kind == ElementKind::F32 || kind == ElementKind::F64;
}

bool isInteger(ElementKind kind) {
  return !isFloat(kind) && kind != ElementKind::Other;
}

bool isUnsigned(ElementKind kind) {
  return kind == ElementKind::Bool || kind == ElementKind::U8 ||
         kind == ElementKind::U16 || kind == ElementKind::U32 ||
         kind == ElementKind::U64;
}

int64_t byteWidth(ElementKind kind) {
  switch (kind) {
  case ElementKind::Bool:
  case ElementKind::I8:
  case ElementKind::U8:
    return 1;
  case ElementKind::I16:
  case ElementKind::U16:
  case ElementKind::F16:
  case ElementKind::BF16:
    return 2;
  case ElementKind::I32:
  case ElementKind::U32:
  case ElementKind::F32:
    return 4;
  case ElementKind::I64:
  case ElementKind::U64:
  case ElementKind::F64:
    return 8;
  case ElementKind::Other:
    return 0;
  }
  llvm_unreachable("every kind has a width");
}

static ElementKind integerKind(IntegerType type) {
  bool isUnsigned = type.isUnsigned();
  switch (type.getWidth()) {
  case 1:
    return ElementKind::Bool;
  case 8:
    return isUnsigned ? ElementKind::U8 : ElementKind::I8;
  case 16:
    return isUnsigned ? ElementKind::U16 : ElementKind::I16;
  case 32:
    return isUnsigned ? ElementKind::U32 : ElementKind::I32;
  case 64:
    return isUnsigned ? ElementKind::U64 : ElementKind::I64;
  default:
    return ElementKind::Other;
  }
}

ElementKind elementKindOf(Type type) {
  if (auto integer = dyn_cast<IntegerType>(type))
    return integerKind(integer);
  if (type.isF16())
    return ElementKind::F16;
  if (type.isBF16())
    return ElementKind::BF16;
  if (type.isF32())
    return ElementKind::F32;
  if (type.isF64())
    return ElementKind::F64;
  return ElementKind::Other;
}

Type signlessType(ElementKind kind, MLIRContext *context) {
  switch (kind) {
  case ElementKind::F16:
    return Float16Type::get(context);
  case ElementKind::BF16:
    return BFloat16Type::get(context);
  case ElementKind::F32:
    return Float32Type::get(context);
  case ElementKind::F64:
    return Float64Type::get(context);
  case ElementKind::Other:
    return {};
  case ElementKind::Bool:
    return IntegerType::get(context, 1);
  default:
    return IntegerType::get(context, byteWidth(kind) * 8);
  }
}

static double roundThrough(const llvm::fltSemantics &semantics, double value) {
  llvm::APFloat number(value);
  bool losesInfo;
  number.convert(semantics, llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  number.convert(llvm::APFloat::IEEEdouble(),
                 llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  return number.convertToDouble();
}

double roundTo(ElementKind kind, double value) {
  switch (kind) {
  case ElementKind::F32:
    return static_cast<float>(value);
  case ElementKind::F16:
    return roundThrough(llvm::APFloat::IEEEhalf(), value);
  case ElementKind::BF16:
    return roundThrough(llvm::APFloat::BFloat(), value);
  default:
    return value;
  }
}

int64_t wrapTo(ElementKind kind, int64_t value) {
  switch (kind) {
  case ElementKind::Bool:
    return value != 0;
  case ElementKind::I8:
    return static_cast<int8_t>(value);
  case ElementKind::I16:
    return static_cast<int16_t>(value);
  case ElementKind::I32:
    return static_cast<int32_t>(value);
  case ElementKind::U8:
    return static_cast<uint8_t>(value);
  case ElementKind::U16:
    return static_cast<uint16_t>(value);
  case ElementKind::U32:
    return static_cast<uint32_t>(value);
  default:
    return value;
  }
}

SmallVector<int64_t> stridesOf(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t d = shape.size(); d-- > 0; stride *= shape[d])
    strides[d] = stride;
  return strides;
}

std::optional<int64_t> elementCount(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t dim : shape) {
    if (dim < 0 || llvm::MulOverflow(count, dim, count) ||
        count > (int64_t(1) << 62))
      return std::nullopt;
  }
  return count;
}

std::optional<SmallVector<int64_t>> broadcastShapes(ArrayRef<int64_t> a,
                                                    ArrayRef<int64_t> b) {
  if (a.size() < b.size())
    std::swap(a, b);
  SmallVector<int64_t> result(a);
  size_t lead = a.size() - b.size();
  for (size_t d = 0; d < b.size(); ++d) {
    int64_t &dim = result[lead + d];
    if (dim == 1)
      dim = b[d];
    else if (b[d] != 1 && b[d] != dim)
      return std::nullopt;
  }
  return result;
}

HostTensor HostTensor::withoutData(ElementKind kind, ArrayRef<int64_t> shape) {
  HostTensor tensor;
  tensor.kind = kind;
  tensor.shape.assign(shape.begin(), shape.end());
  return tensor;
}

HostTensor HostTensor::withData(ElementKind kind, ArrayRef<int64_t> shape) {
  HostTensor tensor = withoutData(kind, shape);
  tensor.hasData = true;
  if (tensor.isFloat())
    tensor.floats.resize(tensor.size());
  else
    tensor.ints.resize(tensor.size());
  return tensor;
}

HostTensor HostTensor::ofInts(ElementKind kind, ArrayRef<int64_t> shape,
                              ArrayRef<int64_t> values) {
  HostTensor tensor = withData(kind, shape);
  for (size_t i = 0; i < values.size(); ++i)
    tensor.setInteger(i, values[i]);
  return tensor;
}

HostTensor HostTensor::ofFloats(ElementKind kind, ArrayRef<int64_t> shape,
                                ArrayRef<double> values) {
  HostTensor tensor = withData(kind, shape);
  for (size_t i = 0; i < values.size(); ++i)
    tensor.setNumber(i, values[i]);
  return tensor;
}

int64_t HostTensor::size() const {
  int64_t count = 1;
  for (int64_t dim : shape)
    count *= dim;
  return count;
}

namespace {
/// Reads consecutive little-endian elements of type T.
template <typename T> struct Elements {
  const char *data;
  T operator[](int64_t i) const {
    return llvm::support::endian::read<T, llvm::endianness::little>(
        data + i * sizeof(T));
  }
};
} // namespace

template <typename T>
static void readIntegers(HostTensor &tensor, const char *data) {
  Elements<T> elements{data};
  for (size_t i = 0; i < tensor.ints.size(); ++i)
    tensor.ints[i] = static_cast<int64_t>(elements[i]);
}

template <typename T>
static void readFloats(HostTensor &tensor, const char *data) {
  Elements<T> elements{data};
  for (size_t i = 0; i < tensor.floats.size(); ++i)
    tensor.floats[i] = elements[i];
}

static void readSmallFloats(HostTensor &tensor, const char *data,
                            const llvm::fltSemantics &semantics) {
  Elements<uint16_t> elements{data};
  for (size_t i = 0; i < tensor.floats.size(); ++i) {
    llvm::APFloat number(semantics, llvm::APInt(16, elements[i]));
    bool losesInfo;
    number.convert(llvm::APFloat::IEEEdouble(),
                   llvm::APFloat::rmNearestTiesToEven, &losesInfo);
    tensor.floats[i] = number.convertToDouble();
  }
}

std::optional<HostTensor> HostTensor::fromBytes(ElementKind kind,
                                                ArrayRef<int64_t> shape,
                                                ArrayRef<char> bytes) {
  std::optional<int64_t> count = elementCount(shape);
  if (kind == ElementKind::Other || !count ||
      static_cast<uint64_t>(*count) !=
          bytes.size() / static_cast<uint64_t>(byteWidth(kind)) ||
      bytes.size() % byteWidth(kind) != 0)
    return std::nullopt;
  HostTensor tensor = withData(kind, shape);
  const char *data = bytes.data();
  switch (kind) {
  case ElementKind::Bool:
    readIntegers<uint8_t>(tensor, data);
    for (int64_t &value : tensor.ints)
      value = value != 0;
    break;
  case ElementKind::I8:
    readIntegers<int8_t>(tensor, data);
    break;
  case ElementKind::I16:
    readIntegers<int16_t>(tensor, data);
    break;
  case ElementKind::I32:
    readIntegers<int32_t>(tensor, data);
    break;
  case ElementKind::I64:
  case ElementKind::U64:
    readIntegers<int64_t>(tensor, data);
    break;
  case ElementKind::U8:
    readIntegers<uint8_t>(tensor, data);
    break;
  case ElementKind::U16:
    readIntegers<uint16_t>(tensor, data);
    break;
  case ElementKind::U32:
    readIntegers<uint32_t>(tensor, data);
    break;
  case ElementKind::F16:
    readSmallFloats(tensor, data, llvm::APFloat::IEEEhalf());
    break;
  case ElementKind::BF16:
    readSmallFloats(tensor, data, llvm::APFloat::BFloat());
    break;
  case ElementKind::F32:
    readFloats<float>(tensor, data);
    break;
  case ElementKind::F64:
    readFloats<double>(tensor, data);
    break;
  case ElementKind::Other:
    return std::nullopt;
  }
  return tensor;
}

/// The bits of a number of a floating-point kind.
static uint64_t bitsOf(ElementKind kind, double value) {
  llvm::APFloat number(value);
  bool losesInfo;
  const llvm::fltSemantics &semantics =
      kind == ElementKind::F16    ? llvm::APFloat::IEEEhalf()
      : kind == ElementKind::BF16 ? llvm::APFloat::BFloat()
      : kind == ElementKind::F32  ? llvm::APFloat::IEEEsingle()
                                  : llvm::APFloat::IEEEdouble();
  number.convert(semantics, llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  return number.bitcastToAPInt().getZExtValue();
}

std::vector<char> HostTensor::toBytes() const {
  int64_t width = byteWidth(kind), count = size();
  std::vector<char> bytes(count * width);
  for (int64_t i = 0; i < count; ++i) {
    uint64_t bits = isFloat() ? bitsOf(kind, floats[i]) : uint64_t(ints[i]);
    for (int64_t b = 0; b < width; ++b)
      bytes[i * width + b] = static_cast<char>(bits >> (8 * b));
  }
  return bytes;
}

/// Truncates towards zero. Values out of range saturate, NaN gives 0: ONNX
/// leaves both undefined, C++ must not.
static int64_t truncateToInteger(double value, bool isUnsigned) {
  if (std::isnan(value))
    return 0;
  constexpr double kTwo63 = 9223372036854775808.0;
  if (isUnsigned && value >= kTwo63)
    return value >= 2 * kTwo63 ? -1 : static_cast<int64_t>(uint64_t(value));
  if (value >= kTwo63)
    return std::numeric_limits<int64_t>::max();
  if (value < -kTwo63)
    return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(value);
}

void HostTensor::setNumber(int64_t i, double value) {
  if (isFloat())
    floats[i] = roundTo(kind, value);
  else if (kind == ElementKind::Bool)
    ints[i] = value != 0;
  else
    ints[i] = wrapTo(kind, truncateToInteger(value, kind == ElementKind::U64));
}

void HostTensor::setInteger(int64_t i, int64_t value) {
  if (isFloat())
    floats[i] = roundTo(kind, static_cast<double>(value));
  else
    ints[i] = wrapTo(kind, value);
}

DenseElementsAttr HostTensor::toAttribute(MLIRContext *context) const {
  Type element = signlessType(kind, context);
  auto type = RankedTensorType::get(shape, element);
  if (isFloat()) {
    const llvm::fltSemantics &semantics =
        cast<FloatType>(element).getFloatSemantics();
    SmallVector<APFloat> values;
    values.reserve(floats.size());
    for (double value : floats) {
      APFloat number(value);
      bool losesInfo;
      number.convert(semantics, APFloat::rmNearestTiesToEven, &losesInfo);
      values.push_back(number);
    }
    return DenseElementsAttr::get(type, values);
  }
  unsigned width = cast<IntegerType>(element).getWidth();
  SmallVector<APInt> values;
  values.reserve(ints.size());
  for (int64_t value : ints)
    values.emplace_back(width, value, /*isSigned=*/false,
                        /*implicitTrunc=*/true);
  return DenseElementsAttr::get(type, values);
}

} // namespace lq
