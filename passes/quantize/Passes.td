//===- Passes.td - quantization passes -----------------------*- tablegen -*-===//

#ifndef LQ_PASSES_QUANTIZE_PASSES_TD
#define LQ_PASSES_QUANTIZE_PASSES_TD

include "mlir/Pass/PassBase.td"

defvar formatOptions = [
  Option<"format", "format", "std::string", /*default=*/"",
         "Name of the format to encode weights as, or of a mix of formats, or the file of a recipe, *.yaml (required)">,
];
defvar archiveOptions = [
  Option<"archive", "archive", "std::string", /*default=*/"",
         "File that the encoded weights are appended to">,
  ListOption<"include", "include", "std::string",
             "Encode only weights whose name matches one of these regular expressions">,
  ListOption<"exclude", "exclude", "std::string",
             "Leave weights whose name matches one of these regular expressions">,
];
defvar tableOptions = [
  Option<"embeddings", "embeddings", "bool", /*default=*/"true",
         "Encode tables of lq.embedding too">,
];
defvar moreOptions = [
  Option<"requantize", "requantize", "bool", /*default=*/"false",
         "Encode weights again that are encoded already">,
  Option<"progress", "progress", "bool", /*default=*/"false",
         "Report progress to stderr">,
];

/// A pass that encodes weights (WeightEncoder.h).
class WeightPass<string name> : Pass<name, "::mlir::ModuleOp"> {
  let statistics = [
    Statistic<"encodedWeights", "encoded", "Weights encoded">,
    Statistic<"fallbackWeights", "fallback", "Weights encoded as a fallback of the format">,
    Statistic<"elements", "elements", "Elements of the encoded weights">,
    Statistic<"storageBytes", "bytes", "Bytes of the encoded weights">,
  ];
}

/// One that encodes them as a format that the user names.
class EncodingPass<string name, list<Option> more = []> : WeightPass<name> {
  let options = formatOptions # archiveOptions # tableOptions # moreOptions # more;
}

def QuantizeRtn : EncodingPass<"lq-quantize-rtn"> {
  let summary = "encode weights by rounding each to the nearest level of a format";
  let description = [{
    Weights are what a language model's memory traffic consists of; a format of
    8 or 4 bits makes it smaller by that much. Round-to-nearest needs no
    calibration text: each group's numbers follow from its values alone, by the
    rule of the format, so that the bytes are those of the format's reference
    quantizer; where the format's rule is a search, numbers and codes are those
    of least squared error that it finds.

    The format may be a mix (`q4_k_m`), which gives more bits to what suffers
    most: by what the weight does, which is found from the operations around it,
    and by its layer. Or it is the file of a recipe, which says it weight by weight:
    the first line that matches a weight's whole name holds, and what none matches
    stays dense.

        weights:
          - match: '.*\\.down_proj\\.weight'
            format: q6_k
          - match: '.*'
            format: q4_k

    Encodes every `lq.weight` that an `lq.linear` multiplies by or an
    `lq.embedding` looks up; other uses of the same weight stay as they are. A
    weight that is encoded already keeps its codes: where the format can hold them
    as they are (`int4_g32` and `q4_0`), it gets that format, else it stays as it
    is, with a remark, or an error if there is no weight to encode. With
    `requantize` it is rounded again, from the values it stands for. A matrix
    whose columns the format cannot divide into groups gets the format's fallback,
    with a remark.

    Assumes that the weights' files are readable from the module's folder.
    Guarantees that every chosen weight has an encoding, its bytes in the
    archive (or where they were, if they are the same), and that IR and archive
    are unchanged after an error, such as a weight that is not a number.

    The new weights are written in slabs of some megabytes by all threads, so
    that the memory needed does not depend on the model.
  }];
}

def KQuant : EncodingPass<"lq-kquant", [
    Option<"statistics", "statistics", "std::string", /*default=*/"",
           "File of statistics of the model's inputs, or an imatrix file of llama.cpp">,
  ]> {
  let summary = "encode weights with scales searched for the least weighted error";
  let description = [{
    The error of a weight is multiplied by the input of its column, and inputs differ
    by orders of magnitude. With `statistics`, scales, offsets and codes of each group
    are searched for the least sum of importance * error^2, where a column's
    importance is the mean square of its input: what llama.cpp does with an
    importance matrix. Without, all columns count alike.

    Meant for formats whose rule is a search (k-quants, IQ4), and the mixes of
    them. The groups of other formats get numbers of least weighted error too, where
    lq-quantize-rtn follows the rule of the format's reference quantizer.

    Assumes of weights, and guarantees, what lq-quantize-rtn does. A weight that the
    statistics know nothing of is encoded as if there were none, with a remark;
    statistics of another model are an error.
  }];
}

def QuantizeGptq : EncodingPass<"lq-gptq", [
    Option<"statistics", "statistics", "std::string", /*default=*/"",
           "File of statistics of the model's inputs, with sums of x x^T (required)">,
    Option<"order", "order", "::lq::ColumnOrder", /*default=*/"::lq::ColumnOrder::Groups",
           "Order in which columns are rounded",
           [{::llvm::cl::values(
             clEnumValN(::lq::ColumnOrder::Given, "given", "as they lie"),
             clEnumValN(::lq::ColumnOrder::Groups, "groups",
                        "groups by how large their inputs are, and columns within groups"),
             clEnumValN(::lq::ColumnOrder::Columns, "columns",
                        "columns by how large their inputs are; numbers are found beforehand"),
             clEnumValN(::lq::ColumnOrder::Stored, "stored",
                        "the same, and they are stored and grouped in that order, "
                        "which the inputs are brought into"))}]>,
    Option<"staticScales", "static-scales", "bool", /*default=*/"false",
           "Find scales and offsets beforehand, not when a group's first column is rounded">,
    Option<"scales", "scales", "::lq::ScaleMethod", /*default=*/"::lq::ScaleMethod::Squares",
           "How scales and offsets are found",
           [{::llvm::cl::values(
             clEnumValN(::lq::ScaleMethod::Rule, "rule", "by the format's rule"),
             clEnumValN(::lq::ScaleMethod::Squares, "squares",
                        "with the least squared error, weighted by the inputs"),
             clEnumValN(::lq::ScaleMethod::Grid, "grid",
                        "by the rule, for the best of 80 parts of each group's range"))}]>,
    Option<"norm", "norm", "float", /*default=*/"2.4f",
           "For scales=grid: the power of an error that counts">,
    Option<"damping", "damping", "float", /*default=*/"0.05f",
           "Part of the mean of diag(H) that is added to the diagonal">,
    Option<"moreDamping", "more-damping", "float", /*default=*/"0.01f",
           "What damping is raised by as long as H is not positive definite">,
    Option<"minTokens", "min-tokens", "int64_t", /*default=*/"32",
           "Round weights to nearest whose inputs saw fewer tokens">,
  ]> {
  let summary = "encode weights by GPTQ, from statistics of their inputs";
  let description = [{
    What rounding a weight does to a product, other weights of the same row can make
    up for, since inputs of different columns go together. GPTQ (arXiv:2210.17323)
    rounds a matrix column by column, and corrects the columns still to come by the
    inverse of H = sum x x^T over the inputs that calibration saw. The codes are
    better ones for the same grid, so any format with codes can be the target:
    `int4_g128` as in GPTQ's checkpoints, k-quants with their searched scales, tables
    like `iq4_xs`.

    Columns are rounded in order of their importance. With `order=groups` (as with
    `columns`) the matrix is stored as ever; with `order=stored` columns are grouped by
    their importance as well, which costs an `lq.permute` of the inputs, as
    desc_act does in GPTQ's checkpoints.

    Columns whose inputs were always zero become zero. Weights without statistics, or
    with too few tokens, are rounded to nearest, with a remark. Where H is not positive
    definite, more is added to its diagonal, with a remark, and an error names the
    weight where that does not help.

    Assumes of weights, and guarantees, what lq-quantize-rtn does, and of the
    statistics that they are of this model, as it is before the pass. Takes the
    memory of one weight and about three times the sums of its input. The result does
    not depend on the number of threads.
  }];
  let statistics = [
    Statistic<"encodedWeights", "encoded", "Weights encoded">,
    Statistic<"fallbackWeights", "fallback", "Weights encoded as a fallback of the format">,
    Statistic<"elements", "elements", "Elements of the encoded weights">,
    Statistic<"storageBytes", "bytes", "Bytes of the encoded weights">,
    Statistic<"deadColumns", "dead-columns", "Columns of inputs that were always zero">,
  ];
}

def QuantizeExl2 : WeightPass<"lq-exl2"> {
  let summary = "encode weights as EXL2, with bits where they matter under a budget";
  let description = [{
    The columns of a matrix differ in how large their inputs are, and matrices in how
    much a bit less costs them. EXL2 stores columns in the order of diag(H), H = sum x
    x^T over the inputs that calibration saw, the first with more bits than the
    rest. For each matrix this pass measures the error of some thirty mixes of bits,
    rounding a sample of its rows as lq-gptq does, and chooses one for each so that
    the sum of relative errors of products is least and the weights take no more than
    `bits` a weight, with scales and orders of columns. The choice is the best of all
    selections, not one of many tried.

    Assumes of weights, and guarantees, what lq-quantize-rtn does, and of the
    statistics what lq-gptq does. Weights without statistics, with columns that 32 does
    not divide, and tables that embeddings look up, whose columns must lie as they are,
    stay as they are. A budget that no choice meets is an error that names the smallest
    that one does.
  }];
  let options = archiveOptions # moreOptions # [
    Option<"statistics", "statistics", "std::string", /*default=*/"",
           "File of statistics of the model's inputs, with sums of x x^T (required)">,
    Option<"bits", "bits", "double", /*default=*/"0",
           "Bits a weight may take on average, as stored (required)">,
    Option<"group", "group", "int64_t", /*default=*/"128",
           "Columns that share a scale: 32, 64, 96, 128, ...">,
    Option<"damping", "damping", "float", /*default=*/"0.05f",
           "Part of the mean of diag(H) that is added to the diagonal">,
    Option<"moreDamping", "more-damping", "float", /*default=*/"0.01f",
           "What damping is raised by as long as H is not positive definite">,
    Option<"minTokens", "min-tokens", "int64_t", /*default=*/"32",
           "Leave weights whose inputs saw fewer tokens">,
    Option<"sampleRows", "sample-rows", "int64_t", /*default=*/"128",
           "Rows of a matrix that errors are measured on">,
  ];
}

def CacheType : Pass<"lq-cache-type", "::mlir::ModuleOp"> {
  let summary = "choose the element type of the key/value caches";
  let description = [{
    Keys and values in f16 take half the memory and half the reads of f32, at an
    error far below that of quantized weights, so that they pay where weights are
    quantized; a model in f32 keeps f32, to give the same numbers as its source.
    Assumes nothing; changes the type of every `lq.cache`.
  }];
  let options = [
    Option<"type", "type", "std::string", /*default=*/"\"auto\"",
           "f16, f32, or auto: f16 where a linear's weight has codes">,
  ];
}

#endif // LQ_PASSES_QUANTIZE_PASSES_TD
