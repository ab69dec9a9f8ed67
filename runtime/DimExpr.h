//===- DimExpr.h - sizes that depend on extents -----------------*- C++ -*-===//

#ifndef LQ_RUNTIME_DIMEXPR_H
#define LQ_RUNTIME_DIMEXPR_H

#include "runtime/Error.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lq {

/// A dimension of a tensor in a manifest: an integer, an extent's name, or an
/// affine text over them such as "past + sequence" or "2 * batch", with the
/// operators + - * floordiv ceildiv mod and parentheses.
class DimExpr {
public:
  /// A constant.
  explicit DimExpr(int64_t value = 0);
  /// Parses a text over the named extents.
  static Expected<DimExpr> parse(std::string_view text,
                                 std::span<const std::string> extentNames);

  /// The size for the given values of the extents (in manifest order), or
  /// nothing if it overflows, divides by zero or is negative.
  std::optional<int64_t> evaluate(std::span<const int64_t> extents) const;

  /// The extents that it names, as indices.
  const std::vector<size_t> &extents() const { return used; }

  /// The value of extent `unknown` for which this dimension has size `size`,
  /// the other extents being known.
  std::optional<int64_t> solve(int64_t size, size_t unknown,
                               std::vector<int64_t> extents) const;

  /// As it was written.
  const std::string &text() const { return source; }

private:
  friend class DimParser;
  enum class Op : uint8_t {
    Constant,
    Extent,
    Add,
    Subtract,
    Multiply,
    FloorDivide,
    CeilDivide,
    Modulo,
  };
  /// One instruction of a stack machine.
  struct Step {
    Op op;
    int64_t operand;
  };

  static std::optional<int64_t> apply(Op op, int64_t left, int64_t right);
  std::optional<int64_t> compute(std::span<const int64_t> extents) const;

  std::vector<Step> steps;
  std::vector<size_t> used;
  std::string source;
};

/// A shape as it is printed: "[1, past + sequence]".
std::string shapeText(const std::vector<DimExpr> &shape);
std::string shapeText(std::span<const int64_t> shape);

} // namespace lq

#endif // LQ_RUNTIME_DIMEXPR_H
