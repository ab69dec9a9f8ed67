//===- Passes.td - From onnx to lq ---------------------------*- tablegen -*-===//

#ifndef LQ_PASSES_RAISE_PASSES
#define LQ_PASSES_RAISE_PASSES

include "mlir/Pass/PassBase.td"

def LqRaisePass : Pass<"lq-raise", "::mlir::ModuleOp"> {
  let summary = "turn an ONNX graph into a model of the lq dialect";
  let description = [{
    Exporters write a language model as thousands of small nodes, each in its
    own way. This pass finds the parts that a model designer would name (linear,
    embedding, norms, rotary embeddings, attention with its cache, activations,
    gated units) and makes one lq operation of each; all other nodes become
    tensor, linalg and arith operations.

    A graph with token ids, logits and past keys and values, or whose attention
    is causal, becomes a generative model: batch 1, `@main` takes `input_ids`
    and gives `logits`; the caches are `lq.cache`s that the runtime owns;
    positions, masks of ones, past and present tensors are gone; and of the
    dimensions `sequence`, `past` and `logits` the last says how many trailing
    rows of logits are computed. Any other graph keeps its inputs and outputs.

    Arguments and results of `@main` carry `lq.name` and `lq.shape` (integers,
    and affine texts over dimensions); the module carries `lq.model` (kind and,
    in a generative model, context and vocabulary). Weights are addressed where
    they lie; those that the graph computes, and the tables of rotary
    embeddings, go to an archive. Nodes that cannot be raised or lowered are
    listed in one error.
  }];
  let options = [
    Option<"kind", "kind", "std::string", "\"auto\"",
           "what to make of the graph: generative, tensors, or auto">,
    Option<"context", "context", "int64_t", "2048",
           "positions that a generative model can hold; learned positions may allow fewer">,
    Option<"maxSequence", "max-sequence", "int64_t", "512",
           "tokens of one call at most; bounds every other dimension of a model that is not generative">,
    Option<"maxBatch", "max-batch", "int64_t", "1",
           "bounds the dimensions with 'batch' in their name">,
    Option<"cacheType", "cache-type", "std::string", "\"f32\"",
           "element type of the caches: f32 or f16">,
    Option<"archive", "archive", "std::string", "\"model.weights\"",
           "file for new weights">];
  let dependentDialects = [
    "::lq::LqDialect", "::mlir::affine::AffineDialect",
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
}

#endif // LQ_PASSES_RAISE_PASSES
