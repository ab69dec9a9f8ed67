//===- Normalizer.h - rewriting text before it is cut -----------*- C++ -*-===//

#ifndef LQ_RUNTIME_TOKENIZER_NORMALIZER_H
#define LQ_RUNTIME_TOKENIZER_NORMALIZER_H

#include "runtime/Error.h"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <string>

namespace lq::tok {

/// A text, and how many of its leading bytes come from the very first
/// character of the original (see Piece::fromStart).
struct NormalizedText {
  std::string text;
  size_t fromStart = 0;
};

class Normalizer {
public:
  virtual ~Normalizer();
  virtual Error normalize(NormalizedText &text) const = 0;
};

/// Null for a null `description`, the `normalizer` of tokenizer.json.
Expected<std::unique_ptr<Normalizer>>
makeNormalizer(const nlohmann::json &description);

} // namespace lq::tok

#endif // LQ_RUNTIME_TOKENIZER_NORMALIZER_H
