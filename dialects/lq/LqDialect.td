//===- LqDialect.td - the lq dialect -------------------------*- tablegen -*-===//

#ifndef LQ_DIALECT_TD
#define LQ_DIALECT_TD

include "mlir/IR/OpBase.td"

def Lq_Dialect : Dialect {
  let name = "lq";
  let cppNamespace = "::lq";
  let summary = "Language models, one op per thing a model designer would name";
  let description = [{
    A model in this dialect is a `func.func @main` on tensors. Shapes and
    element types are the logical ones; how a tensor is stored is said by the
    encoding attribute of its type (`tensor<4096x4096xf32, #lq.gguf<q4_0>>`).

    Weights are never in the IR: `lq.weight` names a tensor, its type and the
    file and offset where its bytes lie, and `lq.get` yields it. What a model
    keeps between calls is an `lq.cache`; a dimension that is only known when
    the model is called is an `lq.dimension` with an upper bound.
  }];
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
  let extraClassDeclaration = [{
    /// Every weight format that is known, in the order of registration.
    ::llvm::ArrayRef<::lq::FormatAttrInterface> getFormats() const { return formats; }

  private:
    void registerAttributes();
    void registerFormat(::lq::FormatAttrInterface format);
    // One a family, defined in the family's file under formats/.
    void registerFloatFormats();
    void registerGgufFormats();
    void registerUniformFormats();
    void registerCodebookFormats();
    void registerExl2Formats();

    ::std::vector<::lq::FormatAttrInterface> formats;
  }];
}

#endif // LQ_DIALECT_TD
