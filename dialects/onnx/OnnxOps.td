//===- OnnxOps.td - Operations of the onnx dialect ---------*- tablegen -*-===//

#ifndef LQ_DIALECTS_ONNX_ONNXOPS
#define LQ_DIALECTS_ONNX_ONNXOPS

include "dialects/onnx/OnnxAttributes.td"
include "dialects/onnx/OnnxTypes.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Onnx_Op<string mnemonic, list<Trait> traits = []>
    : Op<Onnx_Dialect, mnemonic, traits>;

def Onnx_InitializerOp : Onnx_Op<"initializer", [Symbol]> {
  let summary = "a constant tensor: a name, a type and where its bytes lie";
  let description = [{
    The bytes are little-endian elements in row-major order, as ONNX's raw_data
    has them: 4-bit elements two a byte and 2-bit elements four a byte, the first
    one in the low bits; one byte for a boolean. `file` is relative to the model
    folder; it is the .onnx file itself where the bytes are inside the
    protobuf, an external data file, or an archive that the importer wrote
    where ONNX stores elements in another form.

    A tensor of at most 1 KiB has its value inline too, so that shapes and
    axes can be read without opening a file. String tensors are always inline
    and have no address.

    A large tensor in an attribute of a node (that of a Constant, say) is an
    initializer as well; the attribute then holds its symbol. Initializers of
    subgraphs lie in the module like all others. Where two have one name,
    the later one gets a suffix.

    ```mlir
    onnx.initializer @"model.embed.weight" : tensor<49152x576xf32> from "model.onnx_data" at 0
    onnx.initializer @axes : tensor<2xi64> from "model.onnx" at 9042 = dense<[0, 1]>
    onnx.initializer @words : tensor<2x!onnx.string> = dense<["a", "b"]>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       TypeAttrOf<AnyStaticShapeTensor>:$type,
                       OptionalAttr<StrAttr>:$file,
                       OptionalAttr<I64Attr>:$offset,
                       OptionalAttr<AnyAttr>:$value);
  let assemblyFormat = [{
    $sym_name `:` custom<TypedInitializer>($type, $file, $offset, $value) attr-dict
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() {
      return ::mlir::cast<::mlir::RankedTensorType>(getType());
    }
    /// The inline value, or null.
    ::mlir::ElementsAttr getElements() {
      return ::mlir::dyn_cast_or_null<::mlir::ElementsAttr>(getValueAttr());
    }
    /// Bytes that the tensor occupies in its file.
    int64_t getStorageBytes();
  }];
}

def Onnx_GetOp : Onnx_Op<"get",
    [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>,
     DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "the value of an initializer";
  let description = [{
    ```mlir
    %w = onnx.get @w : tensor<64x64xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$initializer);
  let results = (outs AnyType:$result);
  let assemblyFormat = "$initializer attr-dict `:` type($result)";
}

def Onnx_NoneOp : Onnx_Op<"none",
    [Pure, DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "an optional input that is left out";
  let description = [{
    Stands where a node names no value for an input that is followed by others.

    ```mlir
    %none = onnx.none : none
    %y = onnx.node "Clip"(%x, %none, %max) : (tensor<4xf32>, none, tensor<f32>) -> tensor<4xf32>
    ```
  }];
  let results = (outs NoneType:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def Onnx_NodeOp : Onnx_Op<"node",
    [DeclareOpInterfaceMethods<SymbolUserOpInterface>,
     DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
     DeclareOpInterfaceMethods<OpAsmOpInterface,
                               ["getAsmResultNames",
                                "getAsmBlockArgumentNames"]>]> {
  let summary = "a node of an ONNX graph, whatever its operator";
  let description = [{
    After the operator's name come the operands, then, each only where it is not
    empty: the attributes, `domain`, `overload`, the node's own `name`, the
    names of the results, and one region a subgraph. A result that the node leaves
    out has the type `none` and an empty name.

    ```mlir
    %a, %b = onnx.node "Split"(%x, %sizes) {axis = 0 : si64} name "/Split_3" -> ["a", "b"]
        : (tensor<8x4xf32>, tensor<2xi64>) -> (tensor<3x4xf32>, tensor<5x4xf32>)
    %y = onnx.node "FusedMatMul"(%x, %w) {alpha = 2.000000e+00 : f32} domain "com.microsoft" -> ["y"]
        : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
    %z = onnx.node "If"(%c) -> ["z"] : (tensor<i1>) -> tensor<4xf32>
        graph <"then_branch", -1, "g", [] -> ["t"]> {
      onnx.return %x : tensor<4xf32>
    } graph <"else_branch", -1, "h", [] -> ["e"]> {
      onnx.return %w : tensor<4xf32>
    }
    ```

    | ONNX attribute | here |
    |---|---|
    | INT, FLOAT, STRING | `1 : si64`, `1.0 : f32`, `"text"` (any bytes) |
    | INTS, FLOATS, STRINGS | `array<i64: 1, 2>`, `array<f32: 1.0>`, `["a", "b"]` |
    | TENSOR, TENSORS | `dense<...>`, or the symbol of an initializer if larger than 1 KiB |
    | SPARSE_TENSOR, SPARSE_TENSORS | `#onnx.sparse_tensor<...>` |
    | TYPE_PROTO, TYPE_PROTOS | a type |
    | GRAPH, GRAPHS | regions, described by `graphs` |
    | a reference to the function's attribute | `#onnx.ref<"name">` |

    Nodes have no side effects, apart from those that draw random numbers.
  }];
  let arguments = (ins Variadic<AnyType>:$inputs,
                       StrAttr:$op_type,
                       DefaultValuedOptionalAttr<StrAttr, "\"\"">:$domain,
                       DefaultValuedOptionalAttr<StrAttr, "\"\"">:$overload,
                       DefaultValuedOptionalAttr<StrAttr, "\"\"">:$node_name,
                       OptionalAttr<DictionaryAttr>:$node_attributes,
                       OptionalAttr<StrArrayAttr>:$output_names,
                       OptionalAttr<TypedArrayAttrBase<Onnx_GraphAttr,
                           "array of subgraph descriptions">>:$graphs);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region VariadicRegion<SizedRegion<1>>:$bodies);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The attribute `name` as it was given, or null.
    ::mlir::Attribute getNodeAttr(::llvm::StringRef name) {
      auto all = getNodeAttributesAttr();
      return all ? all.get(name) : ::mlir::Attribute();
    }
    template <typename T> T getNodeAttr(::llvm::StringRef name) {
      return ::mlir::dyn_cast_or_null<T>(getNodeAttr(name));
    }
    /// An INT attribute, or `otherwise` where there is none.
    int64_t getInt(::llvm::StringRef name, int64_t otherwise);
    /// A FLOAT attribute, or `otherwise` where there is none.
    float getFloat(::llvm::StringRef name, float otherwise);
    /// A STRING attribute, or `otherwise` where there is none.
    ::llvm::StringRef getString(::llvm::StringRef name, ::llvm::StringRef otherwise);
    /// An INTS attribute, or nothing.
    std::optional<::llvm::ArrayRef<int64_t>> getInts(::llvm::StringRef name);
    /// Whether the operator is `op` of ai.onnx.
    bool is(::llvm::StringRef op) {
      return getOpType() == op &&
             (getDomain().empty() || getDomain() == "ai.onnx");
    }
    /// Whether the operator is `op` of `domain`.
    bool is(::llvm::StringRef domain, ::llvm::StringRef op) {
      return getOpType() == op && getDomain() == domain;
    }
    /// Input `index`, or null where the node leaves it out.
    ::mlir::Value getInputOrNull(unsigned index);
    /// The region of the GRAPH attribute `name`, or null.
    ::mlir::Region *getGraph(::llvm::StringRef name);
    /// How diagnostics name this node: its operator and name.
    std::string describe();
  }];
}

def Onnx_FunctionOp : Onnx_Op<"function", [Symbol, IsolatedFromAbove]> {
  let summary = "a function that the model brings along for an operator";
  let description = [{
    The body of the operator `function_name` of `domain`. Types of values in it are
    unknown, since they depend on the caller. `required_attributes` must be given by
    a node that calls it, `defaults` may be. The pass
    `onnx-inline-functions` puts bodies in the place of their calls.

    ```mlir
    onnx.function @"pkg::Gelu" operator "pkg" : "Gelu" attributes ["approximate"]
        opsets {ai.onnx = 18 : i64} inputs ["x"] outputs ["y"] {
    ^bb0(%x: !onnx.unknown):
      %y = onnx.node "Gelu"(%x) {approximate = #onnx.ref<"approximate">} -> ["y"] : (!onnx.unknown) -> !onnx.unknown
      onnx.return %y : !onnx.unknown
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       StrAttr:$domain,
                       StrAttr:$function_name,
                       DefaultValuedOptionalAttr<StrAttr, "\"\"">:$overload,
                       OptionalAttr<StrArrayAttr>:$required_attributes,
                       OptionalAttr<DictionaryAttr>:$defaults,
                       OptionalAttr<DictionaryAttr>:$opset_imports,
                       StrArrayAttr:$input_names,
                       StrArrayAttr:$output_names);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name `operator` $domain `:` $function_name (`overload` $overload^)?
    (`attributes` $required_attributes^)? (`defaults` $defaults^)?
    (`opsets` $opset_imports^)? `inputs` $input_names `outputs` $output_names
    attr-dict-with-keyword $body
  }];
  let hasVerifier = 1;
}

def Onnx_ReturnOp : Onnx_Op<"return",
    [Pure, Terminator, ParentOneOf<["NodeOp", "FunctionOp"]>]> {
  let summary = "the results of a subgraph or function";
  let arguments = (ins Variadic<AnyType>:$operands);
  let assemblyFormat = "($operands^ `:` type($operands))? attr-dict";
}

#endif // LQ_DIALECTS_ONNX_ONNXOPS
