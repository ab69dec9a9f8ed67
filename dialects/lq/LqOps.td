//===- LqOps.td - the operations of the lq dialect -----------*- tablegen -*-===//

#ifndef LQ_OPS_TD
#define LQ_OPS_TD

include "dialects/lq/LqAttributes.td"
include "dialects/lq/LqDialect.td"
include "dialects/lq/formats/Codebook.td"
include "dialects/lq/formats/Exl2.td"
include "dialects/lq/formats/Float.td"
include "dialects/lq/formats/Gguf.td"
include "dialects/lq/formats/Uniform.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Lq_Op<string mnemonic, list<Trait> traits = []>
    : Op<Lq_Dialect, mnemonic, traits>;

//===----------------------------------------------------------------------===//
// What a model holds: weights, caches, dimensions
//===----------------------------------------------------------------------===//

def Lq_WeightOp : Lq_Op<"weight", [Symbol]> {
  let summary = "a weight: a name, a type, and where its bytes lie";
  let description = [{
    The bytes are the storage of the type: dense little-endian elements where
    the type has no encoding, else what its format's codec writes. `file` is
    relative to the folder that the model was read from.

    ```mlir
    lq.weight @blk.0.q : tensor<576x576xf32> from "model.onnx" at 4096
    lq.weight @blk.0.k : tensor<192x576xf32, #lq.gguf<q4_0>> from "model.weights" at 0
    lq.weight @blk.0.v : tensor<192x576xf32> from "model.onnx" at 1331200 transposed
    ```

    `transposed` says that the bytes in the file are those of the transpose: the
    matrix [N, K] of the type lies there as [K, N], as the second operand of an ONNX
    MatMul does. Only dense matrices can be transposed; quantizing and packing
    read through it.

    A tensor of any rank and of integer or complex elements may be a weight;
    elements narrower than a byte are packed, low bits first, but for i1, which
    takes a byte. Encodings are for matrices of floating-point elements.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<AnyRankedTensor>:$type,
                       StrAttr:$file, I64Attr:$offset, UnitAttr:$transposed);
  let assemblyFormat = [{
    $sym_name `:` $type `from` $file `at` custom<Offset>($offset)
    (`transposed` $transposed^)? attr-dict
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() {
      return ::mlir::cast<::mlir::RankedTensorType>(getType());
    }
    /// Size in bytes of the weight as it is stored.
    int64_t getStorageBytes();
  }];
}

def Lq_GetOp : Lq_Op<"get", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the value of a weight";
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
}

def Lq_CacheOp : Lq_Op<"cache", [Symbol]> {
  let summary = "keys or values of the positions seen so far, owned by the runtime";
  let description = [{
    One layer's keys or values: `heads` x `head_size` elements a position. The
    runtime owns the buffer, as many positions long as the session's context.

    ```mlir
    lq.cache @blk.0.k keys 3 x 64 : f16
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Lq_CacheRoleAttr:$role,
                       I64Attr:$heads, I64Attr:$head_size,
                       TypeAttrOf<AnyFloat>:$element_type);
  let assemblyFormat = [{
    $sym_name `` $role custom<HeadShape>($heads, $head_size) `:` $element_type attr-dict
  }];
  let hasVerifier = 1;
}

def Lq_DimensionOp : Lq_Op<"dimension", [Symbol]> {
  let summary = "a dimension known when the model is called, and its upper bound";
  let description = [{
    ```mlir
    lq.dimension @sequence max 512
    ```
    In a generative model three names have a meaning: `sequence` (tokens in this
    call), `past` (tokens already in the caches) and `logits` (how many trailing
    rows of logits the caller wants).
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$max);
  let assemblyFormat = "$sym_name `max` custom<Offset>($max) attr-dict";
  let hasVerifier = 1;
}

def Lq_ExtentOp : Lq_Op<"extent", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the value of a dimension in this call";
  let arguments = (ins FlatSymbolRefAttr:$dimension);
  let results = (outs Index:$result);
  let assemblyFormat = "$dimension attr-dict";
}

//===----------------------------------------------------------------------===//
// What a model computes
//===----------------------------------------------------------------------===//

def Lq_LinearOp : Lq_Op<"linear", [Pure]> {
  let summary = "y = x W^T + bias";
  let description = [{
    `x` is [..., K], `weight` [N, K], `bias` [N], the result [..., N]. The
    weight may have any encoding; `x` may be quantized by `lq.quantize_rows`,
    which a lowering asks for where the weight's format wants integer products.

    ```mlir
    %y = lq.linear %x, %w bias %b : (tensor<1x?x64xf32>, tensor<96x64xf32, #lq.gguf<q4_0>>, tensor<96xf32>) -> tensor<1x?x96xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$weight,
                       Optional<AnyRankedTensor>:$bias);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $x `,` $weight (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Lq_PermuteOp : Lq_Op<"permute", [Pure]> {
  let summary = "the last dimension in another order: result[..., j] = x[..., order[j]]";
  let description = [{
    Quantizers that take columns in the order of their importance (GPTQ's act-order,
    EXL2) store a matrix whose columns lie in that order; its input is brought into
    the same. `order` [K] of i32 holds each number below K once. Linears that read
    the same input in the same order share one such operation.

    Where the input is made by linears and operations on elements, `lq-sink-orders`
    moves the order to the rows of their weights. Elsewhere a lowering reads the input
    in this order when it quantizes activations.

    ```mlir
    %p = lq.permute %x by %order : (tensor<1x?x64xf32>, tensor<64xi32>) -> tensor<1x?x64xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$order);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$x `by` $order attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Lq_QuantizeRowsOp : Lq_Op<"quantize_rows", [Pure]> {
  let summary = "activations as int8 in groups along K, each with a scale";
  let description = [{
    Each group of `group` consecutive elements of a row [..., K] becomes int8
    codes, a scale max|x| / 127 and the sum of the codes. One such tensor serves
    every linear that reads the same activations.

    With `order`, elements are taken in this order, as by `lq.permute`.
  }];
  let arguments = (ins AnyRankedTensor:$x, Optional<AnyRankedTensor>:$order);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $x (`by` $order^)? attr-dict `:` type($x) (`,` type($order)^)? `->` type($result)
  }];
  let hasVerifier = 1;
}

def Lq_EmbeddingOp : Lq_Op<"embedding", [Pure]> {
  let summary = "rows of a table: result[..., :] = table[ids[...], :]";
  let description = [{
    `ids` is [...] of integers in [0, rows of the table), `table` [V, H] with any
    encoding, the result [..., H].
  }];
  let arguments = (ins AnyRankedTensor:$ids, AnyRankedTensor:$table);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$ids `,` $table attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Lq_RmsNormOp : Lq_Op<"rms_norm", [Pure]> {
  let summary = "x / sqrt(mean(x^2) + epsilon) * gamma over the last dimension";
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$gamma, F32Attr:$epsilon);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$x `,` $gamma attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Lq_LayerNormOp : Lq_Op<"layer_norm", [Pure]> {
  let summary = "(x - mean(x)) / sqrt(var(x) + epsilon) * gamma + beta over the last dimension";
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$gamma,
                       Optional<AnyRankedTensor>:$beta, F32Attr:$epsilon);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $x `,` $gamma (`,` $beta^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Lq_RopeOp : Lq_Op<"rope", [Pure]> {
  let summary = "rotary position embedding";
  let description = [{
    `x` is [B, S, H, D]; `cos` and `sin` are [P, R], one row a position, R the
    number of rotated pairs (2 R <= D; the rest of a head is passed through).
    Row s of the sequence is position `past` + s. Pair i of a head is elements
    (i, i + R), or (2 i, 2 i + 1) where `interleaved` is given:

        out[a] = x[a] cos - x[b] sin        out[b] = x[b] cos + x[a] sin

    RoFormer (Su et al. 2021), section 3.2.
  }];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$cos,
                       AnyRankedTensor:$sin, Index:$past, UnitAttr:$interleaved);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $x `,` $cos `,` $sin `at` $past attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Lq_AppendOp : Lq_Op<"append", [DeclareOpInterfaceMethods<SymbolUserOpInterface>,
                                   MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "store new positions in a cache; yields all positions so far";
  let description = [{
    Stores `x` [1, S, G, D] at positions `past` .. past + S - 1 of the cache. The
    result [1, T, G, D], T = past + S, stands for the cache's content; only
    `lq.attention` reads it, in place.

    ```mlir
    %keys = lq.append %k to @blk.0.k at %past : tensor<1x?x3x64xf32> -> tensor<1x?x3x64xf32, #lq.cached>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$x, FlatSymbolRefAttr:$cache, Index:$past);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$x `to` $cache `at` $past attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def Lq_AttentionOp : Lq_Op<"attention", [AttrSizedOperandSegments,
    MemoryEffects<[MemRead]>]> {
  let summary = "softmax(scale q k^T + mask) v, each group of query heads on its key head";
  let description = [{
    `q` is [B, S, H, D], `k` [B, T, G, D], `v` [B, T, G, E]; G divides H and query
    head h reads key head h / (H / G). The result is [B, S, H, E]. With `past`
    the attention is causal: row s sees positions 0 .. past + s, and with
    `window` the last `window` of these. `mask` broadcasts to [B, H, S, T] and
    is added to the scaled scores.

    Keys and values are either tensors or the results of `lq.append`.
  }];
  let arguments = (ins AnyRankedTensor:$q, AnyRankedTensor:$k, AnyRankedTensor:$v,
                       Optional<AnyRankedTensor>:$mask, Optional<Index>:$past,
                       F32Attr:$scale, OptionalAttr<I64Attr>:$window);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $q `,` $k `,` $v (`mask` $mask^)? (`causal` `from` $past^)? attr-dict
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Lq_ActivationOp : Lq_Op<"activation", [Pure, SameOperandsAndResultType]> {
  let summary = "an activation function, element by element";
  let arguments = (ins Lq_ActivationKindAttr:$kind, AnyRankedTensor:$x);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "`` $kind $x attr-dict `:` type($x)";
  let hasVerifier = 1;
}

def Lq_GluOp : Lq_Op<"glu", [Pure, SameOperandsAndResultType]> {
  let summary = "gated linear unit: f(gate) * up";
  let description = [{
    The middle of a gated MLP (Shazeer 2020, "GLU Variants Improve Transformer"):
    SwiGLU with `silu`, GeGLU with `gelu`.
  }];
  let arguments = (ins Lq_ActivationKindAttr:$kind, AnyRankedTensor:$gate,
                       AnyRankedTensor:$up);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "`` $kind $gate `,` $up attr-dict `:` type($gate)";
  let hasVerifier = 1;
}

#endif // LQ_OPS_TD
