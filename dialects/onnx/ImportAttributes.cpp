//===- ImportAttributes.cpp - Attributes of nodes -------------------------===//

#include "dialects/onnx/ImportContext.h"

using namespace mlir;
using namespace lq;
using namespace lq::onnx;

pb::AttributeProto::AttributeType
lq::onnx::attributeKind(const pb::AttributeProto &attribute) {
  using A = pb::AttributeProto;
  if (attribute.type() != A::UNDEFINED)
    return attribute.type();
  const std::pair<bool, A::AttributeType> fields[] = {
      {attribute.has_f(), A::FLOAT},
      {attribute.has_i(), A::INT},
      {attribute.has_s(), A::STRING},
      {attribute.has_t(), A::TENSOR},
      {attribute.has_g(), A::GRAPH},
      {attribute.has_tp(), A::TYPE_PROTO},
      {attribute.has_sparse_tensor(), A::SPARSE_TENSOR},
      {attribute.floats_size() > 0, A::FLOATS},
      {attribute.ints_size() > 0, A::INTS},
      {attribute.strings_size() > 0, A::STRINGS},
      {attribute.tensors_size() > 0, A::TENSORS},
      {attribute.graphs_size() > 0, A::GRAPHS},
      {attribute.type_protos_size() > 0, A::TYPE_PROTOS},
      {attribute.sparse_tensors_size() > 0, A::SPARSE_TENSORS}};
  A::AttributeType result = A::UNDEFINED;
  for (auto [filled, kind] : fields) {
    if (filled && result != A::UNDEFINED)
      return A::UNDEFINED;
    if (filled)
      result = kind;
  }
  return result;
}

/// The value of a small tensor, the symbol of a large one.
static FailureOr<Attribute> importTensorValue(ImportContext &import,
                                              const pb::TensorProto &tensor,
                                              StringRef name, StringRef where) {
  FailureOr<ImportedTensor> imported = importTensor(import, tensor, where);
  if (failed(imported))
    return failure();
  if (imported->value)
    return imported->value;
  return Attribute(addInitializer(import, name, *imported, where));
}

/// A repeated field of numbers.
template <typename T>
static ArrayRef<T> list(const google::protobuf::RepeatedField<T> &field) {
  return ArrayRef<T>(field.data(), static_cast<size_t>(field.size()));
}

/// Imports each element of a list with `importOne(element, where)`.
template <typename List, typename Function>
static FailureOr<Attribute> importList(ImportContext &import, const List &list,
                                       StringRef where, Function importOne) {
  SmallVector<Attribute> result;
  for (const auto &[index, element] : llvm::enumerate(list)) {
    FailureOr<Attribute> one =
        importOne(element, (where + "[" + Twine(index) + "]").str());
    if (failed(one))
      return failure();
    result.push_back(*one);
  }
  return Attribute(ArrayAttr::get(&import.context, result));
}

FailureOr<Attribute>
lq::onnx::importAttribute(ImportContext &import,
                          const pb::AttributeProto &attribute, StringRef name,
                          StringRef where) {
  using A = pb::AttributeProto;
  Builder b(&import.context);
  auto tensor = [&](const pb::TensorProto &tensor, StringRef where) {
    return importTensorValue(import, tensor, name, where);
  };
  auto sparse = [&](const pb::SparseTensorProto &tensor,
                    StringRef where) -> FailureOr<Attribute> {
    auto result = importSparseTensor(import, tensor, name, where);
    if (failed(result))
      return failure();
    return Attribute(*result);
  };
  auto type = [&](const pb::TypeProto &type,
                  StringRef where) -> FailureOr<Attribute> {
    FailureOr<Type> result = importType(import, type, where);
    if (failed(result))
      return failure();
    return Attribute(TypeAttr::get(*result));
  };

  if (!attribute.ref_attr_name().empty())
    return Attribute(
        RefAttr::get(&import.context, import.text(attribute.ref_attr_name())));
  switch (attributeKind(attribute)) {
  case A::FLOAT:
    return Attribute(b.getF32FloatAttr(attribute.f()));
  case A::INT:
    return Attribute(IntegerAttr::get(b.getIntegerType(64, /*isSigned=*/true),
                                      attribute.i()));
  case A::STRING:
    return Attribute(import.text(attribute.s()));
  case A::TENSOR:
    return tensor(attribute.t(), where);
  case A::SPARSE_TENSOR:
    return sparse(attribute.sparse_tensor(), where);
  case A::TYPE_PROTO:
    return type(attribute.tp(), where);
  case A::FLOATS:
    return Attribute(
        DenseF32ArrayAttr::get(&import.context, list(attribute.floats())));
  case A::INTS:
    return Attribute(
        DenseI64ArrayAttr::get(&import.context, list(attribute.ints())));
  case A::STRINGS:
    return Attribute(import.texts(attribute.strings()));
  case A::TENSORS:
    return importList(import, attribute.tensors(), where, tensor);
  case A::SPARSE_TENSORS:
    return importList(import, attribute.sparse_tensors(), where, sparse);
  case A::TYPE_PROTOS:
    return importList(import, attribute.type_protos(), where, type);
  case A::GRAPHS:
    if (attribute.graphs_size() == 0)
      return Attribute(b.getArrayAttr({}));
    return import.error(where) << "a graph has no place here";
  default:
    return import.error(where) << "the attribute " << quoted(attribute.name())
                               << " has no type, or one that is not known";
  }
}
