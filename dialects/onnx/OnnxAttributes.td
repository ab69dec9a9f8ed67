//===- OnnxAttributes.td - Attributes of the onnx dialect -*- tablegen -*-===//

#ifndef LQ_DIALECTS_ONNX_ONNXATTRIBUTES
#define LQ_DIALECTS_ONNX_ONNXATTRIBUTES

include "dialects/onnx/OnnxDialect.td"
include "mlir/IR/AttrTypeBase.td"

class Onnx_Attr<string name, string attrMnemonic>
    : AttrDef<Onnx_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def Onnx_GraphAttr : Onnx_Attr<"Graph", "graph"> {
  let summary = "what a subgraph is called, beside its region";
  let description = [{
    `attribute` is the node attribute that held the graph. Where that attribute
    holds a list of graphs, `index` is the place in the list, otherwise -1.
  }];
  let parameters = (ins "::mlir::StringAttr":$attribute, "int64_t":$index,
                        "::mlir::StringAttr":$graph_name,
                        "::mlir::ArrayAttr":$inputs,
                        "::mlir::ArrayAttr":$outputs);
  let assemblyFormat = [{
    `<` $attribute `,` $index `,` $graph_name `,` $inputs `->` $outputs `>`
  }];
}

def Onnx_RefAttr : Onnx_Attr<"Ref", "ref"> {
  let summary = "the value of an attribute of the enclosing function's caller";
  let description = [{
    Only in the body of an `onnx.function`: the attribute takes the value of the
    attribute `target` of the node that calls the function.
  }];
  let parameters = (ins "::mlir::StringAttr":$target);
  let assemblyFormat = "`<` $target `>`";
}

def Onnx_SparseTensorAttr : Onnx_Attr<"SparseTensor", "sparse_tensor"> {
  let summary = "a tensor given by its elements that are not zero";
  let description = [{
    `values` has the elements, `indices` their places (linear, or one row of
    coordinates each); both are elements attributes or symbols of initializers.
    All else is zero. `type` is the type of the dense tensor.
  }];
  let parameters = (ins "::mlir::RankedTensorType":$type,
                        "::mlir::Attribute":$values,
                        "::mlir::Attribute":$indices);
  let assemblyFormat = "`<` $type `,` $values `,` $indices `>`";
}

#endif // LQ_DIALECTS_ONNX_ONNXATTRIBUTES
