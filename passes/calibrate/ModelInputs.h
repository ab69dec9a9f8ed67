//===- ModelInputs.h - token ids as a model's inputs ------------*- C++ -*-===//

#ifndef LQ_PASSES_CALIBRATE_MODELINPUTS_H
#define LQ_PASSES_CALIBRATE_MODELINPUTS_H

#include "mlir/IR/BuiltinOps.h"
#include "runtime/Session.h"
#include "llvm/ADT/StringMap.h"

namespace lq {

/// Makes the inputs of a language model from token ids: the ids, a mask of ones,
/// positions, types of zero.
class ModelInputs {
public:
  /// For calls with one row of `length` tokens. A model that has other inputs, or
  /// cannot have so many tokens, is diagnosed.
  static mlir::FailureOr<ModelInputs> create(mlir::ModuleOp model,
                                             int64_t length);

  /// The model's dimensions in such calls, all of which are known.
  const llvm::StringMap<int64_t> &dimensions() const { return fixed; }

  /// The inputs for these tokens; valid until the next call.
  llvm::ArrayRef<TensorView> make(llvm::ArrayRef<int32_t> tokens);

  /// What a block of the model takes for these tokens, in the order of its
  /// arguments: `stream` and the model's inputs. Valid until the next call.
  std::vector<TensorView> gather(mlir::ModuleOp block,
                                 llvm::ArrayRef<int32_t> tokens,
                                 const TensorView &stream);

private:
  enum class Role { Ids, Mask, Positions, Types };
  struct Input {
    std::string name;
    Role role;
    ElementType type;
    std::vector<int64_t> shape;
    std::vector<uint8_t> bytes;
  };

  static std::optional<Role> roleOf(llvm::StringRef name);
  mlir::LogicalResult addInput(mlir::ModuleOp model, llvm::StringRef name,
                               mlir::RankedTensorType type,
                               mlir::ArrayAttr shape, int64_t length);

  std::vector<Input> inputs;
  std::vector<TensorView> views;
  llvm::StringMap<int64_t> fixed;
};

} // namespace lq

#endif // LQ_PASSES_CALIBRATE_MODELINPUTS_H
