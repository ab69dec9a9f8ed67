//===- Weights.cpp - The weights of the raised model ----------------------===//

#include "passes/raise/Weights.h"
#include "dialects/onnx/OnnxDialect.h"
#include "passes/raise/Quantized.h"
#include "passes/raise/eval/Evaluator.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace lq::raise {
namespace {

/// A constant that is an initializer, perhaps cast or transposed.
struct Stored {
  onnx::InitializerOp initializer;
  bool transposed = false;
};

std::optional<Stored> findStored(const Graph &graph, Value constant) {
  Stored stored;
  for (;;) {
    constant = graph.strip(constant);
    onnx::NodeOp node = Graph::node(constant, "Transpose");
    if (!node)
      break;
    auto permutation = node.getInts("perm");
    if (graph.rank(constant) != 2 ||
        (permutation && *permutation != ArrayRef<int64_t>{1, 0}))
      return std::nullopt;
    stored.transposed = !stored.transposed;
    constant = node.getInputs()[0];
  }
  stored.initializer = Weights::initializerOf(constant);
  if (!stored.initializer || !stored.initializer.getFile())
    return std::nullopt;
  Type element = stored.initializer.getTensorType().getElementType();
  if (!element.isF32() && !element.isF16() && !element.isBF16())
    return std::nullopt;
  return stored;
}

/// Whether exporters made the name up, so that it says nothing.
bool isMadeUp(StringRef name) {
  if (name.consume_front("onnx::") || name.starts_with("/"))
    return true;
  name.consume_front("val");
  return name.empty() || llvm::all_of(name, [](char c) {
           return llvm::isDigit(c) || c == '_';
         });
}

/// A node's path in the model without its operator:
/// "/model/layers.0/self_attn/q_proj/MatMul" ->
/// "model.layers.0.self_attn.q_proj".
std::string pathOf(onnx::NodeOp node) {
  StringRef name = node.getNodeName();
  if (!name.consume_front("/"))
    return {};
  std::string path = name.rsplit('/').first.str();
  for (char &c : path)
    c = c == '/' ? '.' : c;
  return path;
}

/// The type with integers signless, as lq has them.
RankedTensorType signless(RankedTensorType type) {
  auto integer = dyn_cast<IntegerType>(type.getElementType());
  if (!integer || integer.isSignless())
    return type;
  return type.clone(IntegerType::get(type.getContext(), integer.getWidth()));
}

/// The first use of a constant by a node that is not a copy of it.
onnx::NodeOp userOf(Value constant) {
  for (Operation *user : constant.getUsers())
    if (auto node = dyn_cast<onnx::NodeOp>(user))
      return node;
  return {};
}

} // namespace

Weights::Weights(ModuleOp module, const Graph &graph, WeightFiles &files,
                 std::string archivePath)
    : module(module), graph(graph), files(files),
      archivePath(std::move(archivePath)), symbols(module) {}

onnx::InitializerOp Weights::initializerOf(Value value) {
  FlatSymbolRefAttr symbol;
  if (auto get = value.getDefiningOp<onnx::GetOp>())
    symbol = get.getInitializerAttr();
  else if (onnx::NodeOp node = Graph::node(value, "Constant"))
    symbol = node.getNodeAttr<FlatSymbolRefAttr>("value");
  return symbol ? SymbolTable::lookupNearestSymbolFrom<onnx::InitializerOp>(
                      value.getDefiningOp(), symbol)
                : onnx::InitializerOp();
}

std::string Weights::nameOf(Value constant, StringRef role) const {
  if (auto stored = findStored(graph, constant))
    if (!isMadeUp(stored->initializer.getSymName()))
      return stored->initializer.getSymName().str();
  if (onnx::NodeOp user = userOf(constant)) {
    std::string path = pathOf(user);
    if (!path.empty())
      return path + "." + role.str();
  }
  return role.str();
}

std::string Weights::nameOfCodes(Value codes) const {
  onnx::InitializerOp initializer = initializerOf(graph.strip(codes));
  auto [name, bits] = initializer.getSymName().rsplit("_Q");
  if (!bits.empty() && llvm::all_of(bits, llvm::isDigit) && !isMadeUp(name))
    return name.str();
  return nameOf(codes, "weight");
}

/// Symbols stand in the order of their creation, before the function.
template <typename Op> Op Weights::insert(Op op) {
  symbols.insert(op, last ? std::next(Block::iterator(last))
                          : module.getBody()->begin());
  last = op;
  return op;
}

WeightOp Weights::create(Location location, StringRef name,
                         RankedTensorType type, const Address &address,
                         bool transposed) {
  OpBuilder builder(module.getContext());
  return insert(WeightOp::create(builder, location, name, type, address.file,
                                 address.offset, transposed));
}

CacheOp Weights::addCache(Location location, StringRef name, CacheRole role,
                          int64_t heads, int64_t size, FloatType elementType) {
  OpBuilder builder(module.getContext());
  return insert(
      CacheOp::create(builder, location, name, role, heads, size, elementType));
}

//===----------------------------------------------------------------------===//
// Constants of the graph
//===----------------------------------------------------------------------===//

WeightOp Weights::matrix(Location location, Value constant, bool transposed) {
  WeightOp &weight = made[{constant, transposed ? 1 : 0}];
  if (weight)
    return weight;
  std::optional<SmallVector<int64_t>> shape =
      graph.shapes().staticShapeOf(constant);
  if (transposed)
    std::swap((*shape)[0], (*shape)[1]);
  if (auto codes = findDequantized(graph, constant, transposed))
    return weight = quantized(location, *codes);
  std::optional<Stored> stored = findStored(graph, constant);
  if (!stored)
    return weight = addMatrix(location, constant, *shape, transposed);
  auto type = RankedTensorType::get(
      *shape, stored->initializer.getTensorType().getElementType());
  Address address{stored->initializer.getFile()->str(),
                  static_cast<int64_t>(*stored->initializer.getOffset())};
  bool flipped = transposed != stored->transposed;
  if (WeightOp tied = findTied(type, address, flipped))
    return weight = tied;
  return weight = create(stored->initializer.getLoc(),
                         nameOf(constant, "weight"), type, address, flipped);
}

WeightOp Weights::addMatrix(Location location, Value constant,
                            ArrayRef<int64_t> shape, bool transposed) {
  std::vector<float> numbers = evaluateFloats(constant);
  if (numbers.empty()) {
    emitError(location) << "cannot evaluate the constant matrix of this node";
    return {};
  }
  std::string name = nameOf(constant, "weight");
  if (!transposed)
    return add(location, name, shape, numbers);
  std::vector<float> flipped(numbers.size());
  for (int64_t n = 0; n < shape[0]; ++n)
    for (int64_t k = 0; k < shape[1]; ++k)
      flipped[n * shape[1] + k] = numbers[k * shape[0] + n];
  return add(location, name, shape, flipped);
}

WeightOp Weights::vector(Location location, Value constant, int64_t size) {
  WeightOp &weight = made[{constant, 2}];
  if (weight)
    return weight;
  std::optional<Stored> stored = findStored(graph, constant);
  if (stored && stored->initializer.getTensorType().getElementType().isF32() &&
      stored->initializer.getTensorType().getNumElements() == size)
    return weight =
               create(stored->initializer.getLoc(), nameOf(constant, "vector"),
                      RankedTensorType::get(
                          size, Float32Type::get(module.getContext())),
                      {stored->initializer.getFile()->str(),
                       static_cast<int64_t>(*stored->initializer.getOffset())},
                      /*transposed=*/false);
  std::vector<float> numbers = evaluateFloats(constant);
  if (numbers.size() == 1)
    numbers.assign(size, numbers[0]);
  if (static_cast<int64_t>(numbers.size()) != size) {
    emitError(location) << "cannot evaluate a constant vector of this node";
    return {};
  }
  if (onnx::InitializerOp initializer = initializerOf(graph.strip(constant)))
    location = initializer.getLoc();
  return weight = add(location, nameOf(constant, "vector"), size, numbers);
}

WeightOp Weights::tensor(Location location, Value constant) {
  WeightOp &weight = made[{constant, 3}];
  if (weight)
    return weight;
  onnx::InitializerOp initializer = initializerOf(graph.strip(constant));
  if (initializer && initializer.getFile())
    return weight = create(initializer.getLoc(), nameOf(constant, "constant"),
                           signless(initializer.getTensorType()),
                           {initializer.getFile()->str(),
                            static_cast<int64_t>(*initializer.getOffset())},
                           /*transposed=*/false);
  std::optional<HostTensor> numbers = evaluate(constant);
  Type elementType =
      numbers ? lq::signlessType(numbers->kind, module.getContext()) : Type();
  if (!elementType) {
    emitError(location) << "cannot evaluate a constant that this node needs";
    return {};
  }
  return weight = addBytes(location, nameOf(constant, "constant"),
                           RankedTensorType::get(numbers->shape, elementType),
                           numbers->toBytes());
}

/// What is computed from weights has no more elements than all of them. A shape
/// alone could ask for more than any memory has.
int64_t Weights::largestConstant() {
  constexpr int64_t always = int64_t(1) << 26;
  if (largest)
    return *largest;
  largest = always;
  auto original = graph.shapes().graph()->getParentOfType<ModuleOp>();
  for (auto initializer : original.getOps<onnx::InitializerOp>()) {
    if (!initializer.getFile())
      continue;
    auto bytes = files.read(*initializer.getFile(), *initializer.getOffset(),
                            initializer.getStorageBytes());
    if (bytes && !bytes->empty())
      *largest += initializer.getTensorType().getNumElements();
    llvm::consumeError(bytes.takeError());
  }
  return *largest;
}

std::optional<HostTensor> Weights::evaluate(Value constant) {
  EvaluatorOptions options;
  options.maxElements = options.maxInitializerElements = largestConstant();
  Assignment none;
  Evaluator evaluator(graph.shapes().graph(), &files, graph.shapes().inputs(),
                      none, options);
  const HostTensor *tensor = evaluator.get(constant);
  if (!tensor || !tensor->hasData)
    return std::nullopt;
  return *tensor;
}

std::vector<float> Weights::evaluateFloats(Value constant) {
  std::vector<float> numbers;
  if (std::optional<HostTensor> tensor = evaluate(constant))
    for (int64_t i = 0, e = tensor->size(); i < e; ++i)
      numbers.push_back(static_cast<float>(tensor->number(i)));
  return numbers;
}

//===----------------------------------------------------------------------===//
// Tied tables
//===----------------------------------------------------------------------===//

/// Whether the matrix [rows, columns] of `width`-byte elements in `a` is that
/// in `b`, which lies there transposed if `flipped`.
static bool sameMatrix(ArrayRef<char> a, ArrayRef<char> b, int64_t rows,
                       int64_t columns, int64_t width, bool flipped) {
  if (!flipped)
    return a == b;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      if (memcmp(a.data() + (r * columns + c) * width,
                 b.data() + (c * rows + r) * width, width) != 0)
        return false;
  return true;
}

WeightOp Weights::findTied(RankedTensorType type, const Address &address,
                           bool transposed) {
  int64_t width = type.getElementTypeBitWidth() / 8;
  int64_t bytes = type.getNumElements() * width;
  for (WeightOp table : tables) {
    if (table.getTensorType() != type)
      continue;
    if (table.getFile() == address.file &&
        static_cast<int64_t>(table.getOffset()) == address.offset &&
        table.getTransposed() == transposed)
      return table;
    auto left = files.read(table.getFile(), table.getOffset(), bytes);
    auto right = files.read(address.file, address.offset, bytes);
    bool readable = static_cast<bool>(left) && static_cast<bool>(right);
    if (readable &&
        sameMatrix(*left, *right, type.getDimSize(0), type.getDimSize(1), width,
                   transposed != table.getTransposed()))
      return table;
    llvm::consumeError(left.takeError());
    llvm::consumeError(right.takeError());
  }
  return {};
}

void Weights::noteTable(WeightOp table) {
  if (!llvm::is_contained(tables, table))
    tables.push_back(table);
}

//===----------------------------------------------------------------------===//
// The archive
//===----------------------------------------------------------------------===//

WeightOp Weights::add(Location location, StringRef name,
                      ArrayRef<int64_t> shape, ArrayRef<float> numbers) {
  return addBytes(
      location, name,
      RankedTensorType::get(shape, Float32Type::get(module.getContext())),
      ArrayRef(reinterpret_cast<const char *>(numbers.data()),
               numbers.size() * sizeof(float)));
}

WeightOp Weights::addBytes(Location location, StringRef name,
                           RankedTensorType type, ArrayRef<char> bytes) {
  auto fail = [&](llvm::Error error) {
    emitError(location) << llvm::toString(std::move(error));
    return WeightOp();
  };
  if (!archive) {
    auto created = WeightArchive::create(archivePath);
    if (!created)
      return fail(created.takeError());
    archive = std::move(*created);
    if (llvm::Error error = files.attach(*archive))
      return fail(std::move(error));
  }
  auto offset = archive->add(bytes);
  if (!offset)
    return fail(offset.takeError());
  auto file = files.address(archivePath);
  if (!file)
    return fail(file.takeError());
  return create(location, name, type, {*file, static_cast<int64_t>(*offset)},
                /*transposed=*/false);
}

LogicalResult Weights::commit(Location location) {
  if (!archive)
    return success();
  if (llvm::Error error = archive->commit())
    return emitError(location) << llvm::toString(std::move(error));
  return success();
}

} // namespace lq::raise
