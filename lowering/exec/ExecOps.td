//===- ExecOps.td - the operations of the exec dialect -------*- tablegen -*-===//

#ifndef EXEC_OPS_TD
#define EXEC_OPS_TD

include "lowering/exec/ExecDialect.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Exec_Op<string mnemonic, list<Trait> traits = []>
    : Op<Exec_Dialect, mnemonic, traits>;

def Exec_ArgumentOp : Exec_Op<"argument", [Pure]> {
  let summary = "the buffer of an input or output of the entry point";
  let description = [{
    Inputs come first, then outputs, in manifest order. `sizes` are the values
    of the type's dynamic dimensions.
  }];
  let arguments = (ins I64Attr:$index, Variadic<Index>:$sizes);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = "custom<Number>($index) (`sizes` `(` $sizes^ `)`)? attr-dict `:` type($result)";
}

def Exec_WeightOp : Exec_Op<"weight", [Pure]> {
  let summary = "the bytes or elements of a weight, mapped from the artifact";
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs AnyStaticShapeMemRef:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
}

def Exec_StateOp : Exec_Op<"state", [Pure]> {
  let summary = "the buffer of a cache, as long as the session's context";
  let arguments = (ins FlatSymbolRefAttr:$cache);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = "$cache attr-dict `:` type($result)";
}

def Exec_ArenaOp : Exec_Op<"arena", [Pure]> {
  let summary = "a buffer at a planned place of the session's arena";
  let description = [{
    `bytes` is an upper bound of the buffer's size; `sizes` are the values of the
    type's dynamic dimensions.
  }];
  let arguments = (ins I64Attr:$offset, I64Attr:$bytes, Variadic<Index>:$sizes);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = [{
    `at` custom<Number>($offset) `bytes` custom<Number>($bytes)
    (`sizes` `(` $sizes^ `)`)? attr-dict `:` type($result)
  }];
}

def Exec_LaunchOp : Exec_Op<"launch", [
    AttrSizedOperandSegments, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "run a kernel on all threads of the team";
  let description = [{
    `ins` are read (tensors, memrefs or indices), `updates` (memrefs) are read and
    written in place, `outs` are overwritten as a whole. The kernel takes them
    in this order, then its scratch memory, the thread and the number of threads.

    ```mlir
    %y = exec.launch @linear ins(%x, %w : tensor<1x64xf32>, memref<4096xi8>) outs(%e : tensor<1x64xf32>) -> tensor<1x64xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<AnyType>:$inputs,
                       Variadic<AnyMemRef>:$updates, Variadic<AnyShaped>:$outputs,
                       DefaultValuedAttr<I64Attr, "0">:$scratch_bytes);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $kernel (`ins` `(` $inputs^ `:` type($inputs) `)`)?
    (`updates` `(` $updates^ `:` type($updates) `)`)?
    (`outs` `(` $outputs^ `:` type($outputs) `)`)?
    attr-dict (`->` type($results)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutputsMutable(); }
  }];
  let hasVerifier = 1;
}

def Exec_BarrierOp : Exec_Op<"barrier", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "wait until every thread of the team has arrived";
  let assemblyFormat = "attr-dict";
}

#endif // EXEC_OPS_TD
