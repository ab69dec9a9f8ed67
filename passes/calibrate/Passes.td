//===- Passes.td - calibration -------------------------------*- tablegen -*-===//

#ifndef LQ_PASSES_CALIBRATE_PASSES_TD
#define LQ_PASSES_CALIBRATE_PASSES_TD

include "mlir/Pass/PassBase.td"

def Calibrate : Pass<"lq-calibrate", "::mlir::ModuleOp"> {
  let summary = "run the model over text and collect what quantizers need";
  let description = [{
    Quantizers that know which values a linear's input takes lose less: GPTQ and
    EXL2 need the sum of x x^T, AWQ the mean of |x|, an importance matrix that of
    x^2. This pass compiles the model, runs it over samples of text and writes these
    sums, for every input of linears, to a file of statistics. The module is left as
    it is.

    Assumes a raised and not packed language model: token ids in, and beside them
    at most a mask, positions and types of tokens. It need not be generative.
    Guarantees that the output file appears whole or not at all, and that it is the
    same for the same model, text, options and machine.

    With `format` the inputs are those that linears will have after lq-gptq has
    quantized to that format all weights before them, in the same layer too: a
    layer's inputs are seen one after another, and the weights of each are quantized
    before the next. lq-gptq then makes up for the errors of what comes before as well.
    The statistics are of use for this format alone, and take two to three times as
    long.

    The model is run block by block: all samples go through a layer before the next
    one is compiled, with what goes between them in the work folder. So peak memory
    is at most three times the f32 size of the largest block, the sums of one
    block's inputs and the activations of a sample, and what the compiler itself
    needs (docs/quantizing.md has figures). A run that was interrupted continues
    after the last finished block when it is started again with the same options.
  }];
  // Tools hand it the executors.
  let constructor = "::lq::createCalibrate({}, {})";
  let options = [
    ListOption<"text", "text", "std::string",
               "Files of text to run over (required); *.jsonl: JSON objects with a field \"text\", one a line">,
    Option<"tokenizer", "tokenizer", "std::string", /*default=*/"",
           "The tokenizer.json, or the folder that has it (required)">,
    Option<"samples", "samples", "int64_t", /*default=*/"128",
           "Samples of the text to run over">,
    Option<"length", "length", "int64_t", /*default=*/"512",
           "Tokens of a sample">,
    Option<"seed", "seed", "uint64_t", /*default=*/"0",
           "Another number chooses other samples of the text">,
    Option<"output", "output", "std::string", /*default=*/"",
           "The file of statistics to write (required)">,
    Option<"format", "format", "std::string", /*default=*/"",
           "Quantize the weights before by lq-gptq as to this format, mix or recipe, so that inputs are those in the quantized model">,
    Option<"imatrix", "imatrix", "std::string", /*default=*/"",
           "An importance matrix for llama.cpp to write too">,
    Option<"products", "products", "bool", /*default=*/"true",
           "Collect sums of x x^T; without, only those of |x| and x^2">,
    Option<"work", "work", "std::string", /*default=*/"",
           "Folder for unfinished work, on the same file system as the output (default: the output with .work)">,
    Option<"progress", "progress", "bool", /*default=*/"false",
           "Report progress to stderr">,
  ];
}

#endif // LQ_PASSES_CALIBRATE_PASSES_TD
