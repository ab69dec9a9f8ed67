//===- ImportWeights.cpp - take weights from a checkpoint -----------------===//

#include "dialects/common/ModuleWeights.h"
#include "dialects/lq/Scalars.h"
#include "dialects/lq/Storage.h"
#include "passes/checkpoint/Checkpoint.h"
#include "passes/checkpoint/NameMap.h"
#include "passes/checkpoint/Passes.h"
#include "passes/checkpoint/Roles.h"
#include "passes/quantize/ColumnOrder.h"
#include "passes/quantize/RowBlocks.h"
#include "passes/quantize/WeightUses.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"
#include <map>

namespace lq {
#define GEN_PASS_DEF_IMPORTWEIGHTS
#include "passes/checkpoint/Passes.h.inc"
} // namespace lq

using namespace mlir;
using namespace lq;
using namespace lq::checkpoint;

namespace {

/// Uses of a weight that one weight of the checkpoint serves.
struct Job {
  WeightOp weight;
  SmallVector<OpOperand *> uses;
  /// Whether all uses can read any encoding.
  bool isMatrix = true;
  /// Whether all uses of the old weight are served, by this job or others.
  bool isComplete = false;
  /// Whether this job alone does so, so that the name is free.
  bool takesName = false;
  /// The checkpoint's name, and what it has under it.
  std::string name;
  Weight source;
  /// Where the uses find it from now on.
  WeightAddress address;
  bool transposed = false;
  /// The number of the order of its columns among Importer::orders, or -1.
  int64_t order = -1;

  /// The type the uses get: the checkpoint's own, or that of the old weight.
  RankedTensorType wantedType() {
    return isMatrix ? source.type : weight.getTensorType();
  }
  /// Whether the bytes in the checkpoint can be used as they lie.
  bool isInPlace() {
    return source.offset >= 0 &&
           (isMatrix || (source.type == wantedType() && !source.transposed));
  }
};

/// An order of columns, and where it lies in the archive.
struct Order {
  std::vector<int32_t> columns;
  WeightAddress address;
  WeightOp weight;
};

/// One run of the pass.
class Importer {
public:
  Importer(MLIRContext &context, ImportWeightsOptions options)
      : context(context), options(std::move(options)) {}
  LogicalResult run(ModuleOp module);

private:
  LogicalResult open(ModuleOp module);
  std::string resolve(StringRef own, ArrayRef<std::string> roles,
                      bool ownFirst) const;
  void collect(const WeightUses &uses, const Roles &roles);
  LogicalResult checkComplete(ModuleOp module);
  LogicalResult getSources();
  LogicalResult takeOrder(Job &job);
  LogicalResult joinTied();
  LogicalResult place(ModuleOp module);
  LogicalResult convert(ModuleOp module);
  LogicalResult convert(Job &job, WeightArchive &archive, StringRef address,
                        Progress &progress);
  LogicalResult writeOrders(ModuleOp module, WeightArchive &archive,
                            StringRef address);
  void apply(ModuleOp module);
  void makeOrder(Order &order, WeightOp near, SymbolTable &symbols);
  void report();

  MLIRContext &context;
  const ImportWeightsOptions options;
  std::unique_ptr<Checkpoint> checkpoint;
  NameMap names;
  std::vector<Job> found;
  /// Orders of columns, each once.
  std::vector<Order> orders;
  /// Names of weights without a counterpart.
  llvm::StringSet<> used;
  std::vector<std::string> missing;
};

} // namespace

/// The first few of `names`, for a diagnostic.
static std::string listSome(ArrayRef<std::string> names) {
  constexpr size_t shown = 5;
  std::string text;
  for (const std::string &name : names.take_front(shown))
    text += (text.empty() ? "" : ", ") + quoted(name);
  if (names.size() > shown)
    text += " and " + std::to_string(names.size() - shown) + " more";
  return text;
}

/// Whether rotary embeddings rotate neighbouring elements; nothing without any.
static std::optional<bool> findRope(ModuleOp module) {
  std::optional<bool> interleaved;
  module.walk([&](RopeOp op) { interleaved = op.getInterleaved(); });
  return interleaved;
}

LogicalResult Importer::open(ModuleOp module) {
  auto fail = [&](llvm::Error error) -> LogicalResult {
    return emitError(module.getLoc()) << llvm::toString(std::move(error));
  };
  if (options.from.empty())
    return emitError(module.getLoc())
           << "option from: the checkpoint to import is required";
  if (!options.map.empty()) {
    auto read = NameMap::read(options.map);
    if (!read)
      return fail(read.takeError());
    names = std::move(*read);
  }
  auto opened = Checkpoint::open(context, options.from);
  if (!opened)
    return fail(opened.takeError());
  checkpoint = std::move(*opened);
  if (std::optional<bool> interleaved = findRope(module))
    if (llvm::Error error = checkpoint->expectRope(*interleaved))
      return fail(std::move(error));
  return success();
}

/// The checkpoint's name for a weight of the model; empty if it has none.
std::string Importer::resolve(StringRef own, ArrayRef<std::string> roles,
                              bool ownFirst) const {
  if (std::string mapped = names.map(own); !mapped.empty())
    return checkpoint->contains(mapped) ? mapped : std::string();
  SmallVector<std::string> candidates(roles.begin(), roles.end());
  // Exporters wrap the model into a module "model".
  StringRef unwrapped = own;
  unwrapped.consume_front("model.");
  auto *place = ownFirst ? candidates.begin() : candidates.end();
  candidates.insert(place, {own.str(), unwrapped.str()});
  for (const std::string &name : candidates) {
    std::string translated = checkpoint->translate(name);
    if (!translated.empty() && checkpoint->contains(translated))
      return translated;
  }
  return {};
}

/// Finds the weights of the checkpoint for the uses of a weight: one, or more
/// where the uses have different roles.
void Importer::collect(const WeightUses &uses, const Roles &roles) {
  SmallVector<OpOperand *> all(uses.matrixUses);
  llvm::append_range(all, uses.otherUses);
  llvm::MapVector<StringRef, int> kinds;
  for (OpOperand *use : all)
    if (auto role = roles.find(use); role != roles.end())
      ++kinds[role->second.front()];
  std::map<std::string, Job> jobs;
  bool isComplete = true, isMissing = false;
  WeightOp weight = uses.weight;
  for (OpOperand *use : all) {
    auto role = roles.find(use);
    bool isMatrix = llvm::is_contained(uses.matrixUses, use);
    RoleNames candidates = role == roles.end() ? RoleNames() : role->second;
    // Tied: the head is the table where there is no other.
    if (isMatrix && uses.isTable && isa<LinearOp>(use->getOwner()))
      for (OpOperand *other : uses.matrixUses)
        if (isa<EmbeddingOp>(other->getOwner()))
          if (auto table = roles.find(other); table != roles.end())
            llvm::append_range(candidates, table->second);
    std::string name =
        resolve(weight.getSymName(), candidates, kinds.size() <= 1);
    if (name.empty()) {
      isComplete = false;
      isMissing |= isMatrix || role != roles.end();
      continue;
    }
    Job &job = jobs[name];
    job.uses.push_back(use);
    job.isMatrix &= isMatrix;
  }
  if (isMissing)
    missing.push_back(weight.getSymName().str());
  for (auto &[name, job] : jobs) {
    used.insert(name);
    job.weight = weight;
    job.name = name;
    job.isComplete = isComplete;
    job.takesName = isComplete && jobs.size() == 1;
    found.push_back(std::move(job));
  }
}

/// Leaves out rows that only fill up the checkpoint's tensors.
static void dropPadding(Weight &source, RankedTensorType type) {
  if (source.type.getRank() != 2 || type.getRank() != 2)
    return;
  int64_t rows = type.getDimSize(0), surplus = source.rows() - rows;
  if (surplus > 0 && surplus < source.rowPadding)
    source.type = RankedTensorType::get({rows, source.type.getDimSize(1)},
                                        source.type.getElementType(),
                                        source.type.getEncoding());
}

/// Gives the job the number of the order of its columns.
LogicalResult Importer::takeOrder(Job &job) {
  if (job.source.order.empty())
    return success();
  for (OpOperand *use : job.uses)
    if (!isa<LinearOp>(use->getOwner())) {
      auto error = emitError(job.weight.getLoc())
                   << "weight @" << job.weight.getSymName() << ": "
                   << quoted(job.name)
                   << " has its columns in an order of its own, which only the "
                      "weights of linear layers can have";
      error.attachNote(use->getOwner()->getLoc()) << "it is read here";
      return error;
    }
  auto found = llvm::find_if(orders, [&](const Order &order) {
    return order.columns == job.source.order;
  });
  job.order = found - orders.begin();
  if (found == orders.end())
    orders.push_back({job.source.order, {}, {}});
  return success();
}

/// Gets what the checkpoint has for each job, and checks it.
LogicalResult Importer::getSources() {
  for (Job &job : found) {
    auto source = checkpoint->get(job.name);
    if (!source)
      return emitError(job.weight.getLoc())
             << "weight @" << job.weight.getSymName() << ": "
             << llvm::toString(source.takeError());
    job.source = std::move(*source);
    RankedTensorType type = job.weight.getTensorType();
    dropPadding(job.source, type);
    if (job.source.type.getShape() != type.getShape())
      return emitError(job.weight.getLoc())
             << "weight @" << job.weight.getSymName() << " of " << type
             << " has another shape in the checkpoint, where "
             << quoted(job.name) << " is " << job.source.type
             << "; is it a checkpoint of the same model?";
    if (failed(takeOrder(job)))
      return failure();
  }
  return success();
}

/// Joins jobs of one weight whose bytes are the same: a table and a head that
/// are tied but saved twice.
LogicalResult Importer::joinTied() {
  std::vector<Job> joined;
  for (Job &job : found) {
    Job *last = joined.empty() ? nullptr : &joined.back();
    if (!last || last->weight != job.weight || !job.isMatrix ||
        !last->isMatrix || job.source.offset < 0 || last->source.offset < 0 ||
        job.source.type != last->source.type ||
        job.source.transposed != last->source.transposed) {
      joined.push_back(std::move(job));
      continue;
    }
    auto bytes = checkpoint->bytes(job.source);
    auto lastBytes = checkpoint->bytes(last->source);
    if (!bytes || !lastBytes)
      return emitError(job.weight.getLoc()) << llvm::toString(
                 llvm::joinErrors(bytes.takeError(), lastBytes.takeError()));
    if (*bytes != *lastBytes) {
      joined.push_back(std::move(job));
      continue;
    }
    llvm::append_range(last->uses, job.uses);
    last->takesName = last->isComplete;
  }
  found = std::move(joined);
  return success();
}

/// Every weight that has a role must be in the checkpoint, and the other way
/// round.
LogicalResult Importer::checkComplete(ModuleOp module) {
  std::vector<std::string> surplus;
  for (std::string &name : checkpoint->names())
    if (!used.contains(name))
      surplus.push_back(std::move(name));
  if (found.empty())
    return emitError(module.getLoc())
           << "no weight of the model is in " << quoted(options.from)
           << ", which has " << listSome(surplus)
           << "; give the names with the option map";
  auto complain = [&](StringRef which, ArrayRef<std::string> list) {
    InFlightDiagnostic diagnostic = options.partial
                                        ? emitWarning(module.getLoc())
                                        : emitError(module.getLoc());
    diagnostic << list.size() << " weights of " << which << ": "
               << listSome(list);
    if (!options.partial)
      diagnostic << "; give their names with the option map, or accept that "
                    "with the option partial";
  };
  if (!missing.empty())
    complain("the model are not in the checkpoint", missing);
  if (!surplus.empty())
    complain("the checkpoint are not in the model", surplus);
  return success(options.partial || (missing.empty() && surplus.empty()));
}

/// Loads rows of a weight that is dense in its file as f32.
static void loadRows(const Weight &weight, ArrayRef<char> bytes, int64_t first,
                     MutableArrayRef<float> values) {
  Type element = weight.type.getElementType();
  int64_t width = element.getIntOrFloatBitWidth() / 8;
  int64_t columns =
      weight.rows() ? weight.type.getNumElements() / weight.rows() : 0;
  for (int64_t i = 0, e = static_cast<int64_t>(values.size()); i < e; ++i) {
    int64_t at = first * columns + i;
    if (weight.transposed)
      at = at % columns * weight.rows() + at / columns;
    const char *source = bytes.data() + at * width;
    if (element.isF64()) {
      double value;
      std::memcpy(&value, source, sizeof value);
      values[i] = static_cast<float>(value);
    } else {
      values[i] =
          loadScalar(getDenseFormat(element).getDescription().element, source);
    }
  }
}

/// Loads rows of any weight as f32.
static void readFloats(const Weight &weight, ArrayRef<char> bytes,
                       int64_t first, int64_t rows,
                       MutableArrayRef<float> values) {
  std::vector<char> converted;
  auto format =
      dyn_cast_if_present<FormatAttrInterface>(weight.type.getEncoding());
  if (weight.offset < 0) {
    converted.resize(rows * weight.rowBytes());
    weight.read(first, rows, converted);
  }
  if (!format) {
    // Converted rows are as if they were all there is.
    loadRows(weight, weight.offset < 0 ? ArrayRef<char>(converted) : bytes,
             weight.offset < 0 ? 0 : first, values);
    return;
  }
  Planes planes;
  planes.resize(format.getDescription(), rows, weight.type.getDimSize(1));
  format.decode(weight.offset < 0 ? ArrayRef<char>(converted)
                                  : bytes.slice(first * weight.rowBytes(),
                                                rows * weight.rowBytes()),
                planes);
  dequantize(format.getDescription(), planes, values);
}

LogicalResult Importer::convert(Job &job, WeightArchive &archive,
                                StringRef address, Progress &progress) {
  const Weight &source = job.source;
  ArrayRef<char> bytes;
  if (source.offset >= 0) {
    auto read = checkpoint->bytes(source);
    if (!read)
      return emitError(job.weight.getLoc()) << llvm::toString(read.takeError());
    bytes = *read;
  }
  RankedTensorType type = job.wantedType();
  bool isDense = type != source.type || source.offset >= 0;
  int64_t rows = source.rows();
  int64_t columns = rows ? type.getNumElements() / rows : 0;
  FormatAttrInterface dense = getDenseFormat(type.getElementType());
  int64_t rowBytes = isDense ? dense.getRowBytes(columns) : source.rowBytes();
  auto offset = writeRowBlocks(
      job.weight, job.name, {rows, columns, 1, rowBytes}, archive, progress,
      [&](int64_t first, int64_t count, MutableArrayRef<char> storage) {
        if (!isDense)
          return source.read(first, count, storage);
        Planes planes;
        planes.resize(dense.getDescription(), count, columns);
        readFloats(source, bytes, first, count, planes.values);
        dense.encode(planes, storage);
      });
  if (failed(offset))
    return failure();
  job.address = {type, address.str(), *offset};
  return success();
}

/// Gives every job an address.
LogicalResult Importer::place(ModuleOp module) {
  int64_t converted = 0;
  for (Job &job : found) {
    if (!job.isInPlace()) {
      Type element = job.wantedType().getElementType();
      if (!getDenseFormat(element) || element.isF64())
        return emitError(job.weight.getLoc())
               << "weight @" << job.weight.getSymName() << " has elements of "
               << element << ", to which the checkpoint's " << quoted(job.name)
               << " cannot be converted";
      converted += job.source.type.getNumElements();
      continue;
    }
    job.address = {job.wantedType(),
                   (checkpoint->folder() + "/" + job.source.file).str(),
                   static_cast<uint64_t>(job.source.offset)};
    job.transposed = job.source.transposed;
  }
  if (converted == 0)
    return success();
  auto fail = [&](llvm::Error error) -> LogicalResult {
    return emitError(module.getLoc()) << llvm::toString(std::move(error));
  };
  if (options.archive.empty())
    return emitError(module.getLoc())
           << "option archive: the file to write converted weights to is "
              "required";
  auto files = openWeightFiles(module);
  if (!files)
    return fail(files.takeError());
  auto output = WeightArchive::append(options.archive);
  if (!output)
    return fail(output.takeError());
  auto address = (*files)->address(options.archive);
  if (!address)
    return fail(address.takeError());
  Progress meter("import", converted, ProgressCallback());
  for (Job &job : found)
    if (!job.isInPlace() && failed(convert(job, **output, *address, meter)))
      return failure();
  if (failed(writeOrders(module, **output, *address)))
    return failure();
  if (llvm::Error error = (*output)->commit())
    return fail(std::move(error));
  return success();
}

LogicalResult Importer::writeOrders(ModuleOp module, WeightArchive &archive,
                                    StringRef address) {
  for (Order &order : orders) {
    auto written = writeOrder(order.columns, archive, address, context);
    if (!written)
      return emitError(module.getLoc()) << llvm::toString(written.takeError());
    order.address = std::move(*written);
  }
  return success();
}

/// Lets the uses of a job read `weight`.
static void readInstead(Job &job, WeightOp weight) {
  OpBuilder builder(weight.getContext());
  llvm::DenseMap<Operation *, Value> gets;
  for (OpOperand *use : job.uses) {
    Operation *old = use->get().getDefiningOp();
    Value &get = gets[old];
    if (!get) {
      builder.setInsertionPoint(old);
      get = GetOp::create(builder, old->getLoc(), job.address.type,
                          weight.getSymName());
    }
    use->set(get);
    if (old->use_empty())
      old->erase();
  }
}

/// Makes the new weights and lets the uses read them.
void Importer::apply(ModuleOp module) {
  SymbolTable symbols(module);
  OpBuilder builder(module.getContext());
  llvm::SetVector<Operation *> replaced;
  InputOrders inputs;
  bool readsFolder = false;
  for (Job &job : found) {
    readsFolder |= job.isInPlace();
    std::string name = job.takesName ? job.weight.getSymName().str() : job.name;
    builder.setInsertionPoint(job.weight);
    auto weight = WeightOp::create(
        builder, job.weight.getLoc(), name, job.address.type, job.address.file,
        static_cast<int64_t>(job.address.offset), job.transposed);
    if (job.takesName)
      symbols.remove(job.weight);
    symbols.insert(weight);
    readInstead(job, weight);
    if (job.order >= 0) {
      Order &order = orders[job.order];
      if (!order.weight)
        order.weight = makeOrderWeight(order.address, weight, symbols);
      for (OpOperand *use : job.uses)
        inputs.permute(cast<LinearOp>(use->getOwner()), order.weight);
    }
    if (job.isComplete)
      replaced.insert(job.weight);
  }
  for (Operation *weight : replaced)
    weight->erase();
  if (readsFolder)
    allowWeightFolder(module, checkpoint->folder());
}

void Importer::report() {
  llvm::MapVector<StringRef, int64_t> counts;
  for (Job &job : found)
    if (job.isMatrix) {
      FormatAttrInterface format = lq::getFormat(job.source.type);
      ++counts[format ? format.getFormatName()
                      : getDenseFormat(job.source.type.getElementType())
                            .getFormatName()];
    }
  auto remark =
      emitRemark(NameLoc::get(StringAttr::get(&context, "lq-import-weights")));
  remark << "imported " << found.size() << " weights from "
         << quoted(options.from);
  StringRef separator = "; matrices: ";
  for (auto &[format, count] : counts) {
    remark << separator << count << " as " << format;
    separator = ", ";
  }
}

LogicalResult Importer::run(ModuleOp module) {
  if (failed(open(module)))
    return failure();
  Roles roles = findRoles(module);
  for (const WeightUses &uses : collectWeightUses(module))
    collect(uses, roles);
  if (failed(checkComplete(module)) || failed(getSources()) ||
      failed(joinTied()) || failed(place(module)))
    return failure();
  apply(module);
  report();
  return success();
}

namespace {
struct ImportWeightsPass : lq::impl::ImportWeightsBase<ImportWeightsPass> {
  using ImportWeightsBase::ImportWeightsBase;

  void runOnOperation() override {
    Importer importer(getContext(), {from, archive, map, partial});
    if (failed(importer.run(getOperation())))
      signalPassFailure();
  }
};
} // namespace
