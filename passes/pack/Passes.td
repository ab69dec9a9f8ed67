//===- Passes.td - packing passes ----------------------------*- tablegen -*-===//

#ifndef LQ_PASSES_PACK_PASSES_TD
#define LQ_PASSES_PACK_PASSES_TD

include "mlir/Pass/PassBase.td"

def Pack : Pass<"lq-pack", "::mlir::ModuleOp"> {
  let summary = "lay every weight out as the kernels read it, in one archive";
  let description = [{
    Kernels read a weight from its first byte to its last, 16 rows interleaved, so
    that an artifact is mapped and used as it lies. The layout costs a pass over
    the weights once, here, instead of at each load.

    Each weight of `lq.linear` or `lq.embedding` becomes `#lq.tiled` of its format;
    dense ones count as formats without codes. What other ops read stays dense:
    as f32 where only norms, rotary tables and biases read it, else in its own
    element type. Weights that nothing reads are dropped; one that is read in both
    ways becomes two.

    Assumes that a weight with an encoding is read by `lq.linear` and `lq.embedding`
    alone. Guarantees that the bytes of every `lq.weight` lie in the archive, which
    takes the place of a file of that name, at multiples of 64 bytes, in the order
    of the weights. A second run changes nothing.
  }];
  let options = [
    Option<"archive", "archive", "std::string", /*default=*/"",
           "File that the weights are written to (required)">,
    Option<"progress", "progress", "bool", /*default=*/"false",
           "Report progress to stderr">,
  ];
  let statistics = [
    Statistic<"tiledWeights", "tiled", "Weights laid out in tiles">,
    Statistic<"denseWeights", "dense", "Weights that stay dense">,
    Statistic<"droppedWeights", "dropped", "Weights that nothing reads">,
    Statistic<"archiveBytes", "bytes", "Bytes of the archive">,
  ];
}

def SinkOrders : Pass<"lq-sink-orders", "::mlir::ModuleOp"> {
  let summary = "move the order of a linear's input into the rows of the weights before it";
  let description = [{
    A matrix whose columns lie in an order of their own needs its input in that order
    (`lq.permute`). Where linears and operations on elements make the input, as gate
    and up do for down, rows of their weights and elements of their biases can lie in
    that order from the start, so that it costs nothing when the model runs.

    Assumes a module before packing. Guarantees the same results; a permutation stays
    where something else makes or reads its input, or another linear reads one of the
    weights, and is then done when activations are quantized.
  }];
  let options = [
    Option<"archive", "archive", "std::string", /*default=*/"",
           "File that reordered weights are appended to">,
  ];
  let statistics = [
    Statistic<"sunkOrders", "sunk", "Permutations that became orders of rows">,
    Statistic<"keptOrders", "kept", "Permutations that stay">,
  ];
}

#endif // LQ_PASSES_PACK_PASSES_TD
