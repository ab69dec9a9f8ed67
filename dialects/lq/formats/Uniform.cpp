//===- Uniform.cpp - integer codes with scales and zero points ------------===//

#include "dialects/lq/LqAttributes.h"
#include "dialects/lq/formats/RowStorage.h"

using namespace mlir;
using namespace lq;

static constexpr Scalar scaleTypes[] = {Scalar::F16, Scalar::BF16, Scalar::F32};

void LqDialect::registerUniformFormats() {
  // What published checkpoints have; others can be written as attributes.
  for (bool zeroPoints : {false, true})
    for (unsigned bits : {2, 3, 4, 8})
      for (int64_t group : {32, 64, 128, 0})
        registerFormat(UniformFormatAttr::get(getContext(), bits, group,
                                              Scalar::F16, zeroPoints));
}

FormatAttrInterface lq::getUniformFormat(MLIRContext &context, unsigned bits,
                                         int64_t group, Scalar scale,
                                         bool zeroPoints) {
  return UniformFormatAttr::get(&context, bits, group, scale, zeroPoints);
}

LogicalResult
UniformFormatAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError,
                          unsigned bits, int64_t group, Scalar scale, bool) {
  if (bits < 2 || bits > 8)
    return emitError() << "expected codes of 2 to 8 bits, got " << bits;
  if (group < 0)
    return emitError() << "expected a positive group, got " << group;
  if (!llvm::is_contained(scaleTypes, scale))
    return emitError() << "expected scales in f16, bf16 or f32, got "
                       << scalarName(scale);
  return success();
}

/// A positive number, or `row` for 0.
static ParseResult parseGroup(AsmParser &parser, int64_t &group) {
  if (succeeded(parser.parseOptionalKeyword("row"))) {
    group = FormatDescription::wholeRow;
    return success();
  }
  SMLoc location = parser.getCurrentLocation();
  if (parser.parseInteger(group))
    return failure();
  if (group > 0)
    return success();
  return parser.emitError(location)
         << "expected a positive group or 'row', got " << group;
}

static ParseResult parseScaleType(AsmParser &parser, Scalar &scale) {
  SMLoc location = parser.getCurrentLocation();
  StringRef name;
  if (parser.parseKeyword(&name))
    return failure();
  const Scalar *found = llvm::find_if(
      scaleTypes, [&](Scalar each) { return scalarName(each) == name; });
  if (found == std::end(scaleTypes))
    return parser.emitError(location)
           << "unknown scale type '" << name << "', expected f16, bf16 or f32";
  scale = *found;
  return success();
}

Attribute UniformFormatAttr::parse(AsmParser &parser, Type) {
  SMLoc location = parser.getCurrentLocation();
  unsigned bits = 0;
  int64_t group = 0;
  Scalar scale = Scalar::F16;
  bool zeroPoints = false;
  if (parser.parseLess() || parser.parseKeyword("bits") ||
      parser.parseEqual() || parser.parseInteger(bits) || parser.parseComma() ||
      parser.parseKeyword("group") || parser.parseEqual() ||
      parseGroup(parser, group))
    return {};
  while (succeeded(parser.parseOptionalComma())) {
    if (succeeded(parser.parseOptionalKeyword("zero_points")))
      zeroPoints = true;
    else if (parser.parseKeyword("scale", " or 'zero_points'") ||
             parser.parseEqual() || parseScaleType(parser, scale))
      return {};
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<UniformFormatAttr>(location, parser.getContext(),
                                              bits, group, scale, zeroPoints);
}

void UniformFormatAttr::print(AsmPrinter &printer) const {
  printer << "<bits = " << getBits() << ", group = ";
  if (getGroup() == FormatDescription::wholeRow)
    printer << "row";
  else
    printer << getGroup();
  if (getScale() != Scalar::F16)
    printer << ", scale = " << scalarName(getScale());
  if (getZeroPoints())
    printer << ", zero_points";
  printer << '>';
}

FormatDescription UniformFormatAttr::getDescription() const {
  FormatDescription description;
  description.level = LevelKind::Integer;
  description.bits = getBits();
  description.group = getGroup();
  description.scale = directNumber(getScale());
  description.scaleRule = ScaleRule::AbsoluteMaximum;
  if (getZeroPoints()) {
    description.offset = zeroPointNumber(getBits());
    description.scaleRule = ScaleRule::MinimumMaximum;
  } else {
    description.zero = 1 << (getBits() - 1);
  }
  return description;
}

StringRef UniformFormatAttr::getFormatName() const {
  std::string name = getZeroPoints() ? "uint" : "int";
  name += std::to_string(getBits());
  name += getGroup() == FormatDescription::wholeRow
              ? "_row"
              : "_g" + std::to_string(getGroup());
  if (getScale() != Scalar::F16)
    name += "_" + scalarName(getScale()).str();
  // The context keeps the text.
  return StringAttr::get(getContext(), name).getValue();
}

std::string UniformFormatAttr::checkColumns(int64_t) const { return {}; }

FormatAttrInterface UniformFormatAttr::getFallback() const { return {}; }

int64_t UniformFormatAttr::getRowBytes(int64_t columns) const {
  return getStoredRowBytes(getDescription(), columns);
}

void UniformFormatAttr::decode(ArrayRef<char> storage, Planes &planes) const {
  decodeStoredRows(getDescription(), storage, planes);
}

void UniformFormatAttr::encode(const Planes &planes,
                               MutableArrayRef<char> storage) const {
  encodeStoredRows(getDescription(), planes, storage);
}

LogicalResult UniformFormatAttr::verifyEncoding(
    ArrayRef<int64_t> shape, Type elementType,
    llvm::function_ref<InFlightDiagnostic()> emitError) const {
  return verifyFormatEncoding(*this, shape, elementType, emitError);
}
