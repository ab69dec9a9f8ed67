//===- DimExpr.cpp - sizes that depend on extents -------------------------===//

#include "runtime/DimExpr.h"

#include <algorithm>
#include <array>
#include <charconv>

using namespace lq;

/// Bounds the parser's recursion and the evaluator's stack.
static constexpr size_t maxTextLength = 256;
static constexpr int maxNesting = 32;
static constexpr size_t maxStack = maxTextLength;

DimExpr::DimExpr(int64_t value)
    : steps{{Op::Constant, value}}, source(std::to_string(value)) {}

namespace lq {
/// Recursive descent: sum := product (('+' | '-') product)*, product := factor
/// (('*' | 'floordiv' | 'ceildiv' | 'mod') factor)*.
class DimParser {
public:
  DimParser(std::string_view text, std::span<const std::string> names,
            DimExpr &out)
      : rest(text), names(names), out(out) {}

  bool parse() {
    bool parsed = sum(0);
    skipSpace();
    return parsed && rest.empty();
  }
  /// Set if the text named an extent that there is none of.
  std::string_view unknownName;

private:
  using Op = DimExpr::Op;

  void skipSpace() {
    while (!rest.empty() && rest[0] == ' ')
      rest.remove_prefix(1);
  }
  bool take(std::string_view token) {
    skipSpace();
    if (!rest.starts_with(token))
      return false;
    rest.remove_prefix(token.size());
    return true;
  }
  void emit(Op op, int64_t operand = 0) { out.steps.push_back({op, operand}); }

  bool sum(int nesting);
  bool product(int nesting);
  bool factor(int nesting);
  bool number();
  bool name();

  std::string_view rest;
  std::span<const std::string> names;
  DimExpr &out;
};
} // namespace lq

bool DimParser::sum(int nesting) {
  if (!product(nesting))
    return false;
  for (;;) {
    Op op = Op::Add;
    if (!take("+")) {
      if (!take("-"))
        return true;
      op = Op::Subtract;
    }
    if (!product(nesting))
      return false;
    emit(op);
  }
}

bool DimParser::product(int nesting) {
  static constexpr std::pair<std::string_view, Op> operators[] = {
      {"*", Op::Multiply},
      {"floordiv ", Op::FloorDivide},
      {"ceildiv ", Op::CeilDivide},
      {"mod ", Op::Modulo}};
  if (!factor(nesting))
    return false;
  for (;;) {
    const auto *found = std::ranges::find_if(
        operators, [&](const auto &entry) { return take(entry.first); });
    if (found == std::end(operators))
      return true;
    if (!factor(nesting))
      return false;
    emit(found->second);
  }
}

bool DimParser::factor(int nesting) {
  if (nesting > maxNesting)
    return false;
  if (take("(")) {
    return sum(nesting + 1) && take(")");
  }
  if (take("-")) {
    emit(Op::Constant, 0);
    if (!factor(nesting + 1))
      return false;
    emit(Op::Subtract);
    return true;
  }
  skipSpace();
  if (rest.empty())
    return false;
  return rest[0] >= '0' && rest[0] <= '9' ? number() : name();
}

bool DimParser::number() {
  int64_t value;
  auto [end, failure] =
      std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (failure != std::errc())
    return false;
  rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  emit(Op::Constant, value);
  return true;
}

bool DimParser::name() {
  size_t length = std::min(rest.find_first_of(" +-*()"), rest.size());
  std::string_view text = rest.substr(0, length);
  auto found = std::ranges::find(names, text);
  if (found == names.end()) {
    unknownName = text;
    return false;
  }
  rest.remove_prefix(length);
  auto index = static_cast<size_t>(found - names.begin());
  emit(Op::Extent, static_cast<int64_t>(index));
  if (std::ranges::find(out.used, index) == out.used.end())
    out.used.push_back(index);
  return true;
}

Expected<DimExpr> DimExpr::parse(std::string_view text,
                                 std::span<const std::string> extentNames) {
  DimExpr out;
  out.steps.clear();
  out.source = text;
  // The names come from the model, so that one may contain any character.
  auto whole = std::ranges::find(extentNames, text);
  if (whole != extentNames.end()) {
    auto index = whole - extentNames.begin();
    out.steps.push_back({Op::Extent, index});
    out.used.push_back(static_cast<size_t>(index));
    return out;
  }
  DimParser parser(text, extentNames, out);
  if (text.size() <= maxTextLength && parser.parse())
    return out;
  if (!parser.unknownName.empty())
    return makeError(ErrorCode::Corrupt, "dimension '", text,
                     "' names the unknown extent '", parser.unknownName, "'");
  return makeError(ErrorCode::Corrupt, "dimension '",
                   text.substr(0, maxTextLength),
                   "' is not an affine expression");
}

std::optional<int64_t> DimExpr::apply(Op op, int64_t left, int64_t right) {
  int64_t result;
  bool overflows = false;
  switch (op) {
  case Op::Add:
    overflows = __builtin_add_overflow(left, right, &result);
    break;
  case Op::Subtract:
    overflows = __builtin_sub_overflow(left, right, &result);
    break;
  case Op::Multiply:
    overflows = __builtin_mul_overflow(left, right, &result);
    break;
  case Op::FloorDivide:
  case Op::CeilDivide:
  case Op::Modulo: {
    // As in MLIR's affine expressions, the divisor is positive.
    if (right <= 0)
      return std::nullopt;
    int64_t remainder = (left % right + right) % right;
    int64_t floor = left / right - (left % right < 0);
    result = op == Op::Modulo        ? remainder
             : op == Op::FloorDivide ? floor
                                     : floor + (remainder != 0);
    break;
  }
  case Op::Constant:
  case Op::Extent:
    return std::nullopt;
  }
  return overflows ? std::nullopt : std::optional<int64_t>(result);
}

std::optional<int64_t>
DimExpr::compute(std::span<const int64_t> extents) const {
  std::array<int64_t, maxStack> stack;
  size_t depth = 0;
  for (const Step &step : steps) {
    if (step.op == Op::Constant) {
      stack[depth++] = step.operand;
    } else if (step.op == Op::Extent) {
      stack[depth++] = extents[static_cast<size_t>(step.operand)];
    } else {
      auto result = apply(step.op, stack[depth - 2], stack[depth - 1]);
      if (!result)
        return std::nullopt;
      stack[--depth - 1] = *result;
    }
  }
  return stack[0];
}

std::optional<int64_t>
DimExpr::evaluate(std::span<const int64_t> extents) const {
  auto value = compute(extents);
  return value && *value >= 0 ? value : std::nullopt;
}

std::optional<int64_t> DimExpr::solve(int64_t size, size_t unknown,
                                      std::vector<int64_t> extents) const {
  // Affine in the unknown: two points give the line, a third checks it.
  extents[unknown] = 0;
  auto constant = compute(extents);
  extents[unknown] = 1;
  auto one = compute(extents);
  int64_t slope, rise;
  if (!constant || !one || __builtin_sub_overflow(*one, *constant, &slope) ||
      __builtin_sub_overflow(size, *constant, &rise) || slope == 0 ||
      (slope == -1 && rise == INT64_MIN) || rise % slope != 0)
    return std::nullopt;
  extents[unknown] = rise / slope;
  if (extents[unknown] < 0 || evaluate(extents) != size)
    return std::nullopt;
  return extents[unknown];
}

template <typename Shape, typename Print>
static std::string join(const Shape &shape, Print print) {
  std::string text = "[";
  for (const auto &dim : shape) {
    if (text.size() > 1)
      text += ", ";
    text += print(dim);
  }
  return text + "]";
}

std::string lq::shapeText(const std::vector<DimExpr> &shape) {
  return join(shape, [](const DimExpr &dim) { return dim.text(); });
}

std::string lq::shapeText(std::span<const int64_t> shape) {
  return join(shape, [](int64_t dim) { return std::to_string(dim); });
}
