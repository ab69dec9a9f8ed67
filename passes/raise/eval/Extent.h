//===- Extent.h - A dimension as an affine expression -----------*- C++ -*-===//

#ifndef LQ_PASSES_RAISE_EVAL_EXTENT_H
#define LQ_PASSES_RAISE_EVAL_EXTENT_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace lq {

/// A concrete value for each symbol.
using Assignment = llvm::StringMap<int64_t>;

/// constant + sum of coefficient * term. A term is a symbol (the name of an
/// `lq.dimension`), or the product of two: a flattened [batch, sequence] has
/// the key "batch*sequence", names in alphabetical order. Terms with
/// coefficient 0 are never stored, so that equal expressions compare equal.
struct Extent {
  int64_t constant = 0;
  std::map<std::string, int64_t> terms;

  Extent() = default;
  Extent(int64_t constant) : constant(constant) {}
  static Extent symbol(llvm::StringRef name, int64_t coefficient = 1);

  static Extent product(llvm::StringRef a, llvm::StringRef b,
                        int64_t coefficient = 1);
  /// The symbols of a term, one or more.
  static llvm::SmallVector<llvm::StringRef> symbolsOf(llvm::StringRef term);

  /// Reads what exporters write into a dim_param: a name, or sums of products
  /// of integers and at most two names ("past_sequence_length + 1", "2*batch").
  /// Anything else is nothing, and may serve as a symbol of its own.
  static std::optional<Extent> parse(llvm::StringRef text);

  bool isConstant() const { return terms.empty(); }
  bool is(int64_t value) const { return isConstant() && constant == value; }
  /// The value under an assignment; nothing if it lacks one of the symbols or
  /// the value does not fit.
  std::optional<int64_t> evaluate(const Assignment &assignment) const;

  Extent &operator+=(const Extent &other);
  Extent &operator*=(int64_t factor);
  friend Extent operator+(Extent a, const Extent &b) { return a += b; }
  friend Extent operator-(Extent a, Extent b) { return a += (b *= -1); }
  friend Extent operator*(Extent a, int64_t factor) { return a *= factor; }
  friend bool operator==(const Extent &a, const Extent &b) {
    return a.constant == b.constant && a.terms == b.terms;
  }
  friend bool operator!=(const Extent &a, const Extent &b) { return !(a == b); }

  /// As the manifest of an artifact writes it: "past + sequence", "2 * batch".
  std::string str() const;
};

llvm::raw_ostream &operator<<(llvm::raw_ostream &os, const Extent &extent);

} // namespace lq

#endif // LQ_PASSES_RAISE_EVAL_EXTENT_H
