//===- Passes.td - quantization passes -----------------------*- tablegen -*-===//

#ifndef LQ_PASSES_QUANTIZE_PASSES_TD
#define LQ_PASSES_QUANTIZE_PASSES_TD

include "mlir/Pass/PassBase.td"

/// A pass that encodes weights (WeightEncoder.h).
class EncodingPass<string name, list<Option> more = []> : Pass<name, "::mlir::ModuleOp"> {
  let options = [
    Option<"format", "format", "std::string", /*default=*/"",
           "Name of the format to encode weights as, or of a mix of formats, or the file of a recipe, *.yaml (required)">,
    Option<"archive", "archive", "std::string", /*default=*/"",
           "File that the encoded weights are appended to">,
    ListOption<"include", "include", "std::string",
               "Encode only weights whose name matches one of these regular expressions">,
    ListOption<"exclude", "exclude", "std::string",
               "Leave weights whose name matches one of these regular expressions">,
    Option<"embeddings", "embeddings", "bool", /*default=*/"true",
           "Encode tables of lq.embedding too">,
    Option<"requantize", "requantize", "bool", /*default=*/"false",
           "Encode weights again that are encoded already">,
    Option<"progress", "progress", "bool", /*default=*/"false",
           "Report progress to stderr">,
  ] # more;
  let statistics = [
    Statistic<"encodedWeights", "encoded", "Weights encoded">,
    Statistic<"fallbackWeights", "fallback", "Weights encoded as a fallback of the format">,
    Statistic<"elements", "elements", "Elements of the encoded weights">,
    Statistic<"storageBytes", "bytes", "Bytes of the encoded weights">,
  ];
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
