//===- GgufCheckpoint.cpp - weights of GGUF files -------------------------===//

#include "dialects/lq/Storage.h"
#include "passes/checkpoint/Checkpoint.h"
#include "passes/checkpoint/GgufNames.h"
#include "runtime/Gguf.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace lq;
using namespace lq::checkpoint;

static llvm::Error fail(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

namespace {

/// How a model's tensors relate to those of its checkpoint in Hugging Face's
/// format, beyond their names.
struct Architecture {
  StringRef name;
  /// Rows of queries and keys were put into the order of interleaved rotary
  /// embeddings (LLAMA_ROPE_TYPE_NORM, and a converter that permutes).
  bool interleaved;
};

constexpr Architecture architectures[] = {
    {"llama", true},  {"granite", true},     {"mistral3", true},
    {"olmo", true},   {"arcee", true},       {"smollm3", true},
    {"qwen2", false}, {"qwen3", false},      {"phi3", false},
    {"gpt2", false},  {"starcoder2", false}, {"gemma3", false}};

class GgufCheckpoint final : public Checkpoint {
public:
  GgufCheckpoint(MLIRContext &context, std::unique_ptr<WeightFiles> files,
                 GgufReader reader)
      : Checkpoint(std::move(files)), context(context),
        reader(std::move(reader)) {}

  llvm::Error open();
  std::string translate(StringRef name) const override {
    return toGgufName(name, architecture->name);
  }
  bool contains(StringRef name) const override {
    return reader.findTensor(std::string_view(name));
  }
  llvm::Expected<Weight> get(StringRef name) override;
  std::vector<std::string> names() const override;
  llvm::Error expectRope(bool interleaved) override;

private:
  llvm::Expected<RankedTensorType> typeOf(const GgufTensor &tensor) const;
  llvm::Expected<int64_t> headsOf(StringRef name) const;
  llvm::Error permute(Weight &weight, const GgufTensor &tensor) const;
  std::optional<int64_t> integer(StringRef key) const;

  MLIRContext &context;
  GgufReader reader;
  const Architecture *architecture = nullptr;
  /// Rows of queries and keys must be put in order of halves.
  bool unpermutes = false;
};

} // namespace

llvm::Error GgufCheckpoint::open() {
  const GgufValue *value = reader.find("general.architecture");
  auto name = value ? value->asString() : lq::Expected<std::string_view>("");
  if (!name || name->empty())
    return fail(quoted(reader.path()) + " has no general.architecture");
  const Architecture *found =
      llvm::find_if(architectures, [&](const Architecture &each) {
        return each.name == StringRef(*name);
      });
  if (found != std::end(architectures)) {
    architecture = found;
    return llvm::Error::success();
  }
  std::string known;
  for (const Architecture &each : architectures)
    known += (known.empty() ? "" : ", ") + each.name.str();
  return fail(quoted(reader.path()) + " is of architecture " + quoted(*name) +
              ", whose tensors are not known; expected one of " + known);
}

llvm::Error GgufCheckpoint::expectRope(bool interleaved) {
  if (interleaved && !architecture->interleaved)
    return fail("the model rotates neighbouring rows of a head, but " +
                quoted(reader.path()) + " of architecture " +
                architecture->name + " the two halves");
  unpermutes = architecture->interleaved && !interleaved;
  return llvm::Error::success();
}

std::optional<int64_t> GgufCheckpoint::integer(StringRef key) const {
  const GgufValue *value =
      reader.find(architecture->name.str() + "." + key.str());
  if (!value)
    return std::nullopt;
  auto number = value->asInteger();
  return number ? std::optional(*number) : std::nullopt;
}

/// The lq type of a tensor; its sizes stand in the file fastest first.
llvm::Expected<RankedTensorType>
GgufCheckpoint::typeOf(const GgufTensor &tensor) const {
  SmallVector<int64_t> shape(tensor.dims.rbegin(), tensor.dims.rend());
  std::string_view name = ggufTypeName(tensor.type);
  FormatAttrInterface format = lookupFormat(context, name);
  auto unknown = [&](const Twine &reason) {
    return fail("tensor " + quoted(tensor.name) + " is of GGUF type " +
                (name.empty() ? Twine(tensor.type).str() : std::string(name)) +
                reason);
  };
  if (!format)
    return unknown(", which lq has no format for");
  if (!format.getDescription().hasCodes()) {
    Type element = Float32Type::get(&context);
    if (format.getDescription().element == Scalar::F16)
      element = Float16Type::get(&context);
    else if (format.getDescription().element == Scalar::BF16)
      element = BFloat16Type::get(&context);
    return RankedTensorType::get(shape, element);
  }
  if (shape.size() != 2)
    return unknown(" but no matrix");
  if (!format.checkColumns(shape[1]).empty() ||
      shape[0] * format.getRowBytes(shape[1]) !=
          static_cast<int64_t>(tensor.bytes.size()))
    return unknown(", whose size in the file is not that of lq's format");
  return RankedTensorType::get(shape, Float32Type::get(&context), format);
}

/// Heads of the rows of a query or key matrix.
llvm::Expected<int64_t> GgufCheckpoint::headsOf(StringRef name) const {
  std::optional<int64_t> heads = integer("attention.head_count");
  if (name.contains(".attn_k."))
    if (auto keyHeads = integer("attention.head_count_kv"))
      heads = keyHeads;
  if (heads && *heads > 0)
    return *heads;
  return fail(quoted(reader.path()) +
              " has no attention.head_count that is a positive integer");
}

/// Makes the weight's rows be given in order of halves. Row 2 i + j of a head in
/// the file is row j D / 2 + i of one of D rows.
llvm::Error GgufCheckpoint::permute(Weight &weight,
                                    const GgufTensor &tensor) const {
  auto heads = headsOf(tensor.name);
  if (!heads)
    return heads.takeError();
  int64_t size = weight.rows() / *heads;
  if (weight.rows() % *heads != 0 || size % 2 != 0)
    return fail("tensor " + quoted(tensor.name) + " has " +
                Twine(weight.rows()) + " rows, which do not divide into " +
                Twine(*heads) + " heads of an even size");
  if (auto rotated = integer("rope.dimension_count");
      rotated && *rotated != size)
    return fail("tensor " + quoted(tensor.name) + " has heads of " +
                Twine(size) + " rows, of which " + Twine(*rotated) +
                " are rotated; rotating a part is not supported");
  auto source = tensor.bytes;
  int64_t rowBytes = weight.rowBytes();
  weight.offset = -1;
  weight.read = [source, rowBytes, size](int64_t first, int64_t rows,
                                         MutableArrayRef<char> storage) {
    for (int64_t r = 0; r < rows; ++r) {
      int64_t head = (first + r) / size, inHead = (first + r) % size;
      int64_t from =
          head * size + inHead % (size / 2) * 2 + inHead / (size / 2);
      std::memcpy(storage.data() + r * rowBytes,
                  source.data() + from * rowBytes, rowBytes);
    }
  };
  return llvm::Error::success();
}

llvm::Expected<Weight> GgufCheckpoint::get(StringRef name) {
  const GgufTensor &tensor = *reader.findTensor(std::string_view(name));
  auto type = typeOf(tensor);
  if (!type)
    return type.takeError();
  Weight weight;
  weight.file = llvm::sys::path::filename(reader.path()).str();
  weight.name = name.str();
  weight.type = *type;
  weight.offset = static_cast<int64_t>(tensor.fileOffset);
  if (unpermutes && (name.contains(".attn_q.") || name.contains(".attn_k.")))
    if (llvm::Error error = permute(weight, tensor))
      return std::move(error);
  return weight;
}

std::vector<std::string> GgufCheckpoint::names() const {
  std::vector<std::string> result;
  for (const GgufTensor &tensor : reader.tensors())
    // Factors of frequencies: the graph has them in its own tables.
    if (tensor.name != "rope_freqs.weight")
      result.push_back(tensor.name);
  return result;
}

llvm::Expected<std::unique_ptr<Checkpoint>>
checkpoint::openGguf(MLIRContext &context, StringRef path) {
  SmallString<256> real;
  if (std::error_code error = llvm::sys::fs::real_path(path, real))
    return fail("cannot read " + quoted(path) + ": " + error.message());
  auto reader = GgufReader::open(std::string(real));
  if (!reader)
    return fail(reader.error().message());
  auto files = WeightFiles::open(llvm::sys::path::parent_path(real));
  if (!files)
    return files.takeError();
  auto result = std::make_unique<GgufCheckpoint>(context, std::move(*files),
                                                 std::move(*reader));
  if (llvm::Error error = result->open())
    return std::move(error);
  return std::unique_ptr<Checkpoint>(std::move(result));
}
