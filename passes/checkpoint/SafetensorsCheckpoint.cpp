//===- SafetensorsCheckpoint.cpp - folders of safetensors files -----------===//

#include "dialects/lq/Scalars.h"
#include "passes/checkpoint/Packed.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Regex.h"
#include <map>

using namespace mlir;
using namespace lq;
using namespace lq::checkpoint;

static llvm::Error fail(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

/// Tensors that libraries save though nothing reads them: caches of position
/// embeddings and of causal masks.
static bool isLeftOver(StringRef name) {
  return name.ends_with(".rotary_emb.inv_freq") ||
         name.ends_with(".masked_bias") || name.ends_with(".attn.bias") ||
         name.ends_with(".attention.bias");
}

/// The lq type of elements called `name`; null if weights cannot have it.
static Type elementType(MLIRContext &context, StringRef name) {
  if (name == "F32")
    return Float32Type::get(&context);
  if (name == "F16")
    return Float16Type::get(&context);
  if (name == "BF16")
    return BFloat16Type::get(&context);
  if (name == "F64")
    return Float64Type::get(&context);
  return {};
}

namespace {

class SafetensorsCheckpoint final : public Checkpoint {
public:
  SafetensorsCheckpoint(MLIRContext &context,
                        std::unique_ptr<WeightFiles> files)
      : Checkpoint(std::move(files)), context(context) {}

  llvm::Error open();
  std::string translate(StringRef name) const override { return name.str(); }
  bool contains(StringRef name) const override {
    return modules.contains(moduleOf(name)) || dense.contains(name);
  }
  llvm::Expected<Weight> get(StringRef name) override;
  std::vector<std::string> names() const override;

private:
  struct Dense {
    std::string file;
    const SafetensorsTensor *tensor;
  };
  struct Module {
    std::string file;
    ModuleTensors tensors;
  };

  llvm::Error openFile(const std::string &name);
  llvm::Error sort(const std::string &file, const SafetensorsTensor &tensor);
  llvm::Expected<Weight> getDense(StringRef name, const Dense &dense) const;
  llvm::Expected<Weight> getPacked(StringRef name, const Module &module) const;
  /// Whether a dense matrix lies as [K, N].
  bool isTransposed(StringRef name) const;
  /// "m" of "m.weight"; empty for other names.
  static StringRef moduleOf(StringRef name) {
    return name.consume_back(".weight") ? name : StringRef();
  }

  MLIRContext &context;
  QuantizationConfig config;
  /// The parsed files; their tensors are pointed to.
  std::map<std::string, SafetensorsReader> readers;
  std::map<std::string, Module, std::less<>> modules;
  std::map<std::string, Dense, std::less<>> dense;
};

} // namespace

llvm::Error SafetensorsCheckpoint::openFile(const std::string &name) {
  auto size = files->size(name);
  if (!size)
    return size.takeError();
  auto bytes = files->read(name, 0, *size);
  if (!bytes)
    return bytes.takeError();
  auto reader = SafetensorsReader::parse(
      {reinterpret_cast<const uint8_t *>(bytes->data()), bytes->size()}, name);
  if (!reader)
    return fail(reader.error().message());
  auto placed = readers.emplace(name, std::move(*reader)).first;
  for (const SafetensorsTensor &tensor : placed->second.tensors())
    if (llvm::Error error = sort(name, tensor))
      return error;
  return llvm::Error::success();
}

/// Puts a tensor to those of its module, or to the dense ones.
llvm::Error SafetensorsCheckpoint::sort(const std::string &file,
                                        const SafetensorsTensor &tensor) {
  StringRef name = tensor.name;
  auto twice = [&](StringRef other) {
    return fail("tensor " + quoted(name) + " is in " + quoted(file) +
                " and in " + quoted(other));
  };
  for (StringRef suffix : packedSuffixes(config.method)) {
    StringRef module = name;
    if (!module.consume_back(suffix) || !module.consume_back("."))
      continue;
    auto &entry = modules[module.str()];
    if (entry.file.empty())
      entry.file = file;
    return entry.tensors.try_emplace(suffix, &tensor).second
               ? llvm::Error::success()
               : twice(entry.file);
  }
  auto [placed, isNew] = dense.try_emplace(name.str(), Dense{file, &tensor});
  return isNew ? llvm::Error::success() : twice(placed->second.file);
}

llvm::Error SafetensorsCheckpoint::open() {
  auto read = readConfig(folder());
  if (!read)
    return read.takeError();
  config = *read;
  std::error_code code;
  std::vector<std::string> names;
  for (llvm::sys::fs::directory_iterator it(folder(), code), end;
       it != end && !code; it.increment(code)) {
    StringRef name = llvm::sys::path::filename(it->path());
    if (name.ends_with(".safetensors"))
      names.push_back(name.str());
  }
  if (code)
    return fail("cannot list " + quoted(folder()) + ": " + code.message());
  if (names.empty())
    return fail("no .safetensors file in " + quoted(folder()));
  llvm::sort(names);
  for (const std::string &name : names)
    if (llvm::Error error = openFile(name))
      return error;
  StringRef first = config.method == PackingMethod::None
                        ? StringRef()
                        : StringRef(packedSuffixes(config.method).front());
  if (!first.empty() && modules.empty())
    return fail("the configuration in " + quoted(folder()) +
                " tells of quantized weights, but no tensor is called *." +
                first);
  for (const auto &[name, module] : modules)
    if (auto twin = dense.find(name + ".weight"); twin != dense.end())
      return fail("tensor " + quoted(twin->first) + " is in " +
                  quoted(twin->second.file) + " beside " +
                  quoted(name + "." + first.str()) + " in " +
                  quoted(module.file) +
                  ", both for one weight; remove one of them");
  return llvm::Error::success();
}

bool SafetensorsCheckpoint::isTransposed(StringRef name) const {
  // GPT-2's own Conv1D.
  static const llvm::Regex conv1d("\\.(c_attn|c_proj|c_fc|q_attn)\\.weight$");
  return config.modelType == "gpt2" && conv1d.match(name);
}

/// Makes a norm's weight be given plus one, in f32.
static llvm::Error addOne(Weight &weight, const SafetensorsTensor &tensor) {
  FormatAttrInterface stored = getDenseFormat(weight.type.getElementType());
  if (!stored || weight.type.getElementType().isF64())
    return fail("tensor " + quoted(weight.name) + " has elements of type " +
                tensor.type + ", expected F32, F16 or BF16");
  Scalar scalar = stored.getDescription().element;
  int64_t width = weight.type.getElementTypeBitWidth() / 8;
  auto bytes = tensor.bytes;
  weight.type = weight.type.clone(Float32Type::get(weight.type.getContext()));
  weight.offset = -1;
  weight.read = [bytes, scalar, width](int64_t first, int64_t rows,
                                       MutableArrayRef<char> storage) {
    for (int64_t i = 0; i < rows; ++i) {
      float value =
          1 + loadScalar(scalar, reinterpret_cast<const char *>(bytes.data()) +
                                     (first + i) * width);
      std::memcpy(storage.data() + i * sizeof value, &value, sizeof value);
    }
  };
  return llvm::Error::success();
}

llvm::Expected<Weight>
SafetensorsCheckpoint::getDense(StringRef name, const Dense &dense) const {
  const SafetensorsTensor &tensor = *dense.tensor;
  Type element = elementType(context, tensor.type);
  if (!element)
    return fail("tensor " + quoted(name) + " has elements of type " +
                tensor.type +
                ", expected F32, F16, BF16 or F64; if it is "
                "quantized, the configuration beside the file must say how");
  Weight weight;
  weight.file = dense.file;
  weight.name = name.str();
  SmallVector<int64_t> shape(tensor.shape.begin(), tensor.shape.end());
  weight.transposed = shape.size() == 2 && isTransposed(name);
  if (weight.transposed)
    std::swap(shape[0], shape[1]);
  weight.type = RankedTensorType::get(shape, element);
  weight.offset = static_cast<int64_t>(tensor.fileOffset);
  if (storesNormsLessOne(config.modelType) && name.ends_with("norm.weight"))
    if (llvm::Error error = addOne(weight, tensor))
      return std::move(error);
  return weight;
}

llvm::Expected<Weight>
SafetensorsCheckpoint::getPacked(StringRef name, const Module &module) const {
  auto opened = openPacked(config, moduleOf(name), module.tensors);
  if (!opened)
    return opened.takeError();
  std::shared_ptr<const PackedMatrix> matrix = std::move(*opened);
  FormatAttrInterface format = matrix->format(context);
  Weight weight;
  weight.file = module.file;
  weight.name = name.str();
  weight.type = RankedTensorType::get({matrix->rows, matrix->columns},
                                      Float32Type::get(&context), format);
  weight.order = matrix->order;
  if (matrix->hasPaddedRows)
    weight.rowPadding = 32;
  weight.read = [matrix, format](int64_t first, int64_t rows,
                                 MutableArrayRef<char> storage) {
    Planes planes;
    planes.resize(format.getDescription(), rows, matrix->columns);
    matrix->read(first, planes);
    format.encode(planes, storage);
  };
  return weight;
}

llvm::Expected<Weight> SafetensorsCheckpoint::get(StringRef name) {
  if (auto found = dense.find(name); found != dense.end())
    return getDense(name, found->second);
  return getPacked(name, modules.find(moduleOf(name))->second);
}

/// Whether all bytes are zero: some libraries give every module a bias.
static bool isZeroBias(StringRef name, const SafetensorsTensor &tensor) {
  return name.ends_with(".bias") &&
         llvm::all_of(tensor.bytes, [](uint8_t byte) { return byte == 0; });
}

std::vector<std::string> SafetensorsCheckpoint::names() const {
  std::vector<std::string> result;
  for (const auto &[name, module] : modules)
    result.push_back(name + ".weight");
  for (const auto &[name, dense] : dense)
    if (!isLeftOver(name) && !isZeroBias(name, *dense.tensor))
      result.push_back(name);
  return result;
}

llvm::Expected<std::unique_ptr<Checkpoint>>
checkpoint::openSafetensors(MLIRContext &context, StringRef folder) {
  auto files = WeightFiles::open(folder);
  if (!files)
    return files.takeError();
  auto result =
      std::make_unique<SafetensorsCheckpoint>(context, std::move(*files));
  if (llvm::Error error = result->open())
    return std::move(error);
  return std::unique_ptr<Checkpoint>(std::move(result));
}
