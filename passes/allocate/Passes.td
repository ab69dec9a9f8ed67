//===- Passes.td - choosing formats by measured damage -------*- tablegen -*-===//

#ifndef LQ_PASSES_ALLOCATE_PASSES_TD
#define LQ_PASSES_ALLOCATE_PASSES_TD

include "mlir/Pass/PassBase.td"

def Allocate : Pass<"lq-allocate", "::mlir::ModuleOp"> {
  let summary = "choose a format for each weight, by the damage that is measured";
  let description = [{
    Some weights suffer little from few bits and some much, and no table of roles
    and layers knows which. This pass measures it, and chooses for each weight among
    all formats so that the model's output changes least while all weights together
    have no more bits than the budget. It writes its choice as a recipe, which a
    quantizing pass takes as its format and people can edit. The module is left as it
    is.

    **Damage.** A weight is rounded to a probe, the format nearest to the budget, and
    the model is run over samples of text with this one weight changed: the mean of
    KL(p || q) over all tokens, p and q the model's distributions of the next token
    before and after. For small changes the divergence is a quadratic form in the
    error, so that of another format is taken to be as many times larger as the
    format's weighted squared error is. Errors are those of rounding to nearest,
    measured on some rows; with statistics, columns count as the squares of their
    inputs do, else all alike. Damages are added up over weights.

    **Choice.** One format a weight, total size within the budget, least total
    damage: a multiple-choice knapsack, which is solved exactly. The recipe's head
    shows what other budgets would buy.

    Assumes a raised language model, not packed, with logits. Weights that are
    encoded already are left out. All changed models go through a block of the model
    before the next block is compiled; what they pass on waits in the work folder
    (weights x samples x length x width numbers of f32), so memory does not grow
    with the model, and a run that was interrupted goes on after the last finished
    block.
  }];
  // Tools hand it the executors.
  let constructor = "::lq::createAllocate({}, {})";
  let options = [
    Option<"recipe", "recipe", "std::string", /*default=*/"",
           "The recipe to write, *.yaml (required)">,
    Option<"bits", "bits", "double", /*default=*/"0",
           "The budget: bits a weight on the average, as stored (required)">,
    ListOption<"formats", "formats", "std::string",
               "Formats to choose among (default: all that have codes)">,
    ListOption<"include", "include", "std::string",
               "Only weights whose name matches one of these regular expressions">,
    ListOption<"exclude", "exclude", "std::string",
               "No weights whose name matches one of these regular expressions">,
    Option<"embeddings", "embeddings", "bool", /*default=*/"true",
           "Tables of lq.embedding too">,
    Option<"statisticsFile", "statistics", "std::string", /*default=*/"",
           "Statistics of lq-calibrate or an imatrix file, to weigh errors by">,
    ListOption<"text", "text", "std::string",
               "Files of text to run over (required); *.jsonl: JSON objects with a field \"text\", one a line">,
    Option<"tokenizer", "tokenizer", "std::string", /*default=*/"",
           "The tokenizer.json, or the folder that has it (required)">,
    Option<"samples", "samples", "int64_t", /*default=*/"4",
           "Samples of the text to run over">,
    Option<"length", "length", "int64_t", /*default=*/"256",
           "Tokens of a sample">,
    Option<"seed", "seed", "uint64_t", /*default=*/"0",
           "Another number chooses other samples of the text">,
    Option<"work", "work", "std::string", /*default=*/"",
           "Folder for unfinished work (default: the recipe with .work)">,
    Option<"progress", "progress", "bool", /*default=*/"false",
           "Report progress to stderr">,
  ];
}

#endif // LQ_PASSES_ALLOCATE_PASSES_TD
