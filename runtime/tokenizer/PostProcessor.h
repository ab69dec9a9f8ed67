//===- PostProcessor.h - special tokens around a text -----------*- C++ -*-===//

#ifndef LQ_RUNTIME_TOKENIZER_POSTPROCESSOR_H
#define LQ_RUNTIME_TOKENIZER_POSTPROCESSOR_H

#include "runtime/Error.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace lq::tok {

/// What a single text's ids are put into.
class PostProcessor {
public:
  /// `description` is the `post_processor` of tokenizer.json, maybe null; ids
  /// must be below `vocabularySize`.
  static Expected<PostProcessor> make(const nlohmann::json &description,
                                      size_t vocabularySize);

  std::vector<int32_t> apply(std::vector<int32_t> ids, bool addSpecial) const;

private:
  /// The text's own ids in the template.
  static constexpr int32_t textMark = -1;

  Error add(const nlohmann::json &description, const std::string &where);
  Error addTemplate(const nlohmann::json &description,
                    const std::string &where);
  Error addBert(const nlohmann::json &description, const std::string &where);

  /// Special ids and `textMark`.
  std::vector<int32_t> pieces = {textMark};
  bool hasTemplate = false;
};

} // namespace lq::tok

#endif // LQ_RUNTIME_TOKENIZER_POSTPROCESSOR_H
