//===- Rotate.cpp - rotate streams of activations -------------------------===//

#include "dialects/common/ModuleWeights.h"
#include "passes/quantize/WeightUses.h"
#include "passes/rotate/Passes.h"
#include "passes/rotate/RotateWeights.h"
#include "passes/rotate/Spaces.h"

#include "llvm/Support/Path.h"

namespace lq {
#define GEN_PASS_DEF_ROTATE
#include "passes/rotate/Passes.h.inc"
} // namespace lq

using namespace mlir;
using namespace lq;

namespace {

/// A weight as some of its readers will see it.
struct Job {
  WeightOp weight;
  WeightTransform transform;
  SmallVector<OpOperand *> uses;
  WeightAddress address;
};

struct RotatePass : lq::impl::RotateBase<RotatePass> {
  RotatePass() = default;
  explicit RotatePass(RotateOptions options, ProgressCallback callback = {})
      : RotateBase(std::move(options)), callback(std::move(callback)) {}

  void runOnOperation() override {
    if (failed(run(getOperation())))
      signalPassFailure();
  }

private:
  LogicalResult run(ModuleOp module);
  bool isWanted(const Space &space) const {
    return space.hasAttention ? heads.getValue() : residual.getValue();
  }
  void remarkKept(const Spaces &spaces);
  LogicalResult writeAll(ModuleOp module, MutableArrayRef<Job> jobs);
  WeightRotation rotationOf(const WeightTransform &transform) const;
  void report(const Spaces &spaces, size_t weights);

  ProgressCallback callback;
  /// By the number of the space; none for those that are not rotated.
  std::vector<std::optional<Rotation>> rotations;
};

} // namespace

/// Those who see a weight in the same way share a job.
static std::vector<Job> makeJobs(const Spaces &spaces) {
  std::vector<Job> jobs;
  llvm::DenseMap<WeightOp, SmallVector<size_t>> jobsOf;
  for (auto &[use, transform] : spaces.transforms) {
    WeightOp weight = findWeight(use->get());
    SmallVector<size_t> &known = jobsOf[weight];
    auto *same = llvm::find_if(
        known, [&](size_t job) { return jobs[job].transform == transform; });
    if (same == known.end()) {
      known.push_back(jobs.size());
      same = std::prev(known.end());
      jobs.push_back({weight, transform, {}, {}});
    }
    jobs[*same].uses.push_back(use);
  }
  return jobs;
}

void RotatePass::remarkKept(const Spaces &spaces) {
  for (const Space &space : spaces.all) {
    if (!space.isStream() || !space.obstacle.op || !isWanted(space))
      continue;
    ++keptSpaces;
    emitRemark(space.obstacle.op->getLoc())
        << (space.hasAttention ? "the values of an attention"
                               : "a residual stream")
        << " of size " << space.size
        << " cannot be rotated: " << space.obstacle.reason;
  }
}

WeightRotation RotatePass::rotationOf(const WeightTransform &transform) const {
  WeightRotation rotation;
  if (transform.rows >= 0)
    rotation.rows = &*rotations[transform.rows];
  if (transform.columns >= 0)
    rotation.columns = &*rotations[transform.columns];
  if (RmsNormOp norm = transform.norm)
    rotation.gamma = findWeight(norm.getGamma());
  rotation.ones = transform.becomesOnes;
  return rotation;
}

LogicalResult RotatePass::writeAll(ModuleOp module, MutableArrayRef<Job> jobs) {
  auto fail = [&](llvm::Error error) {
    return emitError(module.getLoc()) << llvm::toString(std::move(error));
  };
  if (archive.empty())
    return emitError(module.getLoc()) << "option archive: the file to write "
                                         "rotated weights to is required";
  auto files = openWeightFiles(module);
  if (!files)
    return fail(files.takeError());
  auto output = WeightArchive::append(archive);
  if (!output)
    return fail(output.takeError());
  // Weights of an earlier pass may lie in the folder of the archive.
  if (llvm::Error error =
          (*files)->allow(llvm::sys::path::parent_path(archive)))
    return fail(std::move(error));
  auto file = (*files)->address(archive);
  if (!file)
    return fail(file.takeError());
  int64_t total = 0;
  for (Job &job : jobs)
    total += job.weight.getTensorType().getNumElements();
  Progress meter("rotate", total,
                 callback   ? callback
                 : progress ? printProgress()
                            : ProgressCallback());
  for (Job &job : jobs) {
    auto offset = writeRotated(job.weight, rotationOf(job.transform), **files,
                               **output, meter);
    if (failed(offset))
      return failure();
    auto type = RankedTensorType::get(job.weight.getTensorType().getShape(),
                                      Float32Type::get(module.getContext()));
    job.address = {type, *file, *offset};
  }
  if (llvm::Error error = (*output)->commit())
    return fail(std::move(error));
  return success();
}

/// Gives the job's readers a weight of their own.
static void addWeight(Job &job, SymbolTable &symbols) {
  WeightOp added = job.weight.clone();
  added.setType(job.address.type);
  added.setFile(job.address.file);
  added.setOffset(job.address.offset);
  added.setTransposed(false);
  added.setSymName((job.weight.getSymName() + ".rotated").str());
  symbols.insert(added, std::next(job.weight->getIterator()));
  for (OpOperand *use : job.uses) {
    Operation *get = use->get().getDefiningOp();
    OpBuilder builder(get);
    use->set(GetOp::create(builder, get->getLoc(), job.address.type,
                           added.getSymName()));
    if (get->use_empty())
      get->erase();
  }
}

/// Points all readers to what was written. A weight that nobody reads as it was
/// moves to what the first job made of it, and so keeps its name.
static void redirect(ModuleOp module, MutableArrayRef<Job> jobs) {
  llvm::DenseMap<Operation *, size_t> others;
  for (const WeightUses &uses : collectWeightUses(module))
    others[uses.weight] = uses.matrixUses.size() + uses.otherUses.size();
  for (const Job &job : jobs)
    others[job.weight] -= job.uses.size();

  SymbolTable symbols(module);
  llvm::DenseMap<Operation *, Job *> moved;
  for (Job &job : jobs) {
    bool moves =
        others[job.weight] == 0 && moved.try_emplace(job.weight, &job).second;
    if (moves)
      continue;
    emitRemark(job.weight.getLoc())
        << "weight @" << job.weight.getSymName()
        << " is read in several ways, one of which gets a weight of its own";
    addWeight(job, symbols);
  }
  for (WeightUses &uses : collectWeightUses(module))
    if (Job *job = moved.lookup(uses.weight))
      moveWeight(uses, job->address);
}

void RotatePass::report(const Spaces &spaces, size_t weights) {
  size_t streams = 0, attentions = 0;
  for (auto [rotation, space] : llvm::zip_equal(rotations, spaces.all))
    if (rotation)
      ++(space.hasAttention ? attentions : streams);
  rotatedSpaces += streams + attentions;
  rotatedWeights += weights;
  emitRemark(UnknownLoc::get(&getContext()))
      << "rotated residual streams: " << streams
      << ", values of attentions: " << attentions << ", weights: " << weights;
}

LogicalResult RotatePass::run(ModuleOp module) {
  Spaces spaces =
      findSpaces(module, [&](const Space &space) { return isWanted(space); });
  remarkKept(spaces);
  if (spaces.transforms.empty())
    return emitError(UnknownLoc::get(&getContext()))
           << "nothing can be rotated: no values are written and read by "
              "linears alone";
  rotations.assign(spaces.all.size(), std::nullopt);
  for (auto [number, space] : llvm::enumerate(spaces.all))
    if (space.isRotatable() && isWanted(space))
      rotations[number].emplace(space.size, seed, number);
  std::vector<Job> jobs = makeJobs(spaces);
  if (failed(writeAll(module, jobs)))
    return failure();
  redirect(module, jobs);
  report(spaces, jobs.size());
  return success();
}

std::unique_ptr<Pass> lq::createRotate(RotateOptions options,
                                       ProgressCallback progress) {
  return std::make_unique<RotatePass>(std::move(options), std::move(progress));
}
