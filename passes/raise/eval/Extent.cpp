//===- Extent.cpp - A dimension as an affine expression of symbols --------===//

#include "passes/raise/eval/Extent.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

namespace lq {

Extent Extent::symbol(llvm::StringRef name, int64_t coefficient) {
  Extent extent;
  if (coefficient != 0)
    extent.terms[name.str()] = coefficient;
  return extent;
}

static bool isSymbolName(llvm::StringRef text) {
  if (text.empty() || llvm::isDigit(text.front()))
    return false;
  return llvm::all_of(text, [](char c) {
    return llvm::isAlnum(c) || c == '_' || c == '.' || c == ':';
  });
}

/// One product of integers and at most one name.
static std::optional<Extent> parseProduct(llvm::StringRef text) {
  llvm::SmallVector<llvm::StringRef> factors;
  text.split(factors, '*');
  int64_t coefficient = 1;
  llvm::StringRef name;
  for (llvm::StringRef factor : factors) {
    factor = factor.trim();
    int64_t number;
    if (!factor.getAsInteger(10, number)) {
      if (llvm::MulOverflow(coefficient, number, coefficient))
        return std::nullopt;
    } else if (isSymbolName(factor) && name.empty()) {
      name = factor;
    } else {
      return std::nullopt;
    }
  }
  return name.empty() ? Extent(coefficient) : Extent::symbol(name, coefficient);
}

std::optional<Extent> Extent::parse(llvm::StringRef text) {
  Extent sum;
  int64_t sign = 1;
  while (true) {
    size_t end = text.find_first_of("+-");
    // A leading sign belongs to the first product.
    if (end == 0)
      end = text.find_first_of("+-", 1);
    std::optional<Extent> product = parseProduct(text.substr(0, end));
    if (!product)
      return std::nullopt;
    sum += (*product *= sign);
    if (end == llvm::StringRef::npos)
      return sum;
    sign = text[end] == '-' ? -1 : 1;
    text = text.substr(end + 1);
  }
}

std::optional<int64_t> Extent::evaluate(const Assignment &assignment) const {
  int64_t value = constant;
  for (const auto &[name, coefficient] : terms) {
    auto it = assignment.find(name);
    int64_t product;
    if (it == assignment.end() ||
        llvm::MulOverflow(coefficient, it->second, product) ||
        llvm::AddOverflow(value, product, value))
      return std::nullopt;
  }
  return value;
}

Extent &Extent::operator+=(const Extent &other) {
  constant += other.constant;
  for (const auto &[name, coefficient] : other.terms) {
    int64_t &own = terms[name];
    own += coefficient;
    if (own == 0)
      terms.erase(name);
  }
  return *this;
}

Extent &Extent::operator*=(int64_t factor) {
  constant *= factor;
  if (factor == 0)
    terms.clear();
  for (auto &[name, coefficient] : terms)
    coefficient *= factor;
  return *this;
}

std::string Extent::str() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (const auto &[name, coefficient] : terms) {
    if (!text.empty())
      os << (coefficient < 0 ? " - " : " + ");
    else if (coefficient < 0)
      os << "-";
    if (std::abs(coefficient) != 1)
      os << std::abs(coefficient) << " * ";
    os << name;
  }
  if (text.empty())
    os << constant;
  else if (constant != 0)
    os << (constant < 0 ? " - " : " + ") << std::abs(constant);
  return text;
}

llvm::raw_ostream &operator<<(llvm::raw_ostream &os, const Extent &extent) {
  return os << extent.str();
}

} // namespace lq
