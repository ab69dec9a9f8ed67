//===- Weights.h - The weights of the raised model --------------*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_WEIGHTS_H
#define LQ_PASSES_RAISE_WEIGHTS_H

#include "dialects/common/WeightArchive.h"
#include "dialects/lq/LqOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"
#include "passes/raise/match/Graph.h"

namespace lq::raise {

struct QuantizedMatrix;

/// Creates the symbols of the raised model. A matrix that lies in a file is
/// addressed where it lies, transposed or not; a constant that the graph
/// computes is evaluated and added to an archive. A matrix that equals an
/// embedding table or its transpose is that table (tied embeddings).
///
/// A weight's location is that of the initializer that it is or is made of as it
/// stands; of a constant that the graph computes, that of a node that reads it.
///
/// Functions that give a WeightOp give null after an error that was reported
/// at `location`.
class Weights {
public:
  /// `archivePath` is where new weights go; the archive is created when the
  /// first one comes. `files` reads weights; both must outlive this object.
  Weights(mlir::ModuleOp module, const Graph &graph, WeightFiles &files,
          std::string archivePath);

  /// The matrix `constant` [N, K], or [K, N] if it is to be transposed.
  WeightOp matrix(mlir::Location location, mlir::Value constant,
                  bool transposed);
  /// A matrix that the graph holds quantized, with the same codes.
  WeightOp quantized(mlir::Location location, const QuantizedMatrix &matrix);
  /// `size` numbers as f32; a single number is repeated.
  WeightOp vector(mlir::Location location, mlir::Value constant, int64_t size);
  /// A constant of any shape as it is.
  WeightOp tensor(mlir::Location location, mlir::Value constant);
  /// New numbers, added to the archive.
  WeightOp add(mlir::Location location, llvm::StringRef name,
               llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<float> numbers);
  CacheOp addCache(mlir::Location location, llvm::StringRef name,
                   CacheRole role, int64_t heads, int64_t size,
                   mlir::FloatType elementType);

  /// The initializer that `value` gets, or null.
  static onnx::InitializerOp initializerOf(mlir::Value value);

  /// Remembers a table, so that equal matrices are tied to it.
  void noteTable(WeightOp table);
  /// Puts the archive in its place, if there is one.
  mlir::LogicalResult commit(mlir::Location location);

private:
  struct Address {
    std::string file;
    int64_t offset;
  };
  template <typename Op> Op insert(Op op);
  WeightOp create(mlir::Location location, llvm::StringRef name,
                  mlir::RankedTensorType type, const Address &address,
                  bool transposed);
  WeightOp addMatrix(mlir::Location location, mlir::Value constant,
                     llvm::ArrayRef<int64_t> shape, bool transposed);
  /// A name for a constant: its own, or that of the node that uses it.
  std::string nameOf(mlir::Value constant, llvm::StringRef role) const;
  /// A name for the weight that codes stand for, after which ONNX Runtime's
  /// quantizer calls them: "w_Q4".
  std::string nameOfCodes(mlir::Value codes) const;
  /// The numbers of a constant; empty if they cannot be told.
  std::vector<float> evaluateFloats(mlir::Value constant);
  std::optional<HostTensor> evaluate(mlir::Value constant);
  /// As many elements as a constant may have.
  int64_t largestConstant();
  WeightOp addBytes(mlir::Location location, llvm::StringRef name,
                    mlir::RankedTensorType type, llvm::ArrayRef<char> bytes);
  WeightOp findTied(mlir::RankedTensorType type, const Address &address,
                    bool transposed);

  mlir::ModuleOp module;
  const Graph &graph;
  WeightFiles &files;
  std::string archivePath;
  std::unique_ptr<WeightArchive> archive;
  mlir::SymbolTable symbols;
  mlir::Operation *last = nullptr;
  std::optional<int64_t> largest;
  llvm::SmallVector<WeightOp> tables;
  llvm::DenseMap<std::pair<mlir::Value, unsigned>, WeightOp> made;
};

} // namespace lq::raise

#endif // LQ_PASSES_RAISE_WEIGHTS_H
