//===- Passes.td - rotation passes ---------------------------*- tablegen -*-===//

#ifndef LQ_PASSES_ROTATE_PASSES_TD
#define LQ_PASSES_ROTATE_PASSES_TD

include "mlir/Pass/PassBase.td"

def Rotate : Pass<"lq-rotate", "::mlir::ModuleOp"> {
  let summary = "rotate activations, and the weights around them, to spread outliers";
  let description = [{
    A few columns of a weight, and a few elements of the activations that they meet,
    are much larger than the rest, and a group of weights shares one scale: the large
    one takes the levels from the others. An orthogonal matrix Q mixes the elements
    of a vector, so that none stands out, and changes no result where what writes the
    vector applies Q and what reads it applies the transpose. Both are folded into
    weights, so that the model runs as before (QuaRot, Ashkboos et al. 2024; SpinQuant,
    Liu et al. 2024).

    Rotated are, for whatever graph there is, all values that linears and embeddings
    write, that only linears read, and that pass nothing between but additions,
    products with a scalar, RMS norms, reshapes, slices of rows, and attention as
    its values: the residual stream by one matrix, and the values of each attention
    by a matrix of one head's size that all its heads share. The gamma of a norm between
    moves into the linears behind it first. Weights that are read in two ways, such as
    an embedding that is the output's matrix too, become two.

    Q is H S, with S random signs and H a Hadamard matrix divided by its norm; where
    the size is 2^a m with an odd m above 1, H is the Kronecker product of the Hadamard
    matrix of size 2^a and the discrete Hartley transform of size m, whose elements
    are at most sqrt(2) times as large as those of a Hadamard matrix would be.

    Assumes weights that are not quantized. Guarantees the same results but for
    rounding to f32; the new weights are f32, in the archive. Where a stream cannot be
    rotated, because a layer norm subtracts a mean or something works on single elements,
    a remark says so, and it is an error if nothing is rotated. IR and archive are
    unchanged after an error. Memory: the largest matrix that is rotated by its rows, once
    in f32.
  }];
  let options = [
    Option<"archive", "archive", "std::string", /*default=*/"",
           "File that the rotated weights are appended to">,
    Option<"seed", "seed", "uint64_t", /*default=*/"0",
           "Of the random signs; the same seed gives the same weights">,
    Option<"residual", "residual", "bool", /*default=*/"true",
           "Rotate residual streams">,
    Option<"heads", "heads", "bool", /*default=*/"true",
           "Rotate the values of attentions, head by head">,
    Option<"progress", "progress", "bool", /*default=*/"false",
           "Report progress to stderr">,
  ];
  let statistics = [
    Statistic<"rotatedSpaces", "rotated", "Streams that are rotated">,
    Statistic<"keptSpaces", "kept", "Streams that cannot be rotated">,
    Statistic<"rotatedWeights", "weights", "Weights written anew">,
  ];
}

#endif // LQ_PASSES_ROTATE_PASSES_TD
