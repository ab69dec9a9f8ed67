//===- Initializers.cpp - The values of constants in a graph --------------===//

#include "passes/raise/eval/Initializers.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"

using namespace mlir;

namespace lq {

int64_t opsetOf(onnx::NodeOp node) {
  auto module = node->getParentOfType<ModuleOp>();
  auto imports = module->getAttrOfType<DictionaryAttr>("onnx.opset_imports");
  StringRef domain = node.getDomain() == "ai.onnx" ? "" : node.getDomain();
  auto version = imports ? imports.getAs<IntegerAttr>(domain) : IntegerAttr();
  return version ? version.getValue().getSExtValue() : INT64_MAX;
}

HostTensor tensorOf(ElementsAttr elements) {
  ShapedType type = elements.getShapedType();
  ElementKind kind = elementKindOf(type.getElementType());
  auto dense = dyn_cast<DenseElementsAttr>(elements);
  if (!dense || kind == ElementKind::Other)
    return HostTensor::withoutData(kind, type.getShape());
  HostTensor tensor = HostTensor::withData(kind, type.getShape());
  int64_t i = 0;
  if (isFloat(kind)) {
    for (APFloat value : dense.getValues<APFloat>()) {
      bool losesInfo;
      value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                    &losesInfo);
      tensor.floats[i++] = value.convertToDouble();
    }
    return tensor;
  }
  for (const APInt &value : dense.getValues<APInt>())
    tensor.ints[i++] =
        isUnsigned(kind) ? value.getZExtValue() : value.getSExtValue();
  return tensor;
}

std::optional<HostTensor> readInitializer(Operation *user, StringRef symbol,
                                          WeightFiles *weights,
                                          int64_t maxElements) {
  auto initializer = SymbolTable::lookupNearestSymbolFrom<onnx::InitializerOp>(
      user, StringAttr::get(user->getContext(), symbol));
  if (!initializer)
    return std::nullopt;
  if (ElementsAttr elements = initializer.getElements())
    return tensorOf(elements);
  RankedTensorType type = initializer.getTensorType();
  ElementKind kind = elementKindOf(type.getElementType());
  HostTensor shapeAlone = HostTensor::withoutData(kind, type.getShape());
  if (!weights || kind == ElementKind::Other || !initializer.getFile() ||
      !initializer.getOffset() || type.getNumElements() > maxElements)
    return shapeAlone;
  llvm::Expected<ArrayRef<char>> bytes =
      weights->read(*initializer.getFile(), *initializer.getOffset(),
                    initializer.getStorageBytes());
  // Whoever needs the bytes for good reports what is wrong with the file.
  if (!bytes) {
    llvm::consumeError(bytes.takeError());
    return shapeAlone;
  }
  std::optional<HostTensor> tensor =
      HostTensor::fromBytes(kind, type.getShape(), *bytes);
  return tensor ? tensor : shapeAlone;
}

std::optional<HostTensor> tensorAttribute(onnx::NodeOp node, StringRef name,
                                          WeightFiles *weights,
                                          int64_t maxElements) {
  Attribute attribute = node.getNodeAttr(name);
  if (auto elements = dyn_cast_or_null<ElementsAttr>(attribute))
    return tensorOf(elements);
  if (auto symbol = dyn_cast_or_null<FlatSymbolRefAttr>(attribute))
    return readInitializer(node, symbol.getValue(), weights, maxElements);
  return std::nullopt;
}

} // namespace lq
