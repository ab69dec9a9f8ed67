//===- Codebook.cpp - codes that stand for levels of a table --------------===//

#include "dialects/lq/LqAttributes.h"
#include "dialects/lq/formats/RowStorage.h"

using namespace mlir;
using namespace lq;

/// QLoRA (Dettmers et al. 2023), appendix E.
static constexpr float normalFloat4[] = {-1.0f,
                                         -0.6961928009986877f,
                                         -0.5250730514526367f,
                                         -0.39491748809814453f,
                                         -0.28444138169288635f,
                                         -0.18477343022823334f,
                                         -0.09105003625154495f,
                                         0.0f,
                                         0.07958029955625534f,
                                         0.16093020141124725f,
                                         0.24611230194568634f,
                                         0.33791524171829224f,
                                         0.44070982933044434f,
                                         0.5626170039176941f,
                                         0.7229568362236023f,
                                         1.0f};

static FormatDescription normalFloat(Scalar scale) {
  FormatDescription description;
  description.level = LevelKind::Table;
  description.bits = 4;
  description.levels = normalFloat4;
  description.group = 64;
  description.scale = directNumber(scale);
  description.scaleRule = ScaleRule::AbsoluteMaximum;
  return description;
}

static const CodebookFormat codebookFormats[] = {
    {"nf4", normalFloat(Scalar::F32)}, {"nf4_f16", normalFloat(Scalar::F16)}};

void LqDialect::registerCodebookFormats() {
  for (const CodebookFormat &format : codebookFormats)
    registerFormat(CodebookFormatAttr::get(getContext(), &format));
}

Attribute CodebookFormatAttr::parse(AsmParser &parser, Type) {
  auto names = llvm::map_to_vector(
      codebookFormats,
      [](const CodebookFormat &each) -> StringRef { return each.name; });
  FailureOr<size_t> found = parseName(parser, "codebook", names);
  if (failed(found))
    return {};
  return get(parser.getContext(), &codebookFormats[*found]);
}

void CodebookFormatAttr::print(AsmPrinter &printer) const {
  printer << '<' << getFormat()->name << '>';
}

FormatDescription CodebookFormatAttr::getDescription() const {
  return getFormat()->description;
}

StringRef CodebookFormatAttr::getFormatName() const {
  return getFormat()->name;
}

std::string CodebookFormatAttr::checkColumns(int64_t) const { return {}; }

FormatAttrInterface CodebookFormatAttr::getFallback() const { return {}; }

int64_t CodebookFormatAttr::getRowBytes(int64_t columns) const {
  return getStoredRowBytes(getDescription(), columns);
}

void CodebookFormatAttr::decode(ArrayRef<char> storage, Planes &planes) const {
  decodeStoredRows(getDescription(), storage, planes);
}

void CodebookFormatAttr::encode(const Planes &planes,
                                MutableArrayRef<char> storage) const {
  encodeStoredRows(getDescription(), planes, storage);
}

LogicalResult CodebookFormatAttr::verifyEncoding(
    ArrayRef<int64_t> shape, Type elementType,
    llvm::function_ref<InFlightDiagnostic()> emitError) const {
  return verifyFormatEncoding(*this, shape, elementType, emitError);
}
