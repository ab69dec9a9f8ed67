//===- Passes.td - activation-aware quantization -------------*- tablegen -*-===//

#ifndef LQ_PASSES_AWQ_PASSES_TD
#define LQ_PASSES_AWQ_PASSES_TD

include "mlir/Pass/PassBase.td"

def Awq : Pass<"lq-awq", "::mlir::ModuleOp"> {
  let summary = "scale weights so that rounding them hurts less where inputs are large";
  let description = [{
    Activation-aware weight quantization (Lin et al. 2023, arXiv:2306.00978).
    A column of a weight whose inputs are large is multiplied by a scale before it
    is rounded, and its input is divided by it: errors that count most get smaller.
    The division costs nothing, since it is taken out of what makes the input: the
    weight of a norm, or rows of the product before. Which those are is found from
    the operations: through gates to the linear beside the gate, through attention
    and its cache to the values, where query heads that share a value head share
    its scales. An input that has no such origin (after GELU, or where the residual
    stream reads the norm as well) is left, with a remark.

    For each input 20 scales are tried with the weights rounded to nearest in the
    format, and the best one is taken if it is better than none. Then weights of a
    group that are far larger than the others are clamped, where that lessens the
    error of the group's products (not of queries and keys, and not for formats whose own
    rule is a search).

    The weights stay dense: a pass that quantizes comes after this one. Without
    that, the model computes what it did before, but for what was clamped.

    Assumes a raised and not packed module and a file of statistics of its weights,
    with sums of x x^T, as lq-calibrate makes it. Guarantees that IR and archive are
    unchanged after an error, and that the result depends on the options, the
    model and the statistics alone. Scales that are found are kept in a file
    beside the archive until the pass is complete, so that an interrupted run goes
    on where it stopped. The weights of one input are in memory at a time.
  }];
  // Tools hand it the executors.
  let constructor = "::lq::createAwq({}, {})";
  let options = [
    Option<"format", "format", "std::string", /*default=*/"",
           "Name of the format, or mix of formats, that the weights will be encoded as (required)">,
    Option<"statistics", "statistics", "std::string", /*default=*/"",
           "The file of statistics of the model (required)">,
    Option<"archive", "archive", "std::string", /*default=*/"",
           "File that the scaled weights are appended to">,
    ListOption<"include", "include", "std::string",
               "Round only weights whose name matches one of these regular expressions">,
    ListOption<"exclude", "exclude", "std::string",
               "Take weights whose name matches one of these regular expressions to stay as they are">,
    Option<"clip", "clip", "bool", /*default=*/"true",
           "Clamp weights that are far larger than the rest of their group">,
    Option<"objective", "objective", "::lq::AwqObjective", /*default=*/"::lq::AwqObjective::Products",
           "The errors that scales are chosen by",
           [{::llvm::cl::values(
             clEnumValN(::lq::AwqObjective::Products, "products",
                        "of the products with the input, by its statistics"),
             clEnumValN(::lq::AwqObjective::Block, "block",
                        "of the output of the layer, which is run over text"))}]>,
    ListOption<"text", "text", "std::string",
               "objective=block: files of text to run over; *.jsonl: JSON objects with a field \"text\", one a line">,
    Option<"tokenizer", "tokenizer", "std::string", /*default=*/"",
           "objective=block: the tokenizer.json, or the folder that has it">,
    Option<"searchTokens", "search-tokens", "int64_t", /*default=*/"4096",
           "objective=block: tokens to run over">,
    Option<"length", "length", "int64_t", /*default=*/"512",
           "objective=block: tokens of a sample">,
    Option<"seed", "seed", "uint64_t", /*default=*/"0",
           "objective=block: another number chooses other samples of the text">,
    Option<"progress", "progress", "bool", /*default=*/"false",
           "Report progress to stderr">,
  ];
  let statistics = [
    Statistic<"scaledInputs", "scaled", "Inputs of linears that were scaled">,
    Statistic<"keptInputs", "kept", "Inputs of linears that were left">,
    Statistic<"clampedGroups", "clamped", "Groups of weights that were clamped">,
  ];
}

#endif // LQ_PASSES_AWQ_PASSES_TD
