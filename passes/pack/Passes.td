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

#endif // LQ_PASSES_PACK_PASSES_TD
