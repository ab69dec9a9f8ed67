//===- Exl2.cpp - bits that change along K --------------------------------===//

#include "dialects/lq/LqAttributes.h"
#include "dialects/lq/formats/RowStorage.h"

using namespace mlir;
using namespace lq;

static constexpr unsigned codeBits[] = {8, 6, 5, 4, 3, 2};

void LqDialect::registerExl2Formats() {
  for (unsigned bits : llvm::reverse(codeBits))
    for (int64_t group : {32, 64, 128})
      registerFormat(
          Exl2FormatAttr::get(getContext(), ColumnRun{0, bits, group}));
}

FormatAttrInterface lq::getMixedBitsFormat(MLIRContext &context,
                                           ArrayRef<ColumnRun> runs) {
  return Exl2FormatAttr::get(&context, runs);
}

/// Whether the one run stands for all columns, whatever their number.
static bool isUniform(ArrayRef<ColumnRun> runs) {
  return runs.size() == 1 && runs.front().columns == 0;
}

static LogicalResult
verifyRun(const ColumnRun &run,
          llvm::function_ref<InFlightDiagnostic()> emitError) {
  if (!llvm::is_contained(codeBits, run.bits))
    return emitError() << "expected codes of 2, 3, 4, 5, 6 or 8 bits, got "
                       << run.bits;
  int64_t unit = run.bits == 2 ? 16 : 32;
  if (run.group <= 0 || run.group % unit != 0)
    return emitError() << "expected groups of " << run.bits
                       << "-bit codes to be a multiple of " << unit
                       << " columns, got " << run.group;
  if (run.columns % unit != 0)
    return emitError() << "expected a run of " << run.bits
                       << "-bit codes to be a multiple of " << unit
                       << " columns, got " << run.columns;
  return success();
}

LogicalResult
Exl2FormatAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError,
                       ArrayRef<ColumnRun> runs) {
  if (runs.empty())
    return emitError() << "expected a run of columns";
  unsigned before = codeBits[0];
  for (const ColumnRun &run : runs) {
    if (failed(verifyRun(run, emitError)))
      return failure();
    if (run.columns <= 0 && !isUniform(runs))
      return emitError() << "expected a run to have columns, got "
                         << run.columns;
    if (run.bits > before)
      return emitError() << "expected the bits of runs to fall, got "
                         << run.bits << " after " << before;
    before = run.bits;
  }
  return success();
}

/// `6 x 384 group 128`, or `4 group 128`.
static ParseResult parseRun(AsmParser &parser, ColumnRun &run) {
  if (parser.parseInteger(run.bits))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("x"))) {
    SMLoc location = parser.getCurrentLocation();
    if (parser.parseInteger(run.columns))
      return failure();
    if (run.columns <= 0)
      return parser.emitError(location)
             << "expected a run to have columns, got " << run.columns;
  }
  return failure(parser.parseKeyword("group") ||
                 parser.parseInteger(run.group));
}

Attribute Exl2FormatAttr::parse(AsmParser &parser, Type) {
  SmallVector<ColumnRun> runs;
  SMLoc location = parser.getCurrentLocation();
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::LessGreater, [&] {
        return parseRun(parser, runs.emplace_back());
      }))
    return {};
  return getChecked([&] { return parser.emitError(location); },
                    parser.getContext(), ArrayRef(runs));
}

void Exl2FormatAttr::print(AsmPrinter &printer) const {
  printer << '<';
  llvm::interleaveComma(getRuns(), printer, [&](const ColumnRun &run) {
    printer << run.bits;
    if (run.columns)
      printer << " x " << run.columns;
    printer << " group " << run.group;
  });
  printer << '>';
}

FormatDescription Exl2FormatAttr::getDescription() const {
  ColumnRun first = getRuns().front();
  FormatDescription description;
  description.level = LevelKind::Integer;
  description.bits = first.bits;
  description.zero = 1 << (first.bits - 1);
  description.group = description.superGroup = first.group;
  description.scale = squareNumber(Scalar::F16, 4);
  description.scaleRule = ScaleRule::AbsoluteMaximum;
  if (!isUniform(getRuns()))
    description.runs = getRuns();
  return description;
}

StringRef Exl2FormatAttr::getFormatName() const {
  std::string name = "exl2";
  for (const ColumnRun &run : getRuns()) {
    name += "_" + std::to_string(run.bits);
    if (run.columns)
      name += "x" + std::to_string(run.columns);
    name += "_g" + std::to_string(run.group);
  }
  // The context keeps the text.
  return StringAttr::get(getContext(), name).getValue();
}

std::string Exl2FormatAttr::checkColumns(int64_t columns) const {
  if (isUniform(getRuns()))
    return columns % 32 == 0 ? "" : "it takes a multiple of 32 columns";
  int64_t sum = 0;
  for (const ColumnRun &run : getRuns())
    sum += run.columns;
  return columns == sum
             ? ""
             : "its runs make up " + std::to_string(sum) + " columns";
}

FormatAttrInterface Exl2FormatAttr::getFallback() const { return {}; }

int64_t Exl2FormatAttr::getRowBytes(int64_t columns) const {
  return getStoredRowBytes(getDescription(), columns);
}

void Exl2FormatAttr::decode(ArrayRef<char> storage, Planes &planes) const {
  decodeStoredRows(getDescription(), storage, planes);
}

void Exl2FormatAttr::encode(const Planes &planes,
                            MutableArrayRef<char> storage) const {
  encodeStoredRows(getDescription(), planes, storage);
}

LogicalResult Exl2FormatAttr::verifyEncoding(
    ArrayRef<int64_t> shape, Type elementType,
    llvm::function_ref<InFlightDiagnostic()> emitError) const {
  return verifyFormatEncoding(*this, shape, elementType, emitError);
}
