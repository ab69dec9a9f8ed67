//===- ImportContext.h - What the parts of the importer share ---*- C++ -*-===//

#ifndef LQ_DIALECTS_ONNX_IMPORTCONTEXT_H
#define LQ_DIALECTS_ONNX_IMPORTCONTEXT_H

#include "dialects/common/WeightArchive.h"
#include "dialects/common/WeightFile.h"
#include "dialects/onnx/Import.h"
#include "dialects/onnx/ModelFile.h"
#include "dialects/onnx/OnnxDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringSet.h"

namespace lq::onnx {

/// One import: where the bytes come from and where the IR goes.
///
/// The functions of the importer take `where`, the place in the file that
/// they work on, written as one would reach it in Python
/// ("graph.node[3].attribute[0]"), and emit an error that begins with it
/// before they return failure.
class ImportContext {
public:
  ImportContext(mlir::MLIRContext &context, const ImportOptions &options,
                WeightFiles &files, std::string modelName, mlir::Location file,
                mlir::ModuleOp module)
      : builder(mlir::OpBuilder::atBlockEnd(module.getBody())),
        context(context), options(options), files(files),
        modelName(std::move(modelName)), file(file), module(module) {}

  mlir::InFlightDiagnostic error(llvm::StringRef where) {
    return mlir::emitError(file) << where << ": ";
  }

  /// The location of an op that stands for the place `where`.
  mlir::Location locate(llvm::StringRef where) {
    return mlir::NameLoc::get(mlir::StringAttr::get(&context, where), file);
  }

  /// `name`, with a suffix if a symbol of the module has it already.
  mlir::StringAttr uniqueSymbol(llvm::StringRef name);

  /// The type of a tensor in an attribute, itself or by symbol; null for
  /// another attribute.
  mlir::Type typeOf(mlir::Attribute attribute) const;

  mlir::StringAttr text(llvm::StringRef bytes) {
    return mlir::StringAttr::get(&context, bytes);
  }
  template <typename Range> mlir::ArrayAttr texts(const Range &range) {
    llvm::SmallVector<mlir::Attribute> result;
    for (const auto &bytes : range)
      result.push_back(text(bytes));
    return mlir::ArrayAttr::get(&context, result);
  }

  /// Adds initializers and functions, ahead of @main.
  mlir::OpBuilder builder;
  mlir::MLIRContext &context;
  const ImportOptions &options;
  WeightFiles &files;
  /// The .onnx file, relative to the folder of `files`.
  std::string modelName;
  mlir::Location file;
  mlir::ModuleOp module;
  /// The types of initializers by symbol.
  llvm::DenseMap<mlir::StringAttr, mlir::RankedTensorType> initializerTypes;

private:
  /// The symbols of the module, and the last suffix that each was given.
  llvm::StringMap<unsigned> symbols;
};

//===----------------------------------------------------------------------===//
// ImportTypes.cpp
//===----------------------------------------------------------------------===//

/// The type of the elements that ONNX gives the number `dataType`, or null
/// if the number is not known. Number 0 is an unknown type.
mlir::Type elementType(int dataType, mlir::MLIRContext &context);

/// The type that `type` describes; `!onnx.unknown` if it describes none.
mlir::FailureOr<mlir::Type> importType(ImportContext &import,
                                       const pb::TypeProto &type,
                                       llvm::StringRef where);

/// The extents of a tensor type: integers, strings, `unit` where unknown. Null
/// if the rank is unknown or the type is not that of a tensor.
mlir::ArrayAttr importDims(ImportContext &import, const pb::TypeProto &type);

/// Attributes that give the texts in `entries` by key. Keys must be there and
/// differ.
mlir::FailureOr<mlir::DictionaryAttr> importEntries(
    ImportContext &import,
    const google::protobuf::RepeatedPtrField<pb::StringStringEntryProto>
        &entries,
    llvm::StringRef where);

/// The versions of operator sets by domain, "ai.onnx" for the empty one.
mlir::FailureOr<mlir::DictionaryAttr> importOpsets(
    ImportContext &import,
    const google::protobuf::RepeatedPtrField<pb::OperatorSetIdProto> &opsets,
    llvm::StringRef where);

//===----------------------------------------------------------------------===//
// ImportTensors.cpp
//===----------------------------------------------------------------------===//

/// A tensor: an address, a value, or for small ones both.
struct ImportedTensor {
  mlir::RankedTensorType type;
  mlir::StringAttr file;
  mlir::IntegerAttr offset;
  /// Elements or a SparseTensorAttr; null for a large tensor.
  mlir::Attribute value;
};

mlir::FailureOr<ImportedTensor> importTensor(ImportContext &import,
                                             const pb::TensorProto &tensor,
                                             llvm::StringRef where);

/// `name` is what symbols of large parts are called after.
mlir::FailureOr<SparseTensorAttr>
importSparseTensor(ImportContext &import, const pb::SparseTensorProto &tensor,
                   llvm::StringRef name, llvm::StringRef where);

/// Adds an initializer to the module and returns its symbol, which is `name`
/// unless that is taken.
mlir::FlatSymbolRefAttr addInitializer(ImportContext &import,
                                       llvm::StringRef name,
                                       const ImportedTensor &tensor,
                                       llvm::StringRef where);

//===----------------------------------------------------------------------===//
// ImportAttributes.cpp
//===----------------------------------------------------------------------===//

/// The kind of `attribute`: as it says, or as its only filled field tells
/// (files of IR version 1 do not say).
pb::AttributeProto::AttributeType
attributeKind(const pb::AttributeProto &attribute);

/// The value of an attribute that is not a graph. `name` is what symbols of
/// large tensors are called after.
mlir::FailureOr<mlir::Attribute>
importAttribute(ImportContext &import, const pb::AttributeProto &attribute,
                llvm::StringRef name, llvm::StringRef where);

//===----------------------------------------------------------------------===//
// ImportGraph.cpp
//===----------------------------------------------------------------------===//

/// Adds `@main` to the module.
mlir::LogicalResult importMain(ImportContext &import,
                               const pb::GraphProto &graph);

/// Adds an onnx.function to the module.
mlir::LogicalResult importFunction(ImportContext &import,
                                   const pb::FunctionProto &function,
                                   llvm::StringRef where);

} // namespace lq::onnx

#endif // LQ_DIALECTS_ONNX_IMPORTCONTEXT_H
