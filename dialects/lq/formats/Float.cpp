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
  auto names = llvm::map_to_vector(scalars, scalarName);
  FailureOr<size_t> found = parseName(parser, "number type", names);
  if (failed(found))
    return {};
  return get(parser.getContext(), scalars[*found]);
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
