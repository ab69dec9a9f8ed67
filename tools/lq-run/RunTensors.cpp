//===- RunTensors.cpp - lq-run on .npy files ------------------------------===//

#include "runtime/Npy.h"
#include "tools/common/Options.h"
#include "tools/lq-run/RunOptions.h"

#include <algorithm>
#include <span>

using namespace lq;

namespace {
/// A tensor's name and its file.
struct Assignment {
  std::string name;
  std::string path;
};
} // namespace

/// Reads "name=file" or "file", which means the tensor at the same place of the
/// model's list. A file whose name holds '=' is one unless a tensor is so
/// called.
static Expected<std::vector<Assignment>>
readAssignments(const std::vector<std::string> &texts,
                const std::vector<TensorSpec> &specs, const char *what) {
  std::vector<Assignment> out;
  for (size_t i = 0; i < texts.size(); ++i) {
    std::string name = texts[i].substr(0, texts[i].find('='));
    bool named =
        name.size() < texts[i].size() &&
        std::ranges::any_of(
            specs, [&](const TensorSpec &s) { return s.name == name; });
    if (!named && i >= specs.size())
      return makeError(ErrorCode::InvalidArgument, "the model has ",
                       specs.size(), " ", what, ", got '", texts[i],
                       "' as another");
    if (named)
      out.push_back({name, texts[i].substr(name.size() + 1)});
    else
      out.push_back({specs[i].name, texts[i]});
    auto earlier = std::span(out).first(out.size() - 1);
    if (std::ranges::any_of(earlier, [&](const Assignment &a) {
          return a.name == out.back().name;
        }))
      return makeError(ErrorCode::InvalidArgument, "'", out.back().name,
                       "' of the model's ", what, " is given twice");
  }
  return out;
}

static Error writeTensor(const TensorView &view, const std::string &path) {
  uint64_t bytes = elementBytes(view.type);
  for (int64_t dim : view.shape)
    bytes *= static_cast<uint64_t>(dim);
  return writeNpy(path, view.type, view.shape,
                  {static_cast<const uint8_t *>(view.data), bytes});
}

Error lq::runTensors(const Model &model, Session &session,
                     const RunOptions &options) {
  const Manifest &manifest = model.manifest();
  auto inputs = readAssignments(options.inputs, manifest.inputs, "inputs");
  if (!inputs)
    return inputs.takeError();
  auto outputs = readAssignments(options.outputs, manifest.outputs, "outputs");
  if (!outputs)
    return outputs.takeError();

  std::vector<NpyArray> arrays;
  std::vector<TensorView> views;
  arrays.reserve(inputs->size());
  for (const Assignment &input : *inputs) {
    auto array = readNpy(input.path);
    if (!array)
      return array.takeError();
    arrays.push_back(std::move(*array));
    views.push_back({input.name, arrays.back().type, arrays.back().shape,
                     arrays.back().bytes.data()});
  }
  auto results = session.run(views);
  if (!results)
    return results.takeError();

  for (const TensorView &result : *results) {
    std::string line = std::string(result.name) + " " +
                       std::string(elementTypeName(result.type)) + " " +
                       shapeText(result.shape);
    for (const Assignment &output : *outputs) {
      if (output.name != result.name)
        continue;
      if (Error error = writeTensor(result, output.path))
        return error;
      line += " -> " + output.path;
    }
    if (Error error = writeOutput(line + "\n"))
      return error;
  }
  return Error::success();
}
