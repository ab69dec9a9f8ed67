//===- Float.cpp - weights stored as numbers ------------------------------===//

#include "dialects/lq/LqAttributes.h"
#include "dialects/lq/Scalars.h"

using namespace mlir;
using namespace lq;

static constexpr Scalar scalars[] = {Scalar::F32, Scalar::F16, Scalar::BF16};

void LqDialect::registerFloatFormats() {
  for (Scalar scalar : scalars)
    registerFormat(FloatFormatAttr::get(getContext(), scalar));
}

FormatAttrInterface lq::getDenseFormat(Type elementType) {
  MLIRContext *context = elementType.getContext();
  if (elementType.isF32() || elementType.isF64())
    return FloatFormatAttr::get(context, Scalar::F32);
  if (elementType.isF16())
    return FloatFormatAttr::get(context, Scalar::F16);
  if (elementType.isBF16())
    return FloatFormatAttr::get(context, Scalar::BF16);
  return {};
}

Attribute FloatFormatAttr::parse(AsmParser &parser, Type) {
  StringRef name;
  if (parser.parseLess())
    return {};
  SMLoc location = parser.getCurrentLocation();
  if (parser.parseKeyword(&name))
    return {};
  const Scalar *scalar = llvm::find_if(
      scalars, [&](Scalar each) { return scalarName(each) == name; });
  if (scalar == std::end(scalars)) {
    parser.emitError(location)
        << "unknown number type '" << name << "', expected f32, f16 or bf16";
    return {};
  }
  if (parser.parseGreater())
    return {};
  return get(parser.getContext(), *scalar);
}

void FloatFormatAttr::print(AsmPrinter &printer) const {
  printer << '<' << scalarName(getScalar()) << '>';
}

FormatDescription FloatFormatAttr::getDescription() const {
  FormatDescription description;
  description.element = getScalar();
  return description;
}

StringRef FloatFormatAttr::getFormatName() const {
  return scalarName(getScalar());
}

std::string FloatFormatAttr::checkColumns(int64_t) const { return {}; }

FormatAttrInterface FloatFormatAttr::getFallback() const { return {}; }

int64_t FloatFormatAttr::getRowBytes(int64_t columns) const {
  return columns * byteWidth(getScalar());
}

void FloatFormatAttr::decode(ArrayRef<char> storage, Planes &planes) const {
  int64_t width = byteWidth(getScalar());
  for (auto [i, value] : llvm::enumerate(planes.values))
    value = loadScalar(getScalar(), storage.data() + i * width);
}

void FloatFormatAttr::encode(const Planes &planes,
                             MutableArrayRef<char> storage) const {
  int64_t width = byteWidth(getScalar());
  for (auto [i, value] : llvm::enumerate(planes.values))
    storeScalar(getScalar(), value, storage.data() + i * width);
}

LogicalResult FloatFormatAttr::verifyEncoding(
    ArrayRef<int64_t> shape, Type elementType,
    llvm::function_ref<InFlightDiagnostic()> emitError) const {
  return verifyFormatEncoding(*this, shape, elementType, emitError);
}
