//===- SessionTensors.cpp - running a model on named tensors --------------===//

#include "runtime/Session.h"

#include <algorithm>
#include <cstring>

using namespace lq;

/// Bytes of a dense tensor, or nothing if that overflows or a size is negative.
static std::optional<uint64_t> denseBytes(ElementType type,
                                          std::span<const int64_t> shape) {
  uint64_t bytes = elementBytes(type);
  for (int64_t dim : shape)
    if (dim < 0 ||
        __builtin_mul_overflow(bytes, static_cast<uint64_t>(dim), &bytes))
      return std::nullopt;
  return bytes;
}

static std::string nameList(const std::vector<TensorSpec> &specs) {
  std::string text;
  for (const TensorSpec &spec : specs)
    text += (text.empty() ? "'" : ", '") + spec.name + "'";
  return text.empty() ? "none" : text;
}

static Error checkInput(const TensorSpec &spec, const TensorView &view) {
  if (view.type != spec.type)
    return makeError(ErrorCode::InvalidArgument, "input '", spec.name,
                     "': expected elements of ", elementTypeName(spec.type),
                     ", got ", elementTypeName(view.type));
  if (view.shape.size() != spec.shape.size() ||
      !denseBytes(view.type, view.shape))
    return makeError(ErrorCode::InvalidArgument, "input '", spec.name,
                     "': expected shape ", shapeText(spec.shape), ", got ",
                     shapeText(view.shape));
  return Error::success();
}

Error Session::bindInputs(std::span<const TensorView> inputs) {
  const std::vector<TensorSpec> &specs = owner.manifest().inputs;
  bound.assign(specs.size(), nullptr);
  for (const TensorView &view : inputs) {
    auto spec = std::ranges::find_if(
        specs, [&](const TensorSpec &s) { return s.name == view.name; });
    if (spec == specs.end())
      return makeError(ErrorCode::InvalidArgument, "no input is called '",
                       view.name, "'; the model has ", nameList(specs));
    const TensorView *&slot = bound[static_cast<size_t>(spec - specs.begin())];
    if (slot)
      return makeError(ErrorCode::InvalidArgument, "input '", view.name,
                       "' is given twice");
    if (Error error = checkInput(*spec, view))
      return error;
    slot = &view;
  }
  auto missing = std::ranges::find(bound, nullptr);
  if (missing != bound.end())
    return makeError(ErrorCode::InvalidArgument, "input '",
                     specs[static_cast<size_t>(missing - bound.begin())].name,
                     "' is missing; the model has ", nameList(specs));
  return Error::success();
}

Error Session::solveExtents() {
  const std::vector<TensorSpec> &specs = owner.manifest().inputs;
  std::vector<bool> known(extents.size(), false);
  auto unknownIn = [&](const DimExpr &dim) {
    std::vector<size_t> unknown;
    for (size_t extent : dim.extents())
      if (!known[extent])
        unknown.push_back(extent);
    return unknown;
  };
  for (bool progress = true; progress;) {
    progress = false;
    for (size_t i = 0; i < specs.size(); ++i) {
      for (size_t d = 0; d < specs[i].shape.size(); ++d) {
        const DimExpr &dim = specs[i].shape[d];
        std::vector<size_t> unknown = unknownIn(dim);
        if (unknown.size() != 1)
          continue;
        auto value = dim.solve(bound[i]->shape[d], unknown[0], extents);
        if (!value)
          return makeError(ErrorCode::InvalidArgument, "input '", specs[i].name,
                           "': expected shape ", shapeText(specs[i].shape),
                           ", got ", shapeText(bound[i]->shape));
        extents[unknown[0]] = *value;
        known[unknown[0]] = progress = true;
      }
    }
  }
  for (size_t i = 0; i < extents.size(); ++i)
    if (!known[i])
      return makeError(ErrorCode::Unsupported, "the size '",
                       owner.manifest().extents[i].name,
                       "' does not follow from the shapes of the inputs");
  return checkExtents();
}

Error Session::checkExtents() const {
  const Manifest &manifest = owner.manifest();
  for (size_t i = 0; i < manifest.inputs.size(); ++i) {
    const TensorSpec &spec = manifest.inputs[i];
    for (size_t d = 0; d < spec.shape.size(); ++d)
      if (spec.shape[d].evaluate(extents) != bound[i]->shape[d])
        return makeError(ErrorCode::InvalidArgument, "input '", spec.name,
                         "': expected shape ", shapeText(spec.shape), ", got ",
                         shapeText(bound[i]->shape));
  }
  for (size_t i = 0; i < extents.size(); ++i)
    if (extents[i] > manifest.extents[i].max)
      return makeError(ErrorCode::InvalidArgument, "the size '",
                       manifest.extents[i].name, "' is ", extents[i],
                       ", but the model was compiled for at most ",
                       manifest.extents[i].max);
  return Error::success();
}

/// Makes a buffer at least as large as asked. Callers pass distinct pointers
/// for distinct tensors, so that even an empty one gets an address.
static Error grow(Buffer &buffer, uint64_t bytes, const char *purpose) {
  if (buffer.data() && buffer.size() >= bytes)
    return Error::success();
  auto larger = Buffer::create(std::max<uint64_t>(bytes, 1), purpose);
  if (!larger)
    return larger.takeError();
  buffer = std::move(*larger);
  return Error::success();
}

Error Session::bindOutputs() {
  const Manifest &manifest = owner.manifest();
  outputs.clear();
  outputShapes.resize(manifest.outputs.size());
  for (size_t i = 0; i < manifest.outputs.size(); ++i) {
    const TensorSpec &spec = manifest.outputs[i];
    std::vector<int64_t> &shape = outputShapes[i];
    shape.clear();
    for (const DimExpr &dim : spec.shape)
      shape.push_back(dim.evaluate(extents).value_or(-1));
    auto bytes = denseBytes(spec.type, shape);
    if (!bytes)
      return makeError(ErrorCode::InvalidArgument, "output '", spec.name,
                       "' of shape ", shapeText(spec.shape),
                       " has no valid size for these inputs");
    size_t index = manifest.inputs.size() + i;
    if (Error error = grow(argumentBuffers[index], *bytes, "an output"))
      return error;
    arguments[index] = argumentBuffers[index].data();
    outputs.push_back({spec.name, spec.type, shape, arguments[index]});
  }
  return Error::success();
}

Expected<std::span<const TensorView>>
Session::run(std::span<const TensorView> inputs) {
  if (Error error = bindInputs(inputs))
    return error;
  if (owner.manifest().kind == ModelKind::Generative)
    return runGenerative();
  if (Error error = solveExtents())
    return error;
  // The caller's memory need not be aligned, so the code gets a copy.
  for (size_t i = 0; i < bound.size(); ++i) {
    uint64_t bytes = *denseBytes(bound[i]->type, bound[i]->shape);
    if (Error error = grow(argumentBuffers[i], bytes, "an input"))
      return error;
    arguments[i] = argumentBuffers[i].data();
    if (bytes)
      std::memcpy(arguments[i], bound[i]->data, bytes);
  }
  if (Error error = bindOutputs())
    return error;
  call(*owner.artifact().findEntry("main"));
  return std::span<const TensorView>(outputs);
}

/// Token ids of an input of any integer type that a generative model takes.
static Expected<std::vector<int32_t>> readTokens(const TensorView &view) {
  if (view.shape[0] != 1)
    return makeError(ErrorCode::InvalidArgument, "input '", view.name,
                     "': expected shape [1, sequence], got ",
                     shapeText(view.shape));
  std::vector<int32_t> tokens(static_cast<size_t>(view.shape[1]));
  for (size_t i = 0; i < tokens.size(); ++i) {
    int64_t id = view.type == ElementType::I64
                     ? static_cast<const int64_t *>(view.data)[i]
                     : static_cast<const int32_t *>(view.data)[i];
    tokens[i] = id < 0 || id > INT32_MAX ? -1 : static_cast<int32_t>(id);
  }
  return tokens;
}

Expected<std::span<const TensorView>> Session::runGenerative() {
  const Manifest &manifest = owner.manifest();
  auto tokens = readTokens(*bound[0]);
  if (!tokens)
    return tokens.takeError();
  past = 0;
  if (Error error = checkTokens(*tokens))
    return error;
  auto count = static_cast<int64_t>(tokens->size());
  outputShapes = {{1, count, manifest.vocabulary}};
  if (Error error =
          grow(resultBuffer, *denseBytes(ElementType::F32, outputShapes[0]),
               "the logits of all tokens"))
    return error;
  auto *result = static_cast<float *>(resultBuffer.data());
  Error error =
      score(*tokens, [&](int64_t, int64_t, std::span<const float> logits) {
        result = std::ranges::copy(logits, result).out;
        return Error::success();
      });
  if (error)
    return error;
  outputs = {{manifest.outputs[0].name, ElementType::F32, outputShapes[0],
              resultBuffer.data()}};
  return std::span<const TensorView>(outputs);
}
