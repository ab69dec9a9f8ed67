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

Extent Extent::product(llvm::StringRef a, llvm::StringRef b,
                       int64_t coefficient) {
  if (b < a)
    std::swap(a, b);
  return symbol((a + "*" + b).str(), coefficient);
}

llvm::SmallVector<llvm::StringRef> Extent::symbolsOf(llvm::StringRef term) {
  llvm::SmallVector<llvm::StringRef> names;
  term.split(names, '*');
  return names;
}

static bool isSymbolName(llvm::StringRef text) {
  if (text.empty() || llvm::isDigit(text.front()))
    return false;
  return llvm::all_of(text, [](char c) {
    return llvm::isAlnum(c) || c == '_' || c == '.' || c == ':';
  });
}

/// One product of integers and at most two names.
static std::optional<Extent> parseProduct(llvm::StringRef text) {
  llvm::SmallVector<llvm::StringRef> factors;
  text.split(factors, '*');
  int64_t coefficient = 1;
  llvm::SmallVector<llvm::StringRef> names;
  for (llvm::StringRef factor : factors) {
    factor = factor.trim();
    int64_t number;
    if (!factor.getAsInteger(10, number)) {
      if (llvm::MulOverflow(coefficient, number, coefficient))
        return std::nullopt;
    } else if (isSymbolName(factor) && names.size() < 2) {
      names.push_back(factor);
    } else {
      return std::nullopt;
    }
  }
  if (names.size() == 2)
    return Extent::product(names[0], names[1], coefficient);
  return names.empty() ? Extent(coefficient)
                       : Extent::symbol(names[0], coefficient);
}

std::optional<Extent> Extent::parse(llvm::StringRef text) {
  Extent sum;
  text = text.ltrim();
  int64_t sign = text.consume_front("-") ? -1 : 1;
  while (true) {
    size_t end = text.find_first_of("+-");
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
  for (const auto &[term, coefficient] : terms) {
    int64_t product = coefficient;
    for (llvm::StringRef name : symbolsOf(term)) {
      auto it = assignment.find(name);
      if (it == assignment.end() ||
          llvm::MulOverflow(product, it->second, product))
        return std::nullopt;
    }
    if (llvm::AddOverflow(value, product, value))
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
    llvm::interleave(symbolsOf(name), os, " * ");
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
