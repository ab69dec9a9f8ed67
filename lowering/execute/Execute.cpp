//===- Execute.cpp - running parts of a model while compiling -------------===//

#include "lowering/execute/Execute.h"

#include "dialects/common/ModuleWeights.h"
#include "dialects/lq/LqOps.h"
#include "dialects/lq/Tile.h"
#include "lowering/artifact/Artifact.h"
#include "lowering/cpu/Compile.h"
#include "lowering/cpu/Pipeline.h"
#include "lowering/cpu/codegen/CpuLevel.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Threading.h"
#include "mlir/Pass/PassManager.h"
#include "passes/pack/Passes.h"
#include "runtime/Buffer.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <atomic>
#include <map>
#include <unistd.h>

using namespace mlir;
using namespace lq;

static constexpr StringLiteral nameAttr = "lq.name";

namespace {

/// The names of a module that code does not depend on. In the module itself each
/// is replaced by a number, so that modules that differ in them are the same.
struct ModuleNames {
  std::vector<std::string> weights, inputs, outputs;
};

/// A weight of an executable as its code reads it.
struct LoadedWeight {
  RankedTensorType type;
  size_t index;
};

class HostExecutable : public Executable {
public:
  HostExecutable(MLIRContext *context, ModuleNames names)
      : context(context), names(std::move(names)) {}

  llvm::Error open(const std::string &path, unsigned threads);
  /// Says how the code reads the weights, in order.
  void describeWeights(ModuleOp packed);

  llvm::Expected<ArrayRef<TensorView>>
  run(ArrayRef<TensorView> inputs) override;
  llvm::Error setWeight(StringRef name, ArrayRef<float> values) override;
  uint64_t weightBytes() const override;
  uint64_t bufferBytes() const override { return session->bufferBytes(); }

private:
  llvm::Error replace(const LoadedWeight &weight, ArrayRef<float> values);

  MLIRContext *context;
  ModuleNames names;
  /// By the weights' names in the module; one that linears and others read is
  /// two.
  llvm::StringMap<SmallVector<LoadedWeight, 1>> weights;
  /// What has been put in the place of weights, by index.
  std::map<size_t, Buffer> replaced;
  std::unique_ptr<const Model> model;
  std::unique_ptr<Session> session;
  std::vector<TensorView> given, results;
};

class HostExecutor : public Executor {
public:
  explicit HostExecutor(ExecutorOptions options)
      : options(std::move(options)) {}

  FailureOr<std::unique_ptr<Executable>> load(ModuleOp module) override;
  size_t codeCount() const override { return code.size(); }

private:
  FailureOr<const TargetCode *> compile(ModuleOp packed, std::string key);
  std::string newFile(StringRef suffix);

  ExecutorOptions options;
  /// Code by the text of the module it was made from.
  std::map<std::string, TargetCode> code;
};

} // namespace

//===----------------------------------------------------------------------===//
// Executables
//===----------------------------------------------------------------------===//

static std::string numbered(const char *what, size_t i) {
  return what + std::to_string(i);
}

llvm::Error HostExecutable::open(const std::string &path, unsigned threads) {
  lq::ArtifactOptions options;
  // The weights were written a moment ago.
  options.verifyWeights = false;
  auto opened = Model::open(path, options);
  if (!opened)
    return llvm::createStringError(opened.error().message());
  model = std::move(*opened);
  SessionOptions sessionOptions;
  sessionOptions.threads = threads;
  auto created = Session::create(*model, sessionOptions);
  if (!created)
    return llvm::createStringError(created.error().message());
  session = std::move(*created);
  return llvm::Error::success();
}

void HostExecutable::describeWeights(ModuleOp packed) {
  for (auto [i, weight] : llvm::enumerate(packed.getOps<WeightOp>())) {
    // Packing adds a suffix to the name of a weight that it splits.
    StringRef number = weight.getSymName().split('.').first.drop_front();
    size_t original = 0;
    if (!number.getAsInteger(10, original))
      weights[names.weights[original]].push_back({weight.getTensorType(), i});
  }
}

llvm::Expected<ArrayRef<TensorView>>
HostExecutable::run(ArrayRef<TensorView> inputs) {
  given.assign(inputs.begin(), inputs.end());
  std::vector<std::string> own(inputs.size());
  for (auto [view, name] : llvm::zip_equal(given, own)) {
    auto found = llvm::find(names.inputs, view.name);
    if (found == names.inputs.end())
      return llvm::createStringError("no input is called '" +
                                     std::string(view.name) + "'");
    name = numbered("in", found - names.inputs.begin());
    view.name = name;
  }
  auto outputs = session->run(given);
  if (!outputs)
    return llvm::createStringError(outputs.error().message());
  results.assign(outputs->begin(), outputs->end());
  for (auto [view, name] : llvm::zip_equal(results, names.outputs))
    view.name = name;
  return ArrayRef(results);
}

/// Rows of a matrix as the tiles of its format.
static void tileRowsOf(const FormatDescription &format, ArrayRef<float> values,
                       int64_t columns, MutableArrayRef<char> tiles) {
  Planes planes;
  planes.resize(format, static_cast<int64_t>(values.size()) / columns, columns);
  llvm::copy(values, planes.values.begin());
  packTiles(format, planes, 0, tiles);
}

llvm::Error HostExecutable::replace(const LoadedWeight &weight,
                                    ArrayRef<float> values) {
  FormatAttrInterface format =
      isTiled(weight.type) ? lq::getFormat(weight.type)
                           : getDenseFormat(weight.type.getElementType());
  if (!format || format.getDescription().hasCodes())
    return llvm::createStringError("the weight is no dense matrix of numbers");
  int64_t rows = weight.type.getDimSize(0);
  int64_t columns = weight.type.getNumElements() / rows;
  TileLayout layout = getTileLayout(format.getDescription(), rows, columns);
  int64_t size = isTiled(weight.type) ? layout.totalBytes()
                                      : format.getRowBytes(columns) * rows;
  Buffer &buffer = replaced[weight.index];
  if (!buffer.data()) {
    auto created = Buffer::create(static_cast<uint64_t>(size), "a weight");
    if (!created)
      return llvm::createStringError(created.error().message());
    buffer = std::move(*created);
  }
  MutableArrayRef bytes(static_cast<char *>(buffer.data()), size);
  if (!isTiled(weight.type)) {
    Planes planes;
    planes.resize(format.getDescription(), rows, columns);
    llvm::copy(values, planes.values.begin());
    format.encode(planes, bytes);
  } else {
    parallelFor(context, 0, layout.rowBlocks, [&](size_t block) {
      int64_t first = static_cast<int64_t>(block) * tileRows;
      tileRowsOf(
          format.getDescription(),
          values.slice(first * columns,
                       std::min(tileRows, rows - first) * columns),
          columns,
          bytes.slice(block * layout.rowBlockBytes, layout.rowBlockBytes));
    });
  }
  session->setWeight(weight.index, buffer.data());
  return llvm::Error::success();
}

llvm::Error HostExecutable::setWeight(StringRef name, ArrayRef<float> values) {
  auto found = weights.find(name);
  if (found == weights.end())
    return llvm::createStringError("there is no weight @" + name);
  for (const LoadedWeight &weight : found->second) {
    if (weight.type.getNumElements() != static_cast<int64_t>(values.size()))
      return llvm::createStringError(
          "weight @%s: expected %lld elements, got %zu", name.str().c_str(),
          static_cast<long long>(weight.type.getNumElements()), values.size());
    if (llvm::Error error = replace(weight, values))
      return llvm::createStringError("weight @" + name + ": " +
                                     llvm::toString(std::move(error)));
  }
  return llvm::Error::success();
}

uint64_t HostExecutable::weightBytes() const {
  uint64_t bytes = 0;
  for (const WeightSpec &weight : model->manifest().weights)
    bytes += weight.storageBytes;
  return bytes;
}

//===----------------------------------------------------------------------===//
// The executor
//===----------------------------------------------------------------------===//

/// Gives names by number in place of the module's own, which are returned.
static ModuleNames numberNames(ModuleOp module, func::FuncOp main) {
  ModuleNames names;
  Builder builder(module.getContext());
  llvm::StringMap<StringAttr> numbers;
  for (auto weight : module.getOps<WeightOp>()) {
    std::string number = numbered("w", names.weights.size());
    names.weights.push_back(weight.getSymName().str());
    numbers[weight.getSymName()] = builder.getStringAttr(number);
  }
  for (auto weight : module.getOps<WeightOp>())
    weight.setSymNameAttr(numbers[weight.getSymName()]);
  main.walk([&](GetOp get) {
    get.setWeightAttr(FlatSymbolRefAttr::get(numbers[get.getWeight()]));
  });
  for (unsigned i = 0; i < main.getNumArguments(); ++i) {
    names.inputs.push_back(
        main.getArgAttrOfType<StringAttr>(i, nameAttr).str());
    main.setArgAttr(i, nameAttr, builder.getStringAttr(numbered("in", i)));
  }
  for (unsigned i = 0; i < main.getNumResults(); ++i) {
    names.outputs.push_back(
        main.getResultAttrOfType<StringAttr>(i, nameAttr).str());
    main.setResultAttr(i, nameAttr, builder.getStringAttr(numbered("out", i)));
  }
  return names;
}

/// All that code depends on: the module without its weights' places.
static std::string textOf(ModuleOp module) {
  OwningOpRef<ModuleOp> copy = module.clone();
  for (auto weight : copy->getOps<WeightOp>()) {
    weight.setFile("");
    weight.setOffset(0);
  }
  Attribute model = (*copy)->getAttr("lq.model");
  (*copy)->setAttrs(DictionaryAttr::get(module.getContext(),
                                        NamedAttribute("lq.model", model)));
  std::string text;
  llvm::raw_string_ostream(text) << **copy;
  return text;
}

std::string HostExecutor::newFile(StringRef suffix) {
  // Several executors may share a folder.
  static std::atomic<unsigned> counter{0};
  llvm::SmallString<256> path(options.workFolder);
  llvm::sys::path::append(path, "run." + llvm::Twine(::getpid()) + "." +
                                    llvm::Twine(counter++) + suffix);
  return std::string(path);
}

FailureOr<const TargetCode *> HostExecutor::compile(ModuleOp packed,
                                                    std::string key) {
  auto [entry, isNew] = code.try_emplace(std::move(key));
  if (!isNew)
    return &entry->second;
  const auto *level =
      llvm::find_if(cpu::CpuLevel::all(),
                    [](const auto &level) { return level.availableOnHost(); });
  FailureOr<TargetCode> made = failure();
  if (level == cpu::CpuLevel::all().end())
    emitError(packed.getLoc()) << "no level of code that lq generates runs on "
                                  "this machine";
  else
    made = cpu::compile(packed, *level);
  if (failed(made)) {
    code.erase(entry);
    return failure();
  }
  entry->second = std::move(*made);
  return &entry->second;
}

FailureOr<std::unique_ptr<Executable>> HostExecutor::load(ModuleOp module) {
  OwningOpRef<ModuleOp> packed = module.clone();
  auto main = packed->lookupSymbol<func::FuncOp>("main");
  if (!main)
    return emitError(module.getLoc()) << "expected a function @main";
  auto executable = std::make_unique<HostExecutable>(
      module.getContext(), numberNames(*packed, main));

  std::string archive = newFile(".weights"), artifact = newFile(".lq");
  llvm::scope_exit cleanup([&] {
    llvm::sys::fs::remove(archive);
    // It stays mapped until the executable goes.
    llvm::sys::fs::remove(artifact);
  });
  PassManager passes(module.getContext());
  PackOptions pack;
  pack.archive = archive;
  passes.addPass(createPack(pack));
  if (failed(passes.run(*packed)))
    return failure();
  FailureOr<const TargetCode *> object = compile(*packed, textOf(*packed));
  if (failed(object))
    return failure();
  auto fail = [&](llvm::Error error) {
    return emitError(module.getLoc()) << llvm::toString(std::move(error));
  };
  auto files = openWeightFiles(*packed);
  if (!files)
    return fail(files.takeError());
  if (llvm::Error error = (*files)->allow(options.workFolder))
    return fail(std::move(error));
  ArtifactInfo written;
  written.name = "block";
  written.producer = "lq";
  if (llvm::Error error =
          writeArtifact(*packed, **files, **object, written, artifact))
    return fail(std::move(error));
  files->reset();
  executable->describeWeights(*packed);
  if (llvm::Error error = executable->open(artifact, options.threads))
    return fail(std::move(error));
  return std::unique_ptr<Executable>(std::move(executable));
}

ExecutorProvider lq::hostExecutors() {
  return {[](const ExecutorOptions &options) -> std::unique_ptr<Executor> {
            return std::make_unique<HostExecutor>(options);
          },
          cpu::registerLowering};
}
