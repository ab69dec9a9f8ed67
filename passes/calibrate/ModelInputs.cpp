//===- ModelInputs.cpp - token ids as a model's inputs --------------------===//

#include "passes/calibrate/ModelInputs.h"

#include "dialects/lq/LqOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/calibrate/Blocks.h"
#include "llvm/ADT/STLExtras.h"

#include <cstring>

using namespace mlir;
using namespace lq;

std::optional<ModelInputs::Role> ModelInputs::roleOf(StringRef name) {
  // The names that exporters and Hugging Face's libraries use.
  if (name.ends_with("token_type_ids") || name.ends_with("segment_ids"))
    return Role::Types;
  if (name.ends_with("position_ids") || name.ends_with("cache_position"))
    return Role::Positions;
  if (name.ends_with("input_ids") || name == "input" || name == "tokens")
    return Role::Ids;
  if (name.ends_with("attention_mask") || name.ends_with("input_mask"))
    return Role::Mask;
  return std::nullopt;
}

static std::optional<ElementType> elementOf(Type type) {
  if (type.isInteger(64))
    return ElementType::I64;
  if (type.isInteger(32))
    return ElementType::I32;
  if (type.isF32())
    return ElementType::F32;
  if (type.isInteger(1))
    return ElementType::Bool;
  return std::nullopt;
}

LogicalResult ModelInputs::addInput(ModuleOp model, StringRef name,
                                    RankedTensorType type, ArrayAttr shape,
                                    int64_t length) {
  auto fail = [&](const llvm::Twine &what) {
    return emitError(model.getLoc())
           << "the model cannot be run over text: its input '" << name << "' "
           << what;
  };
  std::optional<Role> role = roleOf(name);
  std::optional<ElementType> element = elementOf(type.getElementType());
  if (!role || !element)
    return fail("is neither token ids nor made from them; only language models "
                "can be calibrated");
  // The last dimension counts tokens, those before it are batches.
  std::vector<int64_t> sizes;
  for (auto [i, dim] : llvm::enumerate(shape)) {
    bool isLast = i + 1 == shape.size();
    int64_t wanted = isLast ? length : 1;
    if (auto text = dyn_cast<StringAttr>(dim)) {
      auto [entry, isNew] = fixed.try_emplace(text.getValue(), wanted);
      if (entry->second != wanted)
        return fail("has the dimension " + text.getValue() + " twice");
    } else if (cast<IntegerAttr>(dim).getInt() != wanted) {
      return fail("has " + llvm::Twine(cast<IntegerAttr>(dim).getInt()) +
                  (isLast ? " tokens; set the length to that" : " batches"));
    }
    sizes.push_back(wanted);
  }
  inputs.push_back({name.str(), *role, *element, std::move(sizes), {}});
  return success();
}

FailureOr<ModelInputs> ModelInputs::create(ModuleOp model, int64_t length) {
  auto main = model.lookupSymbol<func::FuncOp>("main");
  auto description = model->getAttrOfType<DictionaryAttr>("lq.model");
  if (!main || !description)
    return emitError(model.getLoc())
           << "expected a model with a function @main, as lq-raise makes it";
  auto context = description.getAs<IntegerAttr>("context");
  if (context && length > context.getInt())
    return emitError(model.getLoc())
           << "samples of " << length << " tokens are longer than the model's "
           << "context of " << context.getInt();
  ModelInputs result;
  for (BlockArgument argument : main.getArguments()) {
    unsigned i = argument.getArgNumber();
    auto name = main.getArgAttrOfType<StringAttr>(i, "lq.name");
    auto shape = main.getArgAttrOfType<ArrayAttr>(i, "lq.shape");
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!name || !shape || !type)
      return emitError(main.getLoc())
             << "expected lq.name and lq.shape on every argument, as lq-raise "
                "sets them";
    if (failed(result.addInput(model, name.getValue(), type, shape, length)))
      return failure();
  }
  bool hasIds = llvm::any_of(result.inputs, [](const Input &input) {
    return input.role == Role::Ids;
  });
  if (!hasIds)
    return emitError(model.getLoc()) << "the model cannot be run over text: it "
                                        "has no input of token ids";
  for (auto dimension : model.getOps<DimensionOp>()) {
    auto found = result.fixed.find(dimension.getSymName());
    // The context, not what was thought of one call, bounds a generative model.
    if (!context && found != result.fixed.end() &&
        found->second > static_cast<int64_t>(dimension.getMax()))
      return emitError(dimension.getLoc())
             << "samples of " << length
             << " tokens are longer than the model's most of "
             << dimension.getMax() << "; raise it with a larger max-sequence";
  }
  return result;
}

template <typename T>
static void fill(std::vector<uint8_t> &bytes, ArrayRef<int64_t> values) {
  bytes.resize(values.size() * sizeof(T));
  auto *out = reinterpret_cast<T *>(bytes.data());
  llvm::transform(values, out, [](int64_t v) { return static_cast<T>(v); });
}

ArrayRef<TensorView> ModelInputs::make(ArrayRef<int32_t> tokens) {
  views.clear();
  for (Input &input : inputs) {
    std::vector<int64_t> values(tokens.size());
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = input.role == Role::Ids         ? tokens[i]
                  : input.role == Role::Positions ? static_cast<int64_t>(i)
                                                  : input.role == Role::Mask;
    if (input.type == ElementType::I64)
      fill<int64_t>(input.bytes, values);
    else if (input.type == ElementType::I32)
      fill<int32_t>(input.bytes, values);
    else if (input.type == ElementType::F32)
      fill<float>(input.bytes, values);
    else
      fill<uint8_t>(input.bytes, values);
    views.push_back({input.name, input.type, input.shape, input.bytes.data()});
  }
  return views;
}

std::vector<TensorView> ModelInputs::gather(ModuleOp block,
                                            ArrayRef<int32_t> tokens,
                                            const TensorView &stream) {
  ArrayRef<TensorView> made = make(tokens);
  std::vector<TensorView> result;
  auto main = block.lookupSymbol<func::FuncOp>("main");
  for (unsigned i = 0; i < main.getNumArguments(); ++i) {
    StringRef name = main.getArgAttrOfType<StringAttr>(i, "lq.name").getValue();
    if (name == streamName) {
      result.push_back(stream);
      continue;
    }
    const auto *found = llvm::find_if(made, [&](const TensorView &view) {
      return view.name == std::string_view(name);
    });
    assert(found != made.end() && "blocks have the model's inputs");
    result.push_back(*found);
  }
  return result;
}
