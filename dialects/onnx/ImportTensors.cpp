//===- ImportTensors.cpp - Tensors by reference, small ones inline --------===//

#include "dialects/onnx/ImportContext.h"

#include "llvm/Support/Endian.h"
#include <limits>

using namespace mlir;
using namespace lq;
using namespace lq::onnx;

namespace {

/// Numbers that ONNX gives to element types whose elements are stored in
/// fields of their own; all others are in int32_data.
enum DataType : int {
  Float = 1,
  Int64 = 7,
  String = 8,
  Float64 = 11,
  Uint32 = 12,
  Uint64 = 13,
  Complex64 = 14,
  Complex128 = 15
};

//===----------------------------------------------------------------------===//
// Raw bytes as attributes and back
//===----------------------------------------------------------------------===//

/// Element `index` of packed elements of `bits` (at most 7) bits each.
uint8_t unpackElement(ArrayRef<char> bytes, size_t index, unsigned bits) {
  size_t at = index * bits;
  unsigned word = static_cast<uint8_t>(bytes[at / 8]);
  if (at / 8 + 1 < bytes.size())
    word |= static_cast<unsigned>(static_cast<uint8_t>(bytes[at / 8 + 1])) << 8;
  return static_cast<uint8_t>((word >> (at % 8)) & ((1u << bits) - 1));
}

/// The elements that `bytes` hold in ONNX's raw form.
DenseElementsAttr elementsFromBytes(RankedTensorType type,
                                    ArrayRef<char> bytes) {
  Type element = type.getElementType();
  if (type.getNumElements() == 0)
    return DenseElementsAttr::get(type, ArrayRef<Attribute>());
  if (element.isInteger(1)) {
    SmallVector<bool> values;
    for (char byte : bytes)
      values.push_back(byte != 0);
    return DenseElementsAttr::get(type, values);
  }
  unsigned bits = storageBits(element);
  if (bits >= 8)
    return DenseElementsAttr::getFromRawBuffer(type, bytes);
  std::vector<char> unpacked(static_cast<size_t>(type.getNumElements()));
  for (size_t i = 0; i < unpacked.size(); ++i)
    unpacked[i] = static_cast<char>(unpackElement(bytes, i, bits));
  return DenseElementsAttr::getFromRawBuffer(type, unpacked);
}

/// Appends the low `width` bytes of `value`, little-endian.
void appendBytes(std::vector<char> &out, uint64_t value, unsigned width) {
  for (unsigned i = 0; i < width; ++i)
    out.push_back(static_cast<char>(value >> (8 * i)));
}

/// Packs 6-bit elements, of which int32_data holds one an entry.
std::vector<char> packSixBits(const pb::TensorProto &tensor) {
  std::vector<char> out(
      (static_cast<size_t>(tensor.int32_data_size()) * 6 + 7) / 8);
  size_t at = 0;
  for (int32_t value : tensor.int32_data()) {
    unsigned word = static_cast<unsigned>(value & 0x3f) << (at % 8);
    out[at / 8] |= static_cast<char>(word);
    if (at % 8 > 2)
      out[at / 8 + 1] |= static_cast<char>(word >> 8);
    at += 6;
  }
  return out;
}

/// The typed field of `tensor` as raw bytes. Elements of 4 and 2 bits are
/// packed in int32_data already, one byte an entry.
std::vector<char> bytesFromTypedField(const pb::TensorProto &tensor,
                                      unsigned bits) {
  std::vector<char> out;
  switch (tensor.data_type()) {
  case Float:
  case Complex64:
    for (float value : tensor.float_data())
      appendBytes(out, llvm::bit_cast<uint32_t>(value), 4);
    return out;
  case Float64:
  case Complex128:
    for (double value : tensor.double_data())
      appendBytes(out, llvm::bit_cast<uint64_t>(value), 8);
    return out;
  case Int64:
    for (int64_t value : tensor.int64_data())
      appendBytes(out, static_cast<uint64_t>(value), 8);
    return out;
  case Uint32:
  case Uint64:
    for (uint64_t value : tensor.uint64_data())
      appendBytes(out, value, bits / 8);
    return out;
  default:
    if (bits == 6)
      return packSixBits(tensor);
    for (int32_t value : tensor.int32_data())
      appendBytes(out, static_cast<uint32_t>(value), std::max(bits / 8, 1u));
    return out;
  }
}

//===----------------------------------------------------------------------===//
// One tensor
//===----------------------------------------------------------------------===//

class TensorImporter {
public:
  TensorImporter(ImportContext &import, const pb::TensorProto &tensor,
                 StringRef where)
      : import(import), tensor(tensor), where(where) {}

  FailureOr<ImportedTensor> run();

private:
  FailureOr<RankedTensorType> importShape();
  LogicalResult importStrings();
  LogicalResult importRaw();
  LogicalResult importExternal();
  LogicalResult importTyped();
  LogicalResult checkSize(uint64_t found, const Twine &holder);
  LogicalResult refer(StringRef file, uint64_t offset);
  InFlightDiagnostic error() { return import.error(where); }

  ImportContext &import;
  const pb::TensorProto &tensor;
  StringRef where;
  uint64_t bytes = 0;
  ImportedTensor result;
};

FailureOr<RankedTensorType> TensorImporter::importShape() {
  Type element = elementType(tensor.data_type(), import.context);
  if (!element || isa<UnknownType>(element))
    return error() << "unknown element type number " << tensor.data_type();
  for (int64_t extent : tensor.dims())
    if (extent < 0)
      return error() << "expected extents of at least 0, got " << extent;
  auto type = RankedTensorType::get(
      ArrayRef<int64_t>(tensor.dims().data(), tensor.dims_size()), element);
  std::optional<int64_t> size = storageBytes(type);
  if (!size)
    return error() << "the shape has more than 2^63 bits";
  bytes = static_cast<uint64_t>(*size);
  return type;
}

LogicalResult TensorImporter::checkSize(uint64_t found, const Twine &holder) {
  if (found == bytes)
    return success();
  return error() << "a " << result.type << " takes " << bytes << " bytes, but "
                 << holder << " has " << found;
}

/// Says that the bytes lie at `offset` of `file`, and reads them if they are
/// few.
LogicalResult TensorImporter::refer(StringRef file, uint64_t offset) {
  auto data = import.files.read(file, offset, bytes);
  if (!data)
    return error() << toString(data.takeError());
  if (offset > std::numeric_limits<int64_t>::max())
    return error() << "the offset " << offset << " is too large";
  result.file = import.text(file);
  result.offset =
      Builder(&import.context).getI64IntegerAttr(static_cast<int64_t>(offset));
  if (bytes <= static_cast<uint64_t>(kInlineBytes))
    result.value = elementsFromBytes(result.type, *data);
  return success();
}

LogicalResult TensorImporter::importStrings() {
  if (tensor.string_data_size() != result.type.getNumElements())
    return error() << "a " << result.type << " has "
                   << result.type.getNumElements()
                   << " elements, but string_data has "
                   << tensor.string_data_size();
  SmallVector<StringRef> values(tensor.string_data().begin(),
                                tensor.string_data().end());
  result.value = DenseStringElementsAttr::get(result.type, values);
  return success();
}

LogicalResult TensorImporter::importRaw() {
  Payload payload = payloadOf(tensor);
  if (failed(checkSize(payload.length, "raw_data")))
    return failure();
  return refer(import.modelName, payload.offset);
}

LogicalResult TensorImporter::importExternal() {
  auto data = externalDataOf(tensor);
  if (!data)
    return error() << toString(data.takeError());
  if (failed(checkSize(data->length.value_or(bytes), "its external data")))
    return failure();
  return refer(data->location, data->offset);
}

LogicalResult TensorImporter::importTyped() {
  std::vector<char> data =
      bytesFromTypedField(tensor, storageBits(result.type.getElementType()));
  if (failed(checkSize(data.size(), "its typed data field")))
    return failure();
  bool small = bytes <= static_cast<uint64_t>(kInlineBytes);
  WeightArchive *archive = import.options.archive;
  if (small || !archive) {
    result.value = elementsFromBytes(result.type, data);
    return success();
  }
  auto offset = archive->add(data);
  if (!offset)
    return error() << toString(offset.takeError());
  auto address = import.files.address(archive->path());
  if (!address)
    return error() << toString(address.takeError());
  result.file = import.text(*address);
  result.offset =
      Builder(&import.context).getI64IntegerAttr(static_cast<int64_t>(*offset));
  return success();
}

FailureOr<ImportedTensor> TensorImporter::run() {
  FailureOr<RankedTensorType> type = importShape();
  if (failed(type))
    return failure();
  result.type = *type;
  if (tensor.has_segment())
    return error() << "tensors in segments are not supported; save the model "
                      "again with a current version of onnx";
  LogicalResult read = failure();
  if (tensor.data_location() == pb::TensorProto::EXTERNAL)
    read = importExternal();
  else if (tensor.data_type() == String)
    read = importStrings();
  else if (tensor.has_raw_data())
    read = importRaw();
  else
    read = importTyped();
  if (failed(read))
    return failure();
  return result;
}

} // namespace

FailureOr<ImportedTensor> lq::onnx::importTensor(ImportContext &import,
                                                 const pb::TensorProto &tensor,
                                                 StringRef where) {
  std::string place = where.str();
  if (!tensor.name().empty())
    place += " " + quoted(tensor.name());
  return TensorImporter(import, tensor, place).run();
}

FailureOr<SparseTensorAttr>
lq::onnx::importSparseTensor(ImportContext &import,
                             const pb::SparseTensorProto &tensor,
                             StringRef name, StringRef where) {
  auto values =
      importTensor(import, tensor.values(), (where + ".values").str());
  if (failed(values))
    return failure();
  auto indices =
      importTensor(import, tensor.indices(), (where + ".indices").str());
  if (failed(indices))
    return failure();
  int64_t product = 1;
  for (int64_t extent : tensor.dims())
    if (extent < 0 ||
        (extent != 0 && llvm::MulOverflow(product, extent, product)))
      return import.error(where) << "expected a shape of fewer than 2^63 "
                                    "elements, with extents of at least 0";
  if (!indices->type.getElementType().isInteger(64))
    return import.error(where) << "expected indices of type INT64";
  auto part = [&](const ImportedTensor &tensor, StringRef suffix) -> Attribute {
    return tensor.value
               ? tensor.value
               : addInitializer(import, (name + suffix).str(), tensor, where);
  };
  auto type = RankedTensorType::get(
      ArrayRef<int64_t>(tensor.dims().data(), tensor.dims_size()),
      values->type.getElementType());
  return SparseTensorAttr::get(&import.context, type, part(*values, ".values"),
                               part(*indices, ".indices"));
}

FlatSymbolRefAttr lq::onnx::addInitializer(ImportContext &import,
                                           StringRef name,
                                           const ImportedTensor &tensor,
                                           StringRef where) {
  StringAttr symbol = import.uniqueSymbol(name);
  import.initializerTypes[symbol] = tensor.type;
  InitializerOp::create(import.builder, import.locate(where), symbol,
                        TypeAttr::get(tensor.type), tensor.file, tensor.offset,
                        tensor.value);
  return FlatSymbolRefAttr::get(symbol);
}
