//===- LqInterfaces.td - the format interface ----------------*- tablegen -*-===//

#ifndef LQ_INTERFACES_TD
#define LQ_INTERFACES_TD

include "mlir/IR/OpBase.td"

def Lq_FormatAttrInterface : AttrInterface<"FormatAttrInterface"> {
  let cppNamespace = "::lq";
  let description = [{
    A weight format: the encoding attribute of a weight's type. Storage is the
    bytes of the ecosystem for whole rows [rows, columns]; planes are plain
    arrays (dialects/lq/Format.h).
  }];
  let methods = [
    InterfaceMethod<"What the format is, as data.",
      "::lq::FormatDescription", "getDescription">,
    InterfaceMethod<"The name users type and reports print, e.g. in --quantize=.",
      "::llvm::StringRef", "getFormatName">,
    InterfaceMethod<"Why a matrix of this many columns cannot have the format; empty if it can.",
      "std::string", "checkColumns", (ins "int64_t":$columns)>,
    InterfaceMethod<"Bytes of a row of `columns` weights in storage.",
      "int64_t", "getRowBytes", (ins "int64_t":$columns)>,
    InterfaceMethod<[{The format that a matrix gets whose number of columns this
      one cannot have; null if there is none.}],
      "::lq::FormatAttrInterface", "getFallback">,
    InterfaceMethod<"Storage of planes.rows rows to planes, already sized.",
      "void", "decode", (ins "::llvm::ArrayRef<char>":$storage, "::lq::Planes &":$planes)>,
    InterfaceMethod<"Planes to storage, planes.rows x getRowBytes(columns) bytes.",
      "void", "encode", (ins "const ::lq::Planes &":$planes, "::llvm::MutableArrayRef<char>":$storage)>,
  ];
}

#endif // LQ_INTERFACES_TD
