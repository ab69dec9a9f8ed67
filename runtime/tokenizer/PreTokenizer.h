//===- PreTokenizer.h - cutting text into words -----------------*- C++ -*-===//

#ifndef LQ_RUNTIME_TOKENIZER_PRETOKENIZER_H
#define LQ_RUNTIME_TOKENIZER_PRETOKENIZER_H

#include "runtime/Error.h"
#include "runtime/tokenizer/PieceList.h"

#include <nlohmann/json_fwd.hpp>

#include <memory>

namespace lq::tok {

class PreTokenizer {
public:
  virtual ~PreTokenizer();
  virtual Error preTokenize(PieceList &pieces) const = 0;
};

/// Null for a null `description`, the `pre_tokenizer` of tokenizer.json.
Expected<std::unique_ptr<PreTokenizer>>
makePreTokenizer(const nlohmann::json &description);

} // namespace lq::tok

#endif // LQ_RUNTIME_TOKENIZER_PRETOKENIZER_H
