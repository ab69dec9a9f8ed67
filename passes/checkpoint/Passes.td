//===- Passes.td - checkpoints of other software -------------*- tablegen -*-===//

#ifndef LQ_PASSES_CHECKPOINT_PASSES_TD
#define LQ_PASSES_CHECKPOINT_PASSES_TD

include "mlir/Pass/PassBase.td"

def ImportWeights : Pass<"lq-import-weights", "::mlir::ModuleOp"> {
  let summary = "take the weights of a model from a checkpoint of other software";
  let description = [{
    Most quantized models are published as checkpoints of other software, not as
    ONNX. An ONNX file gives the graph of a model; this pass puts the weights of
    a checkpoint of the same model in the place of the ONNX file's: a folder of
    safetensors files, dense or quantized by GPTQ, AWQ or compressed-tensors
    (pack-quantized), or a GGUF file. The codes, scales and zero points are those
    of the checkpoint; nothing is rounded.

    A weight is looked up by what the option `map` gives for its name, its
    name, and the name that Hugging Face's libraries would give a weight of its
    place in the model. Weights are addressed where they lie if their bytes are
    those of the format, else written to the archive.

    Assumes a raised module. Guarantees that every linear, norm and embedding
    reads a weight of the checkpoint and that every weight of the checkpoint is
    read, unless `partial` is given; the module is unchanged after an error.
  }];
  let options = [
    Option<"from", "from", "std::string", /*default=*/"",
           "Folder of safetensors files, or a .gguf file (required)">,
    Option<"archive", "archive", "std::string", /*default=*/"",
           "File that converted weights are appended to">,
    Option<"map", "map", "std::string", /*default=*/"",
           "JSON file of pairs [\"regular expression over weight names\", \"name in the checkpoint\"]">,
    Option<"partial", "partial", "bool", /*default=*/"false",
           "Accept weights that only the model or only the checkpoint has">,
  ];
}

def ExportGguf : Pass<"lq-export-gguf", "::mlir::ModuleOp"> {
  let summary = "write the model as a GGUF file that llama.cpp runs";
  let description = [{
    A model quantized here can be run by other software too. Writes the weights
    of a raised module in the formats that they have, which must be GGUF's, with
    the metadata and the tokenizer of the model's folder. Rows of queries and keys
    are put into the order that ggml's rotary embeddings want.

    Assumes a module before packing, of an architecture that llama.cpp knows
    (llama, mistral, qwen2, qwen3, gemma3), with a tokenizer that it knows. Leaves
    the module as it is; after an error there is no file.
  }];
  let options = [
    Option<"to", "to", "std::string", /*default=*/"", "The file to write (required)">,
    Option<"model", "model", "std::string", /*default=*/"",
           "Folder with config.json and tokenizer.json (required)">,
  ];
}

def ExportCheckpoint : Pass<"lq-export-checkpoint", "::mlir::ModuleOp"> {
  let summary = "write the model as a checkpoint of GPTQ, AWQ or compressed-tensors";
  let description = [{
    Writes the weights of a raised module as a folder that Hugging Face's libraries
    load: model.safetensors, config.json with the quantization's configuration, the
    tokenizer's files. Matrices with integer codes keep their codes, scales and zero
    points; all others must be dense. GPTQ's files are of version 1 where no weight
    has zero points, else of version 2.

    Assumes a module before packing whose matrices all have the same bits and group.
    Leaves the module as it is.
  }];
  let options = [
    Option<"to", "to", "std::string", /*default=*/"", "The folder to write (required)">,
    Option<"library", "library", "std::string", /*default=*/"\"gptq\"",
           "gptq, awq or compressed-tensors">,
    Option<"model", "model", "std::string", /*default=*/"",
           "Folder with config.json and the tokenizer (required)">,
  ];
}

def ExportOnnx : Pass<"lq-export-onnx", "::mlir::ModuleOp"> {
  let summary = "write the model as ONNX with MatMulNBits, which ONNX Runtime runs";
  let description = [{
    Writes the ONNX model that the module was made from, node for node, with the
    module's weights. A product (MatMul, Gemm) by a matrix of integer codes becomes
    com.microsoft.MatMulNBits with the same codes, scales and zero points; what it
    no longer reads is left out. Other weights stay as they are, or are replaced by
    the module's numbers where these differ: those of a checkpoint, and tables of
    embeddings with codes, which a remark lists.

    The model is imported and raised again, and its operations are compared with
    the module's: so each weight is put where it came from, whatever its name.
    Assumes a module that was raised from this model and of which nothing but
    weights was changed since, before packing. Leaves the module as it is; after
    an error there is no folder.
  }];
  let options = [
    Option<"to", "to", "std::string", /*default=*/"",
           "The folder to write, which must be empty or not there (required)">,
    Option<"model", "model", "std::string", /*default=*/"",
           "Folder of the ONNX model, or its .onnx file (required)">,
    Option<"dense", "dense", "bool", /*default=*/"false",
           "Write matrices that MatMulNBits cannot hold as numbers">,
    Option<"accuracyLevel", "accuracy-level", "int64_t", /*default=*/"0",
           "MatMulNBits's accuracy_level: 4 lets ONNX Runtime round activations to int8, 0 is its default">,
  ];
}

#endif // LQ_PASSES_CHECKPOINT_PASSES_TD
