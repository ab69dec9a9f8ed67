//===- ImportTypes.cpp - ONNX types as MLIR types -------------------------===//

#include "dialects/onnx/ImportContext.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lq;
using namespace lq::onnx;

StringAttr ImportContext::uniqueSymbol(StringRef name) {
  // Suffixes go on where they ended, as thousands of subgraphs may have
  // initializers of one name.
  if (symbols.try_emplace(name, 0).second)
    return text(name);
  std::string candidate;
  do
    candidate = (name + "_" + Twine(++symbols[name])).str();
  while (!symbols.try_emplace(candidate, 0).second);
  return text(candidate);
}

Type ImportContext::typeOf(Attribute attribute) const {
  if (auto elements = dyn_cast_or_null<ElementsAttr>(attribute))
    return elements.getType();
  if (auto symbol = dyn_cast_or_null<FlatSymbolRefAttr>(attribute))
    return initializerTypes.lookup(symbol.getAttr());
  return Type();
}

// By number, as the library may be older than the file.
Type lq::onnx::elementType(int dataType, MLIRContext &context) {
  Builder b(&context);
  auto unsignedType = [&](unsigned width) {
    return IntegerType::get(&context, width, IntegerType::Unsigned);
  };
  switch (dataType) {
  case 0:
    return UnknownType::get(&context);
  case 1:
    return b.getF32Type();
  case 2:
    return unsignedType(8);
  case 3:
    return b.getI8Type();
  case 4:
    return unsignedType(16);
  case 5:
    return b.getI16Type();
  case 6:
    return b.getI32Type();
  case 7:
    return b.getI64Type();
  case 8:
    return StringType::get(&context);
  case 9:
    return b.getI1Type();
  case 10:
    return b.getF16Type();
  case 11:
    return b.getF64Type();
  case 12:
    return unsignedType(32);
  case 13:
    return unsignedType(64);
  case 14:
    return ComplexType::get(b.getF32Type());
  case 15:
    return ComplexType::get(b.getF64Type());
  case 16:
    return b.getBF16Type();
  case 17:
    return Float8E4M3FNType::get(&context);
  case 18:
    return Float8E4M3FNUZType::get(&context);
  case 19:
    return Float8E5M2Type::get(&context);
  case 20:
    return Float8E5M2FNUZType::get(&context);
  case 21:
    return unsignedType(4);
  case 22:
    return b.getIntegerType(4);
  case 23:
    return Float4E2M1FNType::get(&context);
  case 24:
    return Float8E8M0FNUType::get(&context);
  case 25:
    return unsignedType(2);
  case 26:
    return b.getIntegerType(2);
  case 27:
    return Float6E2M3FNType::get(&context);
  case 28:
    return Float6E3M2FNType::get(&context);
  default:
    return Type();
  }
}

/// The extents of a shape, kDynamic where they are not given as a number.
static FailureOr<SmallVector<int64_t>>
importShape(ImportContext &import, const pb::TensorShapeProto &shape,
            StringRef where) {
  SmallVector<int64_t> extents;
  int64_t product = 1;
  for (const auto &dim : shape.dim()) {
    // Some exporters write -1 where they mean an unknown extent.
    if (!dim.has_dim_value() || dim.dim_value() == -1) {
      extents.push_back(ShapedType::kDynamic);
      continue;
    }
    if (dim.dim_value() < 0)
      return import.error(where)
             << "expected extents of at least 0, got " << dim.dim_value();
    extents.push_back(dim.dim_value());
    if (dim.dim_value() != 0 &&
        llvm::MulOverflow(product, dim.dim_value(), product))
      return import.error(where) << "the shape has more than 2^63 elements";
  }
  return extents;
}

/// `Proto` is TypeProto::Tensor or TypeProto::SparseTensor.
template <typename Proto>
static FailureOr<TensorType>
importTensorType(ImportContext &import, const Proto &type, StringRef where) {
  Type element = elementType(type.elem_type(), import.context);
  if (!element)
    return import.error(where)
           << "unknown element type number " << type.elem_type();
  if (!type.has_shape())
    return TensorType(UnrankedTensorType::get(element));
  auto shape = importShape(import, type.shape(), where);
  if (failed(shape))
    return failure();
  return TensorType(RankedTensorType::get(*shape, element));
}

static FailureOr<Type> importMapType(ImportContext &import,
                                     const pb::TypeProto::Map &map,
                                     StringRef where) {
  Type key = elementType(map.key_type(), import.context);
  if (!key)
    return import.error(where) << "unknown key type number " << map.key_type();
  FailureOr<Type> value = importType(import, map.value_type(), where);
  if (failed(value))
    return failure();
  return Type(MapType::get(&import.context, key, *value));
}

FailureOr<Type> lq::onnx::importType(ImportContext &import,
                                     const pb::TypeProto &type,
                                     StringRef where) {
  MLIRContext *context = &import.context;
  switch (type.value_case()) {
  case pb::TypeProto::kTensorType: {
    const auto &tensor = type.tensor_type();
    if (tensor.elem_type() == 0 && !tensor.has_shape())
      return Type(UnknownType::get(context));
    return importTensorType(import, tensor, where);
  }
  case pb::TypeProto::kSparseTensorType: {
    auto dense = importTensorType(import, type.sparse_tensor_type(), where);
    if (failed(dense))
      return failure();
    return Type(SparseType::get(context, *dense));
  }
  case pb::TypeProto::kSequenceType: {
    auto element = importType(import, type.sequence_type().elem_type(), where);
    if (failed(element))
      return failure();
    return Type(SequenceType::get(context, *element));
  }
  case pb::TypeProto::kOptionalType: {
    auto element = importType(import, type.optional_type().elem_type(), where);
    if (failed(element))
      return failure();
    return Type(OptionalType::get(context, *element));
  }
  case pb::TypeProto::kMapType:
    return importMapType(import, type.map_type(), where);
  case pb::TypeProto::kOpaqueType:
    return Type(OpaqueType::get(context, type.opaque_type().domain(),
                                type.opaque_type().name()));
  case pb::TypeProto::VALUE_NOT_SET:
    break;
  }
  return Type(UnknownType::get(context));
}

ArrayAttr lq::onnx::importDims(ImportContext &import,
                               const pb::TypeProto &type) {
  if (!type.has_tensor_type() || !type.tensor_type().has_shape())
    return {};
  Builder b(&import.context);
  SmallVector<Attribute> dims;
  for (const auto &dim : type.tensor_type().shape().dim()) {
    if (dim.has_dim_value() && dim.dim_value() >= 0)
      dims.push_back(b.getI64IntegerAttr(dim.dim_value()));
    else if (!dim.dim_param().empty())
      dims.push_back(import.text(dim.dim_param()));
    else
      dims.push_back(b.getUnitAttr());
  }
  return b.getArrayAttr(dims);
}

FailureOr<DictionaryAttr> lq::onnx::importEntries(
    ImportContext &import,
    const google::protobuf::RepeatedPtrField<pb::StringStringEntryProto>
        &entries,
    StringRef where) {
  NamedAttrList result;
  for (const auto &entry : entries) {
    if (entry.key().empty() || result.get(entry.key()))
      return import.error(where) << "expected keys that are not empty and "
                                    "differ, got another "
                                 << quoted(entry.key());
    result.append(entry.key(), import.text(entry.value()));
  }
  return result.getDictionary(&import.context);
}

FailureOr<DictionaryAttr> lq::onnx::importOpsets(
    ImportContext &import,
    const google::protobuf::RepeatedPtrField<pb::OperatorSetIdProto> &opsets,
    StringRef where) {
  NamedAttrList result;
  for (const pb::OperatorSetIdProto &opset : opsets) {
    StringRef domain = opset.domain();
    if (domain.empty())
      domain = "ai.onnx";
    if (result.get(domain))
      return import.error(where)
             << "the domain " << quoted(domain) << " is imported twice";
    result.append(domain,
                  Builder(&import.context).getI64IntegerAttr(opset.version()));
  }
  return result.getDictionary(&import.context);
}
