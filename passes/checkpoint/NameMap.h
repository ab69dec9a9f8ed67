//===- NameMap.h - a user's names for weights -------------------*- C++ -*-===//

#ifndef LQ_PASSES_CHECKPOINT_NAMEMAP_H
#define LQ_PASSES_CHECKPOINT_NAMEMAP_H

#include "llvm/Support/Error.h"
#include "llvm/Support/Regex.h"
#include <string>
#include <vector>

namespace lq::checkpoint {

/// Regular expressions over names of weights and what to put for them, \1 for
/// what the first group matched. An expression must match the whole name.
class NameMap {
public:
  /// Reads a JSON array of pairs: [["expression", "name"], ...].
  static llvm::Expected<NameMap> read(llvm::StringRef path);

  /// What the first expression that matches gives; empty if none does.
  std::string map(llvm::StringRef name) const;

private:
  struct Rule {
    llvm::Regex expression;
    std::string name;
  };
  std::vector<Rule> rules;
};

} // namespace lq::checkpoint

#endif // LQ_PASSES_CHECKPOINT_NAMEMAP_H
