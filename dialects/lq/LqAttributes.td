//===- LqAttributes.td - attributes of the lq dialect --------*- tablegen -*-===//
//
// The attribute of each weight format is declared in its family's file under
// formats/; here are the ones that are not formats of weights.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_ATTRIBUTES_TD
#define LQ_ATTRIBUTES_TD

include "dialects/lq/LqDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

class Lq_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<Lq_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
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

def Lq_CachedAttr : Lq_Attr<"Cached", "cached"> {
  let summary = "encoding of a tensor that stands for a cache's content";
}

def Lq_Int8RowsAttr : Lq_Attr<"Int8Rows", "int8_rows"> {
  let summary = "encoding of activations quantized by lq.quantize_rows";
  let description = [{
    Three buffers: codes int8 [rows, K], scales f32 [rows, K / group], sums of the
    codes of each group int32 [rows, K / group].
  }];
  let parameters = (ins "int64_t":$group);
  let assemblyFormat = "`<` `group` `=` $group `>`";
}

#endif // LQ_ATTRIBUTES_TD
