//===- WidenFloats.cpp - Compute 16-bit graphs in f32 ---------------------===//

#include "passes/raise/WidenFloats.h"
#include "dialects/onnx/OnnxDialect.h"

using namespace mlir;

namespace lq::raise {
namespace {

/// TensorProto.DataType
constexpr int64_t kOnnxFloat = 1, kOnnxFloat16 = 10, kOnnxBFloat16 = 16;

bool isNarrow(Type type) {
  auto shaped = dyn_cast<ShapedType>(type);
  return shaped &&
         (shaped.getElementType().isF16() || shaped.getElementType().isBF16());
}

Type widened(Type type) {
  return cast<ShapedType>(type).clone(Float32Type::get(type.getContext()));
}

DictionaryAttr withAttribute(onnx::NodeOp node, StringRef name,
                             Attribute value) {
  NamedAttrList list(node.getNodeAttributesAttr());
  list.set(name, value);
  return list.getDictionary(node.getContext());
}

/// The node's own attributes that name a type.
void widenAttributes(onnx::NodeOp node) {
  Builder builder(node.getContext());
  if (node.is("Cast")) {
    int64_t to = node.getInt("to", 0);
    if (to == kOnnxFloat16 || to == kOnnxBFloat16)
      node.setNodeAttributesAttr(withAttribute(
          node, "to",
          IntegerAttr::get(builder.getIntegerType(64, /*isSigned=*/true),
                           kOnnxFloat)));
  }
  auto value = node.getNodeAttr<DenseFPElementsAttr>("value");
  if (!node.is("ConstantOfShape") || !value || !isNarrow(value.getType()))
    return;
  auto wide = value.mapValues(builder.getF32Type(), [](const APFloat &number) {
    return APFloat(static_cast<float>(number.convertToDouble()))
        .bitcastToAPInt();
  });
  node.setNodeAttributesAttr(withAttribute(node, "value", wide));
}

/// Casts a constant's uses to f32.
void castUses(Value constant) {
  OpBuilder builder(constant.getContext());
  builder.setInsertionPointAfterValue(constant);
  auto to = IntegerAttr::get(builder.getIntegerType(64, /*isSigned=*/true),
                             kOnnxFloat);
  auto attributes = builder.getDictionaryAttr(builder.getNamedAttr("to", to));
  auto cast = onnx::NodeOp::create(
      builder, constant.getLoc(), widened(constant.getType()), constant,
      builder.getStringAttr("Cast"), /*domain=*/nullptr, /*overload=*/nullptr,
      /*node_name=*/nullptr, attributes, /*output_names=*/nullptr,
      /*graphs=*/nullptr, /*bodiesCount=*/0);
  constant.replaceAllUsesExcept(cast->getResult(0), cast);
}

} // namespace

void widenFloats(func::FuncOp graph) {
  Block &body = graph.getBody().front();
  for (BlockArgument argument : body.getArguments())
    if (isNarrow(argument.getType()))
      argument.setType(widened(argument.getType()));
  for (Operation &op : llvm::make_early_inc_range(body)) {
    auto node = dyn_cast<onnx::NodeOp>(op);
    bool constant = isa<onnx::GetOp>(op) || (node && node.is("Constant"));
    if (node && !constant)
      widenAttributes(node);
    for (Value result : op.getResults()) {
      if (!isNarrow(result.getType()))
        continue;
      if (constant)
        castUses(result);
      else
        result.setType(widened(result.getType()));
    }
  }
  graph.setFunctionType(
      FunctionType::get(graph.getContext(), body.getArgumentTypes(),
                        body.getTerminator()->getOperandTypes()));
}

} // namespace lq::raise
