//===- Mix.h - a format for each weight of a model --------------*- C++ -*-===//
//
// A mix says in data which format a weight gets by what it does in the model and
// how deep it lies. Users choose one by its name, as they choose a format.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_DIALECTS_LQ_FORMATS_MIX_H
#define LQ_DIALECTS_LQ_FORMATS_MIX_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>

namespace lq {

/// What a matrix does in a model.
enum class WeightRole {
  Other,
  /// A table that is only looked up.
  Table,
  /// The last product of the model, or a table that is used as that too.
  Output,
  Query,
  Key,
  Value,
  /// Queries, keys and values, or two of them, in one product.
  FusedAttention,
  /// The product of what attention returns.
  AttentionOutput,
  /// The product of what an activation function returns.
  Down,
};

/// Where a weight stands in a model.
struct WeightPlace {
  WeightRole role = WeightRole::Other;
  /// Of 0 .. layers - 1; a layer is an attention and what follows it.
  int64_t layer = 0, layers = 0;
  /// Query heads for each head of keys.
  int64_t headsPerKey = 1;
};

/// A line of a mix: weights of a role that `applies` get `format`.
struct MixRule {
  WeightRole role;
  bool (*applies)(const WeightPlace &place);
  llvm::StringLiteral format;
};

struct FormatMix {
  llvm::StringLiteral name;
  /// The format where no line applies.
  llvm::StringLiteral base;
  /// The first that applies holds.
  llvm::ArrayRef<MixRule> rules;

  /// The name of the format of a weight.
  llvm::StringRef formatOf(const WeightPlace &place) const;
};

llvm::ArrayRef<FormatMix> listMixes();
/// Null if there is none of the name.
const FormatMix *lookupMix(llvm::StringRef name);

} // namespace lq

#endif // LQ_DIALECTS_LQ_FORMATS_MIX_H
