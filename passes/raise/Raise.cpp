//===- Raise.cpp - The pass from onnx to lq -------------------------------===//

#include "dialects/common/ModuleWeights.h"
#include "dialects/lq/LqOps.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "passes/raise/CheckNodes.h"
#include "passes/raise/ContextLimit.h"
#include "passes/raise/HeadRows.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Plan.h"
#include "passes/raise/Weights.h"
#include "passes/raise/WidenFloats.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace lq {

#define GEN_PASS_DEF_LQRAISEPASS
#include "passes/raise/Passes.h.inc"

namespace raise {
namespace {

/// How the user wants the model raised.
struct Options {
  std::string kind;
  int64_t context, maxSequence, maxBatch;
  FloatType cacheType;
  std::string archive;
};

/// A graph with its roles, and everything derived from them.
struct Attempt {
  Roles roles;
  std::unique_ptr<FittedShapes> shapes;
  std::unique_ptr<Graph> graph;
  std::unique_ptr<Plan> plan;
  /// Positions that a generative model can hold.
  int64_t context = 0;

  void analyse(func::FuncOp func, WeightFiles &files) {
    FitOptions fit;
    fit.minimum[kPast] = 0;
    shapes = std::make_unique<FittedShapes>(func, &files, roles.extents, fit);
    graph = std::make_unique<Graph>(roles, *shapes);
  }
  /// The values that the raised function returns.
  SmallVector<Value> results(func::FuncOp func) const {
    auto returned = func.getBody().front().getTerminator()->getOperands();
    if (roles.isGenerative())
      return {returned[roles.logits]};
    return llvm::to_vector(returned);
  }
};

std::unique_ptr<Attempt> plan(func::FuncOp func, WeightFiles &files,
                              Roles roles, int64_t positions) {
  auto attempt = std::make_unique<Attempt>();
  attempt->roles = std::move(roles);
  attempt->analyse(func, files);
  if (attempt->roles.isGenerative()) {
    cutHeadRows(*attempt->graph, attempt->roles);
    attempt->analyse(func, files);
    positions = findContextLimit(*attempt->graph, positions);
  }
  attempt->context = positions;
  attempt->plan = std::make_unique<Plan>(*attempt->graph, positions);
  attempt->plan->cover(attempt->results(func));
  return attempt;
}

/// The plan for the graph as the kind that it is, or that the user asked for.
std::unique_ptr<Attempt> choosePlan(func::FuncOp func, WeightFiles &files,
                                    const Options &options) {
  if (options.kind != "tensors") {
    std::optional<Roles> roles = generativeRoles(func);
    if (!roles && options.kind == "generative") {
      func.emitError() << "expected the inputs and outputs of a generative "
                          "model: token ids, an attention mask, positions, "
                          "past keys and values, and logits";
      return nullptr;
    }
    if (roles) {
      auto attempt = plan(func, files, std::move(*roles), options.context);
      if (attempt->plan->isGenerative())
        return attempt;
      if (options.kind == "generative") {
        func.emitError() << "cannot raise to a generative model: an attention "
                            "was not recognised or is not causal, or positions "
                            "are used in an unknown way";
        return nullptr;
      }
      attempt->plan.reset();
      attempt->graph.reset();
      restoreHeadRows(func, attempt->roles);
    }
  }
  return plan(func, files, tensorRoles(func), options.maxSequence);
}

//===----------------------------------------------------------------------===//
// The raised module
//===----------------------------------------------------------------------===//

/// Whether an exporter made up the name of a dimension: "s70", "input_ids_0".
bool isMadeUp(StringRef symbol) {
  symbol.consume_front("s");
  StringRef last = symbol.rsplit('_').second;
  return llvm::all_of(symbol, llvm::isDigit) ||
         (!last.empty() && llvm::all_of(last, llvm::isDigit));
}

/// Dimensions that say how many texts there are: by name or, where that says
/// nothing, because they come first in an input.
bool isBatch(const Roles &roles, StringRef symbol) {
  if (symbol.contains_insensitive("batch"))
    return true;
  if (!isMadeUp(symbol))
    return false;
  for (const auto &[input, extents] : roles.extents)
    if (extents.size() > 1 && extents[0] == Extent::symbol(symbol))
      return true;
  return false;
}

void declareDimensions(OpBuilder &builder, Location location,
                       const Attempt &attempt, const Options &options) {
  auto declare = [&](StringRef name, int64_t max) {
    DimensionOp::create(builder, location, name, max);
  };
  if (attempt.roles.isGenerative()) {
    int64_t sequence = std::min(options.maxSequence, attempt.context);
    declare(kSequence, sequence);
    declare(kPast, attempt.context);
    declare(kLogits, sequence);
    return;
  }
  for (StringRef symbol : attempt.shapes->symbols()) {
    int64_t max =
        isBatch(attempt.roles, symbol) ? options.maxBatch : options.maxSequence;
    auto limit = attempt.plan->limits().find(symbol);
    if (limit != attempt.plan->limits().end())
      max = std::min(max, limit->second);
    declare(symbol, max);
  }
}

DictionaryAttr describeModel(Builder &builder, const Attempt &attempt) {
  SmallVector<NamedAttribute> entries;
  bool generative = attempt.roles.isGenerative();
  entries.push_back(builder.getNamedAttr(
      "kind", builder.getStringAttr(generative ? "generative" : "tensors")));
  if (generative) {
    entries.push_back(builder.getNamedAttr(
        "context", builder.getI64IntegerAttr(attempt.context)));
    entries.push_back(builder.getNamedAttr(
        "vocabulary", builder.getI64IntegerAttr(attempt.roles.vocabulary)));
  }
  return builder.getDictionaryAttr(entries);
}

ArrayAttr shapeAttribute(Builder &builder, ArrayRef<Extent> extents) {
  SmallVector<Attribute> shape;
  for (const Extent &extent : extents)
    shape.push_back(extent.isConstant()
                        ? Attribute(builder.getI64IntegerAttr(extent.constant))
                        : Attribute(builder.getStringAttr(extent.str())));
  return builder.getArrayAttr(shape);
}

/// An argument or result of the raised function.
struct Port {
  StringRef name;
  SmallVector<Extent> shape;

  DictionaryAttr attributes(Builder &builder) const {
    return builder.getDictionaryAttr(
        {builder.getNamedAttr("lq.name", builder.getStringAttr(name)),
         builder.getNamedAttr("lq.shape", shapeAttribute(builder, shape))});
  }
};

/// Builds the raised module from a plan.
class Builder {
public:
  Builder(ModuleOp original, func::FuncOp func, const Attempt &attempt,
          WeightFiles &files, const Options &options)
      : original(original), func(func), attempt(attempt), files(files),
        options(options), raised(ModuleOp::create(original.getLoc())) {}

  /// Fills the original module with the raised model.
  LogicalResult build();

private:
  func::FuncOp createFunction(OpBuilder &builder, GeneralLowering &general,
                              SmallVector<Value> &inputs);
  LogicalResult emitResults(Emitter &emitter, func::FuncOp main);
  void replaceOriginal();

  ModuleOp original;
  func::FuncOp func;
  const Attempt &attempt;
  WeightFiles &files;
  const Options &options;
  OwningOpRef<ModuleOp> raised;
};

func::FuncOp Builder::createFunction(OpBuilder &builder,
                                     GeneralLowering &general,
                                     SmallVector<Value> &inputs) {
  const Roles &roles = attempt.roles;
  SmallVector<Type> types;
  SmallVector<DictionaryAttr> attributes;
  for (BlockArgument argument : func.getArguments()) {
    if (roles.isGenerative() && argument != roles.ids)
      continue;
    RankedTensorType type = general.typeOf(argument);
    if (!type) {
      func.emitError() << "cannot tell the type of the input '"
                       << inputName(argument) << "'";
      return {};
    }
    // The runtime gives token ids as i64, whatever the exporter chose.
    if (roles.isGenerative())
      type = type.clone(builder.getI64Type());
    inputs.push_back(argument);
    types.push_back(type);
    Port port{inputName(argument), *attempt.shapes->shapeOf(argument)};
    attributes.push_back(port.attributes(builder));
  }
  auto main = func::FuncOp::create(builder, func.getLoc(), "main",
                                   builder.getFunctionType(types, {}));
  main.setAllArgAttrs(attributes);
  main.addEntryBlock();
  return main;
}

LogicalResult Builder::emitResults(Emitter &emitter, func::FuncOp main) {
  const Roles &roles = attempt.roles;
  SmallVector<Value> results;
  SmallVector<DictionaryAttr> attributes;
  for (auto [index, value] : llvm::enumerate(attempt.results(func))) {
    unsigned original = roles.isGenerative() ? roles.logits : index;
    auto name = func.getResultAttrOfType<StringAttr>(original, "onnx.name");
    auto shape = attempt.shapes->shapeOf(value);
    if (!shape)
      return func.emitError() << "the shape of the output "
                              << quoted(name ? name.getValue() : "")
                              << " does not follow from the inputs' dimensions";
    Value result = emitter.get(value);
    if (!result)
      return failure();
    if (roles.isGenerative() && (*shape)[1] != Extent::symbol(kLogits)) {
      result = emitter.lastRows(result);
      (*shape)[1] = Extent::symbol(kLogits);
    }
    Port port{roles.isGenerative() ? "logits"
              : name               ? name.getValue()
                                   : "",
              *shape};
    results.push_back(result);
    attributes.push_back(port.attributes(emitter.builder));
  }
  func::ReturnOp::create(emitter.builder, func.getLoc(), results);
  main.setFunctionType(emitter.builder.getFunctionType(
      main.getArgumentTypes(), ValueRange(results).getTypes()));
  main.setAllResultAttrs(attributes);
  return success();
}

/// Moves the raised model into the original module.
void Builder::replaceOriginal() {
  Block *body = original.getBody();
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*body))) {
    op.dropAllDefinedValueUses();
    op.erase();
  }
  body->getOperations().splice(body->end(), raised->getBody()->getOperations());
  for (NamedAttribute attribute : llvm::to_vector(original->getAttrs()))
    if (attribute.getName().strref().starts_with("onnx."))
      original->removeAttr(attribute.getName());
  mlir::Builder builder(original.getContext());
  original->setAttr("lq.model", describeModel(builder, attempt));
}

LogicalResult Builder::build() {
  OpBuilder builder(original.getContext());
  builder.setInsertionPointToStart(raised->getBody());
  declareDimensions(builder, func.getLoc(), attempt, options);
  GeneralLowering general(builder, *attempt.shapes);
  Weights weights(*raised, *attempt.graph, files, options.archive);
  SmallVector<Value> inputs;
  func::FuncOp main = createFunction(builder, general, inputs);
  if (!main)
    return failure();
  builder.setInsertionPointToStart(&main.getBody().front());
  Emitter emitter(builder, *attempt.graph, weights, general, options.cacheType);
  for (auto [input, argument] : llvm::zip_equal(inputs, main.getArguments()))
    emitter.bindInput(input, argument);
  if (failed(attempt.plan->emit(emitter)) ||
      failed(emitResults(emitter, main)) ||
      failed(weights.commit(func.getLoc())))
    return failure();
  replaceOriginal();
  return success();
}

} // namespace
} // namespace raise

namespace {

struct RaisePass : impl::LqRaisePassBase<RaisePass> {
  using LqRaisePassBase::LqRaisePassBase;

  std::optional<raise::Options> readOptions() {
    FloatType cache =
        cacheType == "f32"   ? FloatType(Float32Type::get(&getContext()))
        : cacheType == "f16" ? FloatType(Float16Type::get(&getContext()))
                             : FloatType();
    std::string problem;
    if (!cache)
      problem = "expected cache-type to be f32 or f16, got " + cacheType;
    if (kind != "auto" && kind != "generative" && kind != "tensors")
      problem = "expected kind to be auto, generative or tensors, got " + kind;
    if (context < 1 || maxSequence < 1 || maxBatch < 1)
      problem = "expected context, max-sequence and max-batch to be positive";
    if (problem.empty())
      return raise::Options{kind,     context, maxSequence,
                            maxBatch, cache,   archive};
    getOperation().emitError() << problem;
    return std::nullopt;
  }

  LogicalResult raise(func::FuncOp func, const raise::Options &options) {
    auto files = openWeightFiles(getOperation());
    if (!files)
      return func.emitError() << llvm::toString(files.takeError());
    if (failed(raise::checkNodes(func)))
      return failure();
    raise::widenFloats(func);
    auto attempt = raise::choosePlan(func, **files, options);
    if (!attempt || failed(attempt->plan->checkSupported()))
      return failure();
    return raise::Builder(getOperation(), func, *attempt, **files, options)
        .build();
  }

  void runOnOperation() override {
    std::optional<raise::Options> options = readOptions();
    auto func = getOperation().lookupSymbol<func::FuncOp>("main");
    if (options && (!func || func.isExternal())) {
      getOperation().emitError() << "expected an ONNX graph as func.func @main";
      options.reset();
    }
    if (!options || failed(raise(func, *options)))
      return signalPassFailure();
    OpPassManager cleanUp(ModuleOp::getOperationName());
    cleanUp.addPass(createCanonicalizerPass());
    cleanUp.addPass(createCSEPass());
    if (failed(runPipeline(cleanUp, getOperation())))
      signalPassFailure();
  }
};

} // namespace
} // namespace lq
