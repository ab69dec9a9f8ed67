//===- Roles.h - What the inputs and outputs of a model are -----*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_ROLES_H
#define LQ_PASSES_RAISE_ROLES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/raise/eval/Evaluator.h"

namespace lq::raise {

/// Names of the dimensions of a generative model.
inline constexpr llvm::StringLiteral kSequence = "sequence";
inline constexpr llvm::StringLiteral kPast = "past";
inline constexpr llvm::StringLiteral kLogits = "logits";

/// What raising makes of a model.
enum class ModelKind {
  /// Tokens in, logits out, keys and values kept by the runtime.
  Generative,
  /// Named tensors in, named tensors out.
  Tensors,
};

/// The parts that the inputs and outputs of a graph play.
struct Roles {
  ModelKind kind = ModelKind::Tensors;
  /// The dimensions of the inputs, in the names that the raised model uses.
  InputExtents extents;

  // The rest is for generative models; what the graph lacks is null.
  mlir::Value ids, positions, mask;
  /// Keys and values of earlier positions.
  llvm::SmallVector<mlir::Value> pasts;
  /// How many rows of logits the caller wants, where the graph asks (0: all).
  mlir::Value logitsToKeep;
  /// The index of the logits among the results; their number.
  unsigned logits = 0;
  int64_t vocabulary = 0;
  /// The value whose last rows alone are wanted, and the argument of the graph
  /// that stands for these rows (see HeadRows.h).
  mlir::Value hidden, tail;

  bool isGenerative() const { return kind == ModelKind::Generative; }
  /// Whether the graph has past keys and values of its own.
  bool hasPast() const { return !pasts.empty(); }
  /// The inputs that the runtime does not ask for, because positions and an
  /// attention mask of ones follow from the number of past tokens.
  llvm::SmallVector<mlir::Value> sides() const;
};

/// The name that the ONNX file gives an argument.
llvm::StringRef inputName(mlir::Value argument);

/// The roles in a graph taken as a model of named tensors.
Roles tensorRoles(mlir::func::FuncOp graph);

/// The roles in a graph taken as a generative model; nothing if it has no token
/// ids, no logits, or neither past keys and values nor as many logits as
/// embedded tokens.
std::optional<Roles> generativeRoles(mlir::func::FuncOp graph);

} // namespace lq::raise

#endif // LQ_PASSES_RAISE_ROLES_H
