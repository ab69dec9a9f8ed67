//===- LqAttributes.td - attributes of the lq dialect --------*- tablegen -*-===//
//
// The attribute of each weight format is declared in its family's file under
// formats/; here are the ones that are not formats of weights.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_ATTRIBUTES_TD
#define LQ_ATTRIBUTES_TD

include "dialects/lq/LqDialect.td"
include "dialects/lq/LqInterfaces.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/TensorEncoding.td"

class Lq_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<Lq_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

/// An attribute that stands as the encoding of a tensor type, and checks its
/// shape and element type.
class Lq_EncodingAttr<string name, string attrMnemonic, list<Trait> traits = []>
    : Lq_Attr<name, attrMnemonic,
              traits # [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]>;

/// The base of the families of weight formats in formats/.
class Lq_FormatAttr<string name, string attrMnemonic>
    : Lq_EncodingAttr<name, attrMnemonic,
                      [DeclareAttrInterfaceMethods<Lq_FormatAttrInterface>]> {
  let hasCustomAssemblyFormat = 1;
}

def Lq_CacheRole : I32EnumAttr<"CacheRole", "what a cache holds", [
    I32EnumAttrCase<"Keys", 0, "keys">,
    I32EnumAttrCase<"Values", 1, "values">]> {
  let cppNamespace = "::lq";
  let genSpecializedAttr = 0;
}
def Lq_CacheRoleAttr : EnumAttr<Lq_Dialect, Lq_CacheRole, "role"> {
  let assemblyFormat = "$value";
}

def Lq_ActivationKind : I32EnumAttr<"ActivationKind", "an activation function", [
    I32EnumAttrCase<"Silu", 0, "silu">,
    I32EnumAttrCase<"Gelu", 1, "gelu">,
    I32EnumAttrCase<"GeluTanh", 2, "gelu_tanh">,
    I32EnumAttrCase<"QuickGelu", 3, "quick_gelu">,
    I32EnumAttrCase<"Relu", 4, "relu">,
    I32EnumAttrCase<"Relu2", 5, "relu2">,
    I32EnumAttrCase<"Tanh", 6, "tanh">,
    I32EnumAttrCase<"Sigmoid", 7, "sigmoid">]> {
  let cppNamespace = "::lq";
  let genSpecializedAttr = 0;
}
def Lq_ActivationKindAttr : EnumAttr<Lq_Dialect, Lq_ActivationKind, "activation"> {
  let assemblyFormat = "$value";
}

def Lq_CachedAttr : Lq_EncodingAttr<"Cached", "cached"> {
  let summary = "encoding of a tensor that stands for a cache's content";
  let description = [{
    The tensor [1, positions, heads, head_size] has no bytes of its own: it stands
    for what an `lq.cache` holds after an `lq.append`.
  }];
}

def Lq_TiledAttr : Lq_EncodingAttr<"Tiled", "tiled"> {
  let summary = "encoding of a weight whose codes and scales lie in tiles";
  let description = [{
    The weights are those of `format`, in the layout that CPU kernels read in order
    (dialects/lq/Tile.h).

    ```mlir
    tensor<4096x4096xf32, #lq.tiled<#lq.gguf<q4_0>>>
    ```
  }];
  let parameters = (ins "::lq::FormatAttrInterface":$format);
  let assemblyFormat = "`<` custom<Format>($format) `>`";
}

def Lq_Int8RowsAttr : Lq_EncodingAttr<"Int8Rows", "int8_rows"> {
  let summary = "encoding of activations quantized by lq.quantize_rows";
  let description = [{
    Three buffers: codes int8 [rows, K], scales f32 [rows, K / group], sums of the
    codes of each half of a group int32 [rows, 2 K / group], for weights whose
    groups are smaller than those of the activations.
  }];
  let parameters = (ins "int64_t":$group);
  let assemblyFormat = "`<` `group` `=` $group `>`";
  let genVerifyDecl = 1;
}

#endif // LQ_ATTRIBUTES_TD
