//===- Einsum.cpp - The equation of an Einsum -----------------------------===//

#include "passes/raise/eval/Einsum.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include <map>

namespace lq {

namespace {
/// Dimensions as text: a letter, or a broadcast dimension counted from the
/// last.
using Label = std::pair<char, int64_t>;
using Labels = llvm::SmallVector<Label>;
constexpr char kEllipsis = '.';
} // namespace

/// The labels of one term; `broadcast` is how many dimensions its ellipsis
/// stands for.
static std::optional<Labels> labelsOf(llvm::StringRef term, int64_t broadcast) {
  Labels labels;
  bool hasEllipsis = false;
  while (!term.empty()) {
    if (term.consume_front("...")) {
      if (hasEllipsis)
        return std::nullopt;
      hasEllipsis = true;
      for (int64_t i = broadcast; i-- > 0;)
        labels.emplace_back(kEllipsis, i);
    } else if (llvm::isAlpha(term.front())) {
      labels.emplace_back(term.front(), 0);
      term = term.drop_front();
    } else {
      return std::nullopt;
    }
  }
  return labels;
}

/// Without "->", the result has the broadcast dimensions and then the letters
/// that occur once, in alphabetical order.
static Labels impliedResult(llvm::ArrayRef<Labels> operands,
                            int64_t broadcast) {
  std::map<char, int> uses;
  for (const Labels &labels : operands)
    for (const Label &label : labels)
      if (label.first != kEllipsis)
        ++uses[label.first];
  Labels result;
  for (int64_t i = broadcast; i-- > 0;)
    result.emplace_back(kEllipsis, i);
  for (auto [letter, count] : uses)
    if (count == 1)
      result.emplace_back(letter, 0);
  return result;
}

std::optional<EinsumForm> EinsumForm::parse(llvm::StringRef equation,
                                            llvm::ArrayRef<int64_t> ranks) {
  std::string compact;
  llvm::copy_if(equation, std::back_inserter(compact),
                [](char c) { return c != ' '; });
  auto [left, right] = llvm::StringRef(compact).split("->");
  bool explicitResult = llvm::StringRef(compact).contains("->");
  llvm::SmallVector<llvm::StringRef> terms;
  left.split(terms, ',');
  if (terms.size() != ranks.size())
    return std::nullopt;
  llvm::SmallVector<Labels> operands;
  int64_t widest = 0;
  for (auto [term, rank] : llvm::zip(terms, ranks)) {
    int64_t letters = llvm::count_if(term, llvm::isAlpha);
    int64_t broadcast = term.contains("...") ? rank - letters : 0;
    std::optional<Labels> labels =
        broadcast < 0 ? std::nullopt : labelsOf(term, broadcast);
    if (!labels || int64_t(labels->size()) != rank)
      return std::nullopt;
    widest = std::max(widest, broadcast);
    operands.push_back(std::move(*labels));
  }
  std::optional<Labels> result = explicitResult
                                     ? labelsOf(right, widest)
                                     : impliedResult(operands, widest);
  if (!result)
    return std::nullopt;
  EinsumForm form;
  std::map<Label, int64_t> numbers;
  for (const Label &label : *result) {
    if (!numbers.emplace(label, form.indices).second)
      return std::nullopt;
    form.result.push_back(form.indices++);
  }
  for (const Labels &labels : operands) {
    form.operands.emplace_back();
    for (const Label &label : labels) {
      auto [it, isNew] = numbers.emplace(label, form.indices);
      form.indices += isNew;
      form.operands.back().push_back(it->second);
    }
  }
  for (const Label &label : *result) {
    bool used = llvm::any_of(operands, [&](const Labels &labels) {
      return llvm::is_contained(labels, label);
    });
    if (!used)
      return std::nullopt;
  }
  return form;
}

} // namespace lq
