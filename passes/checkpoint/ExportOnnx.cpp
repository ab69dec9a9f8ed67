//===- ExportOnnx.cpp - write the model as ONNX with MatMulNBits ----------===//

#include "dialects/common/ModuleWeights.h"
#include "dialects/lq/Scalars.h"
#include "dialects/lq/Storage.h"
#include "dialects/onnx/ModelCopy.h"
#include "passes/checkpoint/ModelFolder.h"
#include "passes/checkpoint/NBits.h"
#include "passes/checkpoint/OriginalModel.h"
#include "passes/checkpoint/Passes.h"
#include "passes/quantize/ColumnOrder.h"
#include "passes/quantize/WeightSource.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <map>

namespace lq {
#define GEN_PASS_DEF_EXPORTONNX
#include "passes/checkpoint/Passes.h.inc"
} // namespace lq

using namespace mlir;
using namespace lq;
using namespace lq::checkpoint;
namespace pb = lq::onnx::pb;

static constexpr llvm::StringLiteral kDomain = "com.microsoft";
static constexpr llvm::StringLiteral kNBits = "MatMulNBits";

namespace {

/// The elements of a tensor of floats as ONNX numbers them, null for others.
std::optional<Scalar> scalarOf(int dataType) {
  switch (dataType) {
  case pb::TensorProto::FLOAT:
    return Scalar::F32;
  case pb::TensorProto::FLOAT16:
    return Scalar::F16;
  case pb::TensorProto::BFLOAT16:
    return Scalar::BF16;
  default:
    return std::nullopt;
  }
}

/// A product whose matrix becomes that of a MatMulNBits.
struct Replacement {
  WeightOp weight;
  NBitsShape shape;
  /// The order of its columns, or null.
  WeightOp order = {};
};

/// What the graph reads where a weight of the original was.
struct Readers {
  /// Weights of products that are replaced, and of all other operations.
  llvm::SetVector<Operation *> replaced, others;
};

/// Names of the initializers that hold a weight's codes.
struct CodeNames {
  std::string codes, scales, zeroPoints;
};

/// Writes one folder.
class OnnxExporter {
public:
  OnnxExporter(ModuleOp module, const ExportOnnxOptions &options)
      : module(module), options(options) {}
  LogicalResult run();

private:
  LogicalResult fail(const Twine &message) {
    return emitError(module.getLoc()) << message;
  }
  LogicalResult fail(llvm::Error error) {
    return fail(llvm::toString(std::move(error)));
  }
  InFlightDiagnostic fail(WeightOp weight) {
    return emitError(weight.getLoc())
           << "weight @" << weight.getSymName() << " ";
  }
  LogicalResult open(StringRef folder);
  LogicalResult plan();
  LogicalResult planProduct(const WeightPair &pair);
  FailureOr<bool> isUnchanged(WeightOp weight, WeightOp original);
  LogicalResult replaceProducts();
  FailureOr<CodeNames> addCodes(const Replacement &replacement, Scalar scale);
  FailureOr<std::string> addGather(const std::string &input, WeightOp order,
                                   std::vector<pb::NodeProto> &nodes);
  FailureOr<std::vector<int32_t>> orderOf(WeightOp weight);
  LogicalResult writeOthers();
  LogicalResult writeDense(WeightOp weight, WeightOp original,
                           pb::TensorProto &tensor);
  void report();

  ModuleOp module;
  const ExportOnnxOptions &options;
  std::unique_ptr<WeightFiles> files;
  std::unique_ptr<OriginalModel> original;
  std::unique_ptr<lq::onnx::ModelCopy> model;
  /// As the original has them, by index.
  std::vector<std::string> initializerNames;
  std::map<int, Replacement> replacements;
  llvm::MapVector<Operation *, Readers> readers;
  llvm::DenseMap<Operation *, CodeNames> codeNames;
  /// Orders of columns by weight; the initializers that hold them; and values
  /// that were brought into an order.
  llvm::DenseMap<Operation *, WeightOp> orders;
  llvm::DenseMap<Operation *, std::string> orderNames;
  std::map<std::pair<std::string, Operation *>, std::string> gathered;
  /// Weights with codes that are written as numbers.
  llvm::SetVector<Operation *> dequantized;
};

//===----------------------------------------------------------------------===//
// Reading weights
//===----------------------------------------------------------------------===//

bool hasCodes(WeightOp weight) {
  FormatAttrInterface format = lq::getFormat(weight.getTensorType());
  return format && format.getDescription().hasCodes();
}

/// The rows and columns that a weight of any shape is read as.
std::pair<int64_t, int64_t> matrixShape(WeightOp weight) {
  RankedTensorType type = weight.getTensorType();
  if (type.getRank() == 2)
    return {type.getDimSize(0), type.getDimSize(1)};
  return {type.getNumElements(), 1};
}

/// The numbers of a weight, row-major.
FailureOr<std::vector<float>> readNumbers(WeightOp weight, WeightFiles &files) {
  auto source = WeightSource::open(weight, files);
  if (failed(source))
    return failure();
  auto [rows, columns] = matrixShape(weight);
  std::vector<float> numbers(rows * columns);
  if (FormatAttrInterface format = lq::getFormat(weight.getTensorType())) {
    Planes planes;
    planes.resize(format.getDescription(), rows, columns);
    source->readPlanes(format, 0, planes);
    dequantize(format.getDescription(), planes, numbers);
  } else {
    source->readRows(0, numbers);
  }
  source->release();
  return numbers;
}

bool hasNumbers(WeightOp weight) {
  RankedTensorType type = weight.getTensorType();
  return type.getEncoding() ? !isTiled(type) : WeightSource::isReadable(type);
}

std::string textOf(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

} // namespace

/// Whether a weight of the module is what the original has. They are of
/// different contexts, so that types are compared as text.
FailureOr<bool> OnnxExporter::isUnchanged(WeightOp weight, WeightOp original) {
  bool sameType =
      textOf(weight.getTensorType()) == textOf(original.getTensorType());
  if (hasCodes(weight) != hasCodes(original) || orders.contains(weight))
    return false;
  if (sameType && weight.getTransposed() == original.getTransposed()) {
    auto bytes = WeightSource::open(weight, *files);
    auto others = WeightSource::open(original, this->original->files());
    if (failed(bytes) || failed(others))
      return failure();
    bool same = bytes->bytes() == others->bytes();
    bytes->release();
    others->release();
    if (same || !hasNumbers(weight))
      return same;
  }
  if (!hasNumbers(weight) || !hasNumbers(original))
    return false;
  auto numbers = readNumbers(weight, *files);
  auto others = readNumbers(original, this->original->files());
  if (failed(numbers) || failed(others))
    return failure();
  return *numbers == *others;
}

//===----------------------------------------------------------------------===//
// What becomes of each weight
//===----------------------------------------------------------------------===//

/// Chooses between MatMulNBits and numbers for a matrix with codes.
LogicalResult OnnxExporter::planProduct(const WeightPair &pair) {
  WeightOp weight = pair.weight;
  FormatAttrInterface format = lq::getFormat(weight.getTensorType());
  auto [rows, columns] = matrixShape(weight);
  Replacement replacement{weight, {}, pair.order};
  std::string reason =
      shapeAsNBits(format.getDescription(), rows, columns, replacement.shape);
  if (reason.empty()) {
    replacements[pair.product] = replacement;
    readers[pair.original].replaced.insert(weight);
    return success();
  }
  if (!options.dense)
    return fail(weight) << "of format " << format.getFormatName()
                        << " cannot be exported: " << reason
                        << "; quantize to another format, or export such "
                           "weights as numbers (option dense)";
  readers[pair.original].others.insert(weight);
  return success();
}

LogicalResult OnnxExporter::plan() {
  auto pairs = original->pair(module);
  if (failed(pairs))
    return failure();
  // By weight and original: many operations may read one weight.
  std::map<std::pair<Operation *, Operation *>, bool> unchanged;
  for (const WeightPair &pair : *pairs) {
    WeightOp weight = pair.weight;
    if (isTiled(weight.getTensorType()))
      return fail(weight) << "is packed; export before packing";
    if (pair.order)
      orders[weight] = pair.order;
    auto [known, isNew] = unchanged.try_emplace({weight, pair.original}, false);
    if (isNew) {
      FailureOr<bool> same = isUnchanged(weight, pair.original);
      if (failed(same))
        return failure();
      known->second = *same;
    }
    if (known->second)
      readers[pair.original].others.insert(nullptr);
    else if (pair.product >= 0 && hasCodes(weight)) {
      if (failed(planProduct(pair)))
        return failure();
    } else {
      readers[pair.original].others.insert(weight);
    }
  }
  return success();
}

//===----------------------------------------------------------------------===//
// MatMulNBits
//===----------------------------------------------------------------------===//

namespace {

/// The element types of values of a graph, as far as its nodes tell.
class ElementTypes {
public:
  explicit ElementTypes(const pb::GraphProto &graph) {
    for (const pb::TensorProto &tensor : graph.initializer())
      initializers[tensor.name()] = tensor.data_type();
    for (const pb::NodeProto &node : graph.node())
      for (const std::string &output : node.output())
        producers[output] = &node;
  }

  /// 0 if unknown.
  int of(StringRef value) const {
    // As many steps as there are nodes at most: the graph has no cycles.
    for (;;) {
      if (auto found = initializers.find(value); found != initializers.end())
        return found->second;
      const pb::NodeProto *node = producers.lookup(value);
      if (!node)
        return 0;
      for (const pb::AttributeProto &attribute : node->attribute()) {
        if (node->op_type() == "Cast" && attribute.name() == "to")
          return static_cast<int>(attribute.i());
        if (node->op_type() == "Constant" && attribute.name() == "value")
          return attribute.t().data_type();
      }
      int from = node->op_type() == "DequantizeLinear" ? 1 : 0;
      if (node->input_size() <= from)
        return 0;
      value = node->input(from);
    }
  }

private:
  llvm::StringMap<int> initializers;
  llvm::StringMap<const pb::NodeProto *> producers;
};

void setInt(pb::NodeProto &node, StringRef name, int64_t value) {
  pb::AttributeProto &attribute = *node.add_attribute();
  attribute.set_name(name.str());
  attribute.set_type(pb::AttributeProto::INT);
  attribute.set_i(value);
}

/// The input that holds a product's matrix, or for one that is quantized its
/// scales, which have the type of the activations.
int typedInput(const pb::NodeProto &node) {
  return node.op_type() == kNBits ? 2 : 1;
}

} // namespace

/// Adds the initializers for a matrix, once.
FailureOr<CodeNames> OnnxExporter::addCodes(const Replacement &replacement,
                                            Scalar scaleType) {
  WeightOp weight = replacement.weight;
  CodeNames &added = codeNames[weight];
  if (!added.codes.empty())
    return added;
  FormatAttrInterface format = lq::getFormat(weight.getTensorType());
  FormatDescription description = format.getDescription();
  NBitsShape shape = replacement.shape;
  // One decoding serves all; the last initializer to be written frees it.
  auto planes = std::make_shared<Planes>();
  auto error = [weight](const Twine &reason) {
    return llvm::createStringError("weight @" + WeightOp(weight).getSymName() +
                                   " " + reason);
  };
  std::string base = weight.getSymName().str();
  added.codes = model->uniqueName(base + "_Q" + std::to_string(shape.bits));
  model->addTensor(added.codes, pb::TensorProto::UINT8,
                   {shape.rows, shape.blocks, shape.codeBytes()},
                   [=, this]() -> llvm::Expected<std::vector<char>> {
                     auto source = WeightSource::open(weight, *files);
                     if (failed(source))
                       return error("cannot be read");
                     planes->resize(description, shape.rows, shape.columns);
                     source->readPlanes(format, 0, *planes);
                     source->release();
                     return nbitsCodes(shape, *planes);
                   });
  bool zeroPoints = description.offset.exists();
  int dataType = scaleType == Scalar::F32   ? pb::TensorProto::FLOAT
                 : scaleType == Scalar::F16 ? pb::TensorProto::FLOAT16
                                            : pb::TensorProto::BFLOAT16;
  added.scales = model->uniqueName(base + "_scales");
  model->addTensor(
      added.scales, dataType, {shape.rows, shape.blocks},
      [=]() -> llvm::Expected<std::vector<char>> {
        for (float scale : planes->scale.numbers)
          if (roundToScalar(scaleType, scale) != scale && scale == scale)
            return error("has the scale " + std::to_string(scale) +
                         ", which the " + scalarName(scaleType) +
                         " of the ONNX graph cannot hold");
        auto bytes = nbitsScales(shape, description, *planes, scaleType);
        if (!zeroPoints)
          *planes = Planes();
        return bytes;
      });
  if (!zeroPoints)
    return added;
  added.zeroPoints = model->uniqueName(base + "_zero_points");
  model->addTensor(added.zeroPoints, pb::TensorProto::UINT8,
                   {shape.rows, shape.zeroBytes()},
                   [=]() -> llvm::Expected<std::vector<char>> {
                     auto bytes = nbitsZeroPoints(shape, description, *planes);
                     *planes = Planes();
                     return bytes;
                   });
  return added;
}

/// The order of a weight's columns; empty if it has none.
FailureOr<std::vector<int32_t>> OnnxExporter::orderOf(WeightOp weight) {
  WeightOp order = orders.lookup(weight);
  return order ? readOrder(order, *files)
               : FailureOr<std::vector<int32_t>>(std::vector<int32_t>());
}

/// Brings a value into an order of its last dimension, once for all products
/// that read it so; returns the new value.
FailureOr<std::string>
OnnxExporter::addGather(const std::string &input, WeightOp order,
                        std::vector<pb::NodeProto> &nodes) {
  std::string &output = gathered[{input, order}];
  if (!output.empty())
    return output;
  std::string &indices = orderNames[order];
  if (indices.empty()) {
    auto columns = readOrder(order, *files);
    if (failed(columns))
      return failure();
    indices = model->uniqueName(order.getSymName());
    auto size = static_cast<int64_t>(columns->size());
    model->addTensor(
        indices, pb::TensorProto::INT64, {size},
        [columns = *columns]() -> llvm::Expected<std::vector<char>> {
          std::vector<int64_t> wide(columns.begin(), columns.end());
          const char *bytes = reinterpret_cast<const char *>(wide.data());
          return std::vector<char>(bytes,
                                   bytes + wide.size() * sizeof(int64_t));
        });
  }
  output = model->uniqueName(input + "_ordered");
  pb::NodeProto gather;
  gather.set_op_type("Gather");
  gather.set_name(model->uniqueName(input + "/order"));
  gather.add_input(input);
  gather.add_input(indices);
  gather.add_output(output);
  setInt(gather, "axis", -1);
  nodes.push_back(std::move(gather));
  return output;
}

/// The node in the place of a product. A bias that was part of it is to be added
/// to the output by a node of its own, which the caller adds.
static pb::NodeProto makeNBits(const pb::NodeProto &old, const CodeNames &names,
                               const NBitsShape &shape, int64_t accuracy) {
  pb::NodeProto node = old;
  node.set_op_type(kNBits.str());
  node.set_domain(kDomain.str());
  node.clear_input();
  node.clear_attribute();
  node.add_input(old.input(0));
  node.add_input(names.codes);
  node.add_input(names.scales);
  if (!names.zeroPoints.empty())
    node.add_input(names.zeroPoints);
  setInt(node, "K", shape.columns);
  setInt(node, "N", shape.rows);
  setInt(node, "bits", shape.bits);
  setInt(node, "block_size", shape.block);
  if (accuracy)
    setInt(node, "accuracy_level", accuracy);
  return node;
}

LogicalResult OnnxExporter::replaceProducts() {
  ElementTypes types(model->graph());
  std::vector<pb::NodeProto> nodes;
  for (auto [index, old] : llvm::enumerate(model->graph().node())) {
    auto found = replacements.find(static_cast<int>(index));
    if (found == replacements.end()) {
      nodes.push_back(old);
      continue;
    }
    const Replacement &replacement = found->second;
    std::optional<Scalar> scale =
        scalarOf(types.of(old.input(typedInput(old))));
    if (!scale)
      return fail(replacement.weight)
             << "cannot be exported: the graph does not tell the type of the "
                "activations that it is multiplied by";
    FailureOr<CodeNames> names = addCodes(replacement, *scale);
    if (failed(names))
      return failure();
    pb::NodeProto node =
        makeNBits(old, *names, replacement.shape, options.accuracyLevel);
    if (replacement.order) {
      auto ordered = addGather(old.input(0), replacement.order, nodes);
      if (failed(ordered))
        return failure();
      node.set_input(0, *ordered);
    }
    int biasAt = old.op_type() == kNBits ? 5 : 2;
    std::string bias =
        old.input_size() > biasAt ? old.input(biasAt) : std::string();
    if (bias.empty()) {
      nodes.push_back(std::move(node));
      continue;
    }
    pb::NodeProto add;
    add.set_op_type("Add");
    add.set_name(model->uniqueName(old.name() + "/bias"));
    add.add_output(old.output(0));
    node.set_output(0, model->uniqueName(old.output(0) + "_product"));
    add.add_input(node.output(0));
    add.add_input(bias);
    nodes.push_back(std::move(node));
    nodes.push_back(std::move(add));
  }
  model->replaceNodes(std::move(nodes));
  if (!replacements.empty())
    model->useDomain(kDomain);
  return success();
}

//===----------------------------------------------------------------------===//
// Dense weights
//===----------------------------------------------------------------------===//

/// Lets an initializer have the numbers of a weight.
LogicalResult OnnxExporter::writeDense(WeightOp weight, WeightOp original,
                                       pb::TensorProto &tensor) {
  std::optional<Scalar> type = scalarOf(tensor.data_type());
  int64_t count = 1;
  for (int64_t extent : tensor.dims())
    count *= extent;
  auto [rows, columns] = matrixShape(weight);
  if (!type || !hasNumbers(weight))
    return fail(weight) << "cannot be exported in the place of "
                        << quoted(tensor.name())
                        << ", which has elements that are not f32, f16 or bf16";
  if (count != rows * columns)
    return fail(weight) << "has " << rows * columns << " elements, but "
                        << quoted(tensor.name()) << " in the ONNX model has "
                        << count;
  if (hasCodes(weight))
    dequantized.insert(weight);
  bool transposed = original.getTransposed();
  model->setData(tensor,
                 [=, this, rows = rows, columns = columns,
                  type = *type]() -> llvm::Expected<std::vector<char>> {
                   WeightOp read = weight;
                   auto numbers = readNumbers(read, *files);
                   auto order = orderOf(read);
                   if (failed(numbers) || failed(order))
                     return llvm::createStringError(
                         "weight @" + read.getSymName() + " cannot be read");
                   int64_t width = byteWidth(type);
                   std::vector<char> bytes(numbers->size() * width);
                   bool exact = true;
                   for (int64_t r = 0; r < rows; ++r)
                     for (int64_t c = 0; c < columns; ++c) {
                       float number = (*numbers)[r * columns + c];
                       int64_t k = order->empty() ? c : (*order)[c];
                       int64_t at = transposed ? k * rows + r : r * columns + k;
                       storeScalar(type, number, bytes.data() + at * width);
                       exact &= roundToScalar(type, number) == number ||
                                number != number;
                     }
                   if (!exact)
                     emitRemark(read.getLoc())
                         << "weight @" << read.getSymName() << " is rounded to "
                         << scalarName(type) << ", as the ONNX model has it";
                   return bytes;
                 });
  return success();
}

/// Writes what other nodes than replaced products read, where it is not what the
/// ONNX model had.
LogicalResult OnnxExporter::writeOthers() {
  std::map<std::string, pb::TensorProto *> tensors;
  for (pb::TensorProto &tensor : *model->graph().mutable_initializer())
    tensors[tensor.name()] = &tensor;
  std::map<std::string, Operation *> written;
  for (auto &[key, uses] : readers) {
    auto from = cast<WeightOp>(key);
    int index = OriginalModel::initializerOf(from);
    StringRef name = index >= 0 ? StringRef(initializerNames[index]) : "";
    // What only products read, and is still there, is read by nodes that
    // compute the same as these.
    const auto &weights = uses.others.empty() ? uses.replaced : uses.others;
    auto *first = weights.front();
    auto found = tensors.find(name.str());
    if (uses.others.empty() && found == tensors.end())
      continue;
    if (weights.size() == 1 && !first)
      continue;
    auto weight = cast<WeightOp>(first ? first : weights[1]);
    if (found == tensors.end())
      return fail(weight) << "cannot be exported: the ONNX graph computes it, "
                             "and has no initializer to put it in";
    auto [before, isNew] = written.try_emplace(found->first, first);
    if (weights.size() > 1 || before->second != first)
      return fail(weight) << "cannot be exported: the ONNX model has it and "
                             "others as one initializer, "
                          << quoted(name);
    if (isNew && failed(writeDense(weight, from, *found->second)))
      return failure();
  }
  return success();
}

void OnnxExporter::report() {
  auto location =
      NameLoc::get(StringAttr::get(module.getContext(), "lq-export-onnx"));
  emitRemark(location) << "wrote " << quoted(options.to) << " with "
                       << replacements.size() << " products as MatMulNBits";
  if (dequantized.empty())
    return;
  auto remark = emitRemark(location)
                << dequantized.size()
                << " weights with codes are written as numbers: ";
  llvm::interleaveComma(dequantized.getArrayRef(), remark, [&](Operation *op) {
    remark << "@" << cast<WeightOp>(op).getSymName();
  });
}

LogicalResult OnnxExporter::open(StringRef folder) {
  auto opened = openWeightFiles(module);
  if (!opened)
    return fail(opened.takeError());
  files = std::move(*opened);
  original = OriginalModel::open(module, options.model, folder);
  if (!original)
    return failure();
  auto copy = lq::onnx::ModelCopy::open(original->file());
  if (!copy)
    return fail(copy.takeError());
  model = std::move(*copy);
  for (const pb::TensorProto &tensor : model->graph().initializer())
    initializerNames.push_back(tensor.name());
  return success();
}

LogicalResult OnnxExporter::run() {
  if (options.to.empty() || options.model.empty())
    return fail("options to and model: the folder to write and the ONNX model "
                "that the module was made from are required");
  auto folder = StagedFolder::create(options.to);
  if (!folder)
    return fail(folder.takeError());
  std::string work = ((*folder)->path() + "/work").str();
  if (std::error_code error = llvm::sys::fs::create_directory(work))
    return fail("cannot make " + quoted(work) + ": " + error.message());
  if (failed(open(work)) || failed(plan()) || failed(replaceProducts()) ||
      failed(writeOthers()))
    return failure();
  llvm::sys::fs::remove_directories(work);
  StringRef target = (*folder)->path();
  if (llvm::Error error = model->write(target))
    return fail(std::move(error));
  StringRef from = llvm::sys::path::parent_path(original->file());
  for (StringRef name : {"config.json", "genai_config.json"})
    if (llvm::Error error = copyFile(from, name, target))
      return fail(std::move(error));
  if (llvm::Error error = copyTokenizer(from, target))
    return fail(std::move(error));
  if (llvm::Error error = (*folder)->commit())
    return fail(std::move(error));
  report();
  return success();
}

namespace {
struct ExportOnnxPass : lq::impl::ExportOnnxBase<ExportOnnxPass> {
  using ExportOnnxBase::ExportOnnxBase;

  void runOnOperation() override {
    ExportOnnxOptions options;
    options.to = to;
    options.model = model;
    options.dense = dense;
    options.accuracyLevel = accuracyLevel;
    if (failed(OnnxExporter(getOperation(), options).run()))
      signalPassFailure();
    markAllAnalysesPreserved();
  }
};
} // namespace
