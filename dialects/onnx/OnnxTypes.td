//===- OnnxTypes.td - Types of the onnx dialect ------------*- tablegen -*-===//

#ifndef LQ_DIALECTS_ONNX_ONNXTYPES
#define LQ_DIALECTS_ONNX_ONNXTYPES

include "dialects/onnx/OnnxDialect.td"
include "mlir/IR/AttrTypeBase.td"

class Onnx_Type<string name, string typeMnemonic>
    : TypeDef<Onnx_Dialect, name> {
  let mnemonic = typeMnemonic;
}

def Onnx_StringType : Onnx_Type<"String", "string"> {
  let summary = "an element of a string tensor";
}

def Onnx_UnknownType : Onnx_Type<"Unknown", "unknown"> {
  let summary = "the type of a value that the file says nothing about";
  let description = [{
    ONNX files need not state the types of intermediate values. As an element
    type, it says that only the rank or shape is known.
  }];
}

def Onnx_SequenceType : Onnx_Type<"Sequence", "sequence"> {
  let summary = "a list of values of one type";
  let parameters = (ins "::mlir::Type":$element);
  let assemblyFormat = "`<` $element `>`";
}

def Onnx_OptionalType : Onnx_Type<"Optional", "optional"> {
  let summary = "a value, or none";
  let parameters = (ins "::mlir::Type":$element);
  let assemblyFormat = "`<` $element `>`";
}

def Onnx_MapType : Onnx_Type<"Map", "map"> {
  let summary = "a map from integers or strings to values of one type";
  let parameters = (ins "::mlir::Type":$key, "::mlir::Type":$value);
  let assemblyFormat = "`<` $key `,` $value `>`";
}

def Onnx_SparseType : Onnx_Type<"Sparse", "sparse"> {
  let summary = "a sparse tensor";
  let parameters = (ins "::mlir::TensorType":$dense);
  let assemblyFormat = "`<` $dense `>`";
}

def Onnx_OpaqueType : Onnx_Type<"Opaque", "opaque"> {
  let summary = "a type that only the operators of one domain understand";
  let parameters = (ins StringRefParameter<>:$domain,
                        StringRefParameter<>:$type_name);
  let assemblyFormat = "`<` $domain `,` $type_name `>`";
}

#endif // LQ_DIALECTS_ONNX_ONNXTYPES
